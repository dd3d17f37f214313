"""The anatomical prior: a shape auto-encoder learned on label maps, whose frozen encoder judges predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from MultiJointSegLib.learning.losses import hard_dice
from MultiJointSegLib.networks.shape_autoencoder import ShapeAutoencoder
from MultiJointSegLib.progress import Progress, SilentProgress

DrawTargets = Callable[[str], Tensor]
"""Gives int64 class indices (b, h, w) of one joint's label maps; each call a new batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderSettings:
    """How a shape auto-encoder is trained."""

    steps: int = 1500
    learning_rate: float = 2e-3
    gradient_clip: float = 5.0


def one_hot(target: Tensor, classes: int) -> Tensor:
    """Class indices (b, h, w) as float32 (b, classes, h, w) of zeros and ones."""
    return F.one_hot(target, classes).movedim(-1, 1).float()


def train_shape_autoencoder(
    autoencoder: ShapeAutoencoder,
    draw: DrawTargets,
    settings: AutoencoderSettings = AutoencoderSettings(),
    progress: Progress = SilentProgress(),  # noqa: B008
) -> list[float]:
    """Train in place on label maps of all its joints: each step sums the cross-entropies of a batch of every joint.

    Returns
    -------
    list of float
        The loss of each step.
    """
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
    losses = []
    autoencoder.train()
    for step in range(settings.steps):
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for joint, bones in autoencoder.joints.items():
            target = draw(joint)
            loss = F.cross_entropy(autoencoder(one_hot(target, bones + 1), joint), target)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(autoencoder.parameters(), settings.gradient_clip)
        optimizer.step()
        schedule.step()
        losses.append(total)
        progress.report((step + 1) / settings.steps, f"shape prior, step {step + 1}, loss {total:.3f}")
    autoencoder.eval()
    return losses


@torch.no_grad()
def reconstruction_dice(autoencoder: ShapeAutoencoder, targets: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Dice of each bone between label maps (b, h, w) of each joint and their reconstruction; NaN for absent bones.

    Give label maps that the auto-encoder was not trained on.
    """
    training = autoencoder.training
    autoencoder.eval()
    dice = {}
    for joint, target in targets.items():
        reconstruction = autoencoder(one_hot(target, autoencoder.joints[joint] + 1), joint)
        dice[joint] = [float(value) for value in hard_dice(reconstruction, target)]
    autoencoder.train(training)
    return dice


def save_shape_autoencoder(autoencoder: ShapeAutoencoder, path: Path) -> None:
    """Write weights and configuration as one safetensors file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    tensors = {key: value.detach().contiguous() for key, value in autoencoder.state_dict().items()}
    save_file(tensors, temporary, {"config": json.dumps(autoencoder.config())})
    temporary.replace(path)


def load_shape_autoencoder(path: Path, device: torch.device | str = "cpu") -> ShapeAutoencoder:
    """Read what `save_shape_autoencoder` wrote, in evaluation mode."""
    with safe_open(path, "pt") as stream:
        config = json.loads(stream.metadata()["config"])
    autoencoder = ShapeAutoencoder(**config)
    autoencoder.load_state_dict(load_file(path))
    return autoencoder.eval().to(device)


class AnatomicalPrior(nn.Module):
    """Penalty ``||F(y) - F(p)||^2``, averaged over the elements of the code, with a frozen encoder F.

    The average makes the penalty's weight independent of the size of the code.

    Parameters
    ----------
    autoencoders : ShapeAutoencoder or mapping of str to ShapeAutoencoder
        One for all joints, or one for each. They are frozen, for good: no gradients, always in evaluation mode.
    """

    def __init__(self, autoencoders: ShapeAutoencoder | Mapping[str, ShapeAutoencoder]) -> None:
        super().__init__()
        if isinstance(autoencoders, ShapeAutoencoder):
            autoencoders = dict.fromkeys(autoencoders.joints, autoencoders)
        self.autoencoders = nn.ModuleDict(dict(autoencoders))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> AnatomicalPrior:
        """Stay in evaluation mode: the encoder's statistics are part of the frozen prior."""
        del mode
        return super().train(False)

    def forward(self, logits: Tensor, target: Tensor, joint: str) -> Tensor:
        """Penalty of predicted logits (b, bones + 1, h, w) of a joint against class indices (b, h, w); a scalar.

        Raises
        ------
        KeyError
            If there is no prior for the joint.
        """
        return self.penalty(logits.float().softmax(1), target, joint)

    def penalty(self, probability: Tensor, target: Tensor, joint: str) -> Tensor:
        """Penalty of class probabilities; see `forward`."""
        if joint not in self.autoencoders:
            raise KeyError(
                f"There is no shape prior for the joint '{joint}'; there is for {', '.join(self.autoencoders)}."
            )
        autoencoder = cast("ShapeAutoencoder", self.autoencoders[joint])
        with torch.no_grad():
            truth = autoencoder.encode(one_hot(target, probability.shape[1]), joint)
        return (autoencoder.encode(probability, joint) - truth).square().mean()
