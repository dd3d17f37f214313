"""Supervised contrastive regularization of the shared features, with the joint as the class, at several scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MultiJointSegLib.networks.processes import gathered


def supervised_contrastive_loss(embeddings: Tensor, classes: Tensor, temperature: float = 0.1) -> Tensor:
    """Mean over samples i of ``-mean_p log(exp(z_i.z_p / t) / sum_{a != i} exp(z_i.z_a / t))``, p of the class of i.

    Samples that are alone in their class have no p; they do not count as i, only among the others' a. The least
    possible value of classes of m samples is about log(m - 1), not 0.

    Parameters
    ----------
    embeddings : float tensor of shape (n, d)
        Brought to unit length here.
    classes : int64 tensor of shape (n,)
    temperature : float
        t above; smaller values weigh the nearest samples more.

    Returns
    -------
    scalar tensor

    Raises
    ------
    ValueError
        If no class has two samples, or the temperature is not positive.

    References
    ----------
    Khosla et al. 2020, arXiv 2004.11362, equation 2; the joint as the class: Boutillon et al. 2021, arXiv 2105.10310.
    """
    if not temperature > 0:
        raise ValueError(f"The temperature is {temperature}; it must be above 0.")
    z = F.normalize(embeddings, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (classes[:, None] == classes[None, :]) & ~itself
    count = positive.sum(1)
    if not bool((count > 0).any()):
        raise ValueError(
            "The contrastive loss needs at least two samples of a class; every sample is alone in its own."
        )
    similarity = z @ z.T / temperature
    log_probability = similarity - similarity.masked_fill(itself, -torch.inf).logsumexp(1, keepdim=True)
    by_sample = -(log_probability * positive).sum(1)[count > 0] / count[count > 0]
    return by_sample.mean()


def pooled(features: Tensor) -> Tensor:
    """Mean over the pixels of rectified features (b, c, h, w), as (b, c).

    Rectified, because the mean of what leaves a batch normalization is its shift beta: with a beta for each joint the
    contrastive loss would be met without any change of the shared filters. The decoder's levels are rectified already.
    """
    return F.relu(features).mean((2, 3))


class MultiScaleContrast(nn.Module):
    """Weighted mean of the supervised contrastive loss over scales of the shared features.

    Parameters
    ----------
    channels : sequence of int
        Channels of all levels of `SharedUNet.features`, coarsest first.
    scales : sequence of int, optional
        Levels to use, 0 is the bottleneck; all by default.
    weights : sequence of float, optional
        One weight a scale, brought to the sum 1; equal by default.
    temperature : float
    projection : {"identity", "mlp"}
        Compare the pooled features themselves, or what a head of two layers makes of them (shared by the joints).
    projection_channels : int
        Outputs of the head.

    References
    ----------
    Boutillon et al. 2022, DOI 10.1016/j.media.2022.102556, for several scales. Which scales, the head, the temperature
    and the weights are our choice.
    """

    def __init__(
        self,
        channels: Sequence[int],
        scales: Sequence[int] | None = None,
        weights: Sequence[float] | None = None,
        *,
        temperature: float = 0.1,
        projection: Literal["identity", "mlp"] = "identity",
        projection_channels: int = 128,
    ) -> None:
        super().__init__()
        self.scales = tuple(range(len(channels)) if scales is None else scales)
        if not self.scales or len(set(self.scales)) != len(self.scales):
            raise ValueError(f"The scales are {list(self.scales)}; give at least one, each once.")
        if not all(0 <= scale < len(channels) for scale in self.scales):
            raise ValueError(f"The scales are {list(self.scales)}; the network has levels 0 to {len(channels) - 1}.")
        raw = [1.0] * len(self.scales) if weights is None else list(weights)
        if len(raw) != len(self.scales) or min(raw) < 0 or not sum(raw) > 0:
            raise ValueError(f"The scale weights are {raw}; give one number of at least 0 for each of {self.scales}.")
        self.weights = tuple(weight / sum(raw) for weight in raw)
        self.temperature = temperature
        self.heads = nn.ModuleDict()
        if projection == "mlp":
            for scale in self.scales:
                n = channels[scale]
                head = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, projection_channels))
                self.heads[str(scale)] = head

    def embeddings(self, levels: Mapping[str, Sequence[Tensor]]) -> tuple[list[Tensor], Tensor]:
        """Embeddings (n, d) of each scale, not yet of unit length, and the class (n,) of each sample.

        Parameters
        ----------
        levels : mapping of str to sequence of tensors
            `SharedUNet.features` of the slices of each joint.
        """
        by_scale = []
        for scale in self.scales:
            z = torch.cat([pooled(features[scale].float()) for features in levels.values()])
            by_scale.append(self.heads[str(scale)](z) if self.heads else z)
        counts = [len(features[0]) for features in levels.values()]
        device = by_scale[0].device
        classes = torch.arange(len(counts), device=device).repeat_interleave(torch.tensor(counts, device=device))
        return by_scale, classes

    def forward(self, levels: Mapping[str, Sequence[Tensor]]) -> tuple[Tensor, dict[int, Tensor]]:
        """The loss, and that of each scale; see `embeddings` for the argument.

        With one joint there is nothing to tell apart, the loss only pulls its slices together; `schemes` never asks
        for it then.
        """
        by_scale, classes = self.embeddings(levels)
        everyone = gathered(classes)
        losses = [supervised_contrastive_loss(gathered(z), everyone, self.temperature) for z in by_scale]
        total = torch.stack([w * loss for w, loss in zip(self.weights, losses, strict=True)]).sum()
        return total, dict(zip(self.scales, losses, strict=True))
