"""Does the regularization work? Joint accuracy of a linear probe, and how much of the loss batch norm alone meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d
from MultiJointSegLib.networks.shared_unet import SharedUNet


def linear_probe_accuracy(embeddings: Tensor, classes: Tensor, *, folds: int = 4, ridge: float = 1e-2) -> float:
    """Fraction of samples whose class a linear classifier finds that was fitted without them.

    Multinomial logistic regression on standardized embeddings, cross-validated: sample i belongs to fold i modulo
    `folds` counted within its class.

    Parameters
    ----------
    embeddings : float tensor of shape (n, d)
    classes : int64 tensor of shape (n,)
    folds : int
        At least 2.
    ridge : float
        Weight of the squared norm of the coefficients.

    Raises
    ------
    ValueError
        If a class has fewer than 2 samples, or `folds` is below 2.
    """
    values, classes, counts = torch.unique(classes, return_inverse=True, return_counts=True)
    if folds < 2 or int(counts.min()) < 2:
        raise ValueError(f"The probe needs 2 folds and 2 samples of each class; {folds} and {counts.tolist()} given.")
    fold = torch.empty_like(classes)
    for index in range(len(values)):
        members = classes == index
        fold[members] = torch.arange(int(members.sum()), device=classes.device) % folds
    right = 0
    for held_out in range(min(folds, int(counts.max()))):
        test = fold == held_out
        x = embeddings.detach().double()
        x = (x - x[~test].mean(0)) / x[~test].std(0, correction=0).clamp_min(1e-6)
        weight, bias = _fit_logistic(x[~test], classes[~test], len(values), ridge)
        right += int((F.linear(x[test], weight, bias).argmax(1) == classes[test]).sum())
    return right / len(classes)


def _fit_logistic(x: Tensor, classes: Tensor, count: int, ridge: float) -> tuple[Tensor, Tensor]:
    # Plain zeros, no module: random initial values would move the generator that training draws from.
    weight = x.new_zeros(count, x.shape[1]).requires_grad_()
    bias = x.new_zeros(count).requires_grad_()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(x, weight, bias), classes) + ridge * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach(), bias.detach()


@contextmanager
def averaged_affine(network: SharedUNet) -> Iterator[None]:
    """Within it, every joint's gamma and beta are their means over the joints; what serves detection stays as it is.

    The joints' own statistics stay too. All values come back at the end, bit for bit.
    """
    count = len({network.domain_index(joint) for joint in network.joints})
    saved: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for module in network.modules():
            if not isinstance(module, DomainBatchNorm2d):
                continue
            for name in ("weight", "bias"):
                parameters = [getattr(norm, name) for norm in list(module.domains)[:count]]
                mean = torch.stack(parameters).mean(0)
                saved += [(parameter, parameter.detach().clone()) for parameter in parameters]
                for parameter in parameters:
                    parameter.copy_(mean)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in saved:
                parameter.copy_(value)


@dataclass(frozen=True, slots=True)
class ContrastDiagnosis:
    """What the contrastive term has reached, on slices that the network was not trained on.

    Attributes
    ----------
    loss, loss_with_averaged_affine : dict of int to float
        Contrastive loss of each scale in evaluation mode: as the network is, and with every joint's gamma and beta
        replaced by their means over the joints.
    probe_accuracy : dict of int to float
        `linear_probe_accuracy` of the joint at each scale.
    """

    loss: dict[int, float]
    loss_with_averaged_affine: dict[int, float]
    probe_accuracy: dict[int, float]

    @property
    def returned(self) -> dict[int, float]:
        """How much of each scale's loss comes back without gamma and beta of the joints' own; 0 is best."""
        return {scale: self.loss_with_averaged_affine[scale] - loss for scale, loss in self.loss.items()}

    def rounded(self) -> dict[str, dict[str, float]]:
        """For a log: quantity to scale to value."""
        quantities = {"loss": self.loss, "returned": self.returned, "probe_accuracy": self.probe_accuracy}
        return {name: {str(k): round(v, 4) for k, v in values.items()} for name, values in quantities.items()}


@torch.no_grad()
def diagnose_contrast(
    network: SharedUNet, contrast: MultiScaleContrast, images: Mapping[str, Tensor]
) -> ContrastDiagnosis:
    """Measure on slices (b, 3, h, w) of each of at least two joints, all of one size; the network stays as it is.

    Returns
    -------
    ContrastDiagnosis
    """
    training = network.training
    network.eval()
    try:
        levels = network.features_of(images)
        _, losses = contrast(levels)
        embeddings, classes = contrast.embeddings(levels)
        with averaged_affine(network):
            _, averaged = contrast(network.features_of(images))
    finally:
        network.train(training)
    probes = [linear_probe_accuracy(z, classes) for z in embeddings]
    return ContrastDiagnosis(
        {scale: float(loss) for scale, loss in losses.items()},
        {scale: float(loss) for scale, loss in averaged.items()},
        dict(zip(contrast.scales, probes, strict=True)),
    )
