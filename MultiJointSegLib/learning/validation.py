"""How good a network is on fixed slices that it was not trained on."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.diagnostics import diagnose_contrast
from MultiJointSegLib.learning.losses import hard_dice, merge_unlabeled
from MultiJointSegLib.learning.sampler import BatchSource, detection_targets
from MultiJointSegLib.networks.shared_unet import SharedUNet


class Validation:
    """Slices drawn once from a source, so that every measurement is of the same ones.

    Parameters
    ----------
    source : BatchSource
        Of examinations or maps that share no subject with the training.
    joints : sequence of str
    count, size_px : int
        Slices of each joint, and their height and width.
    detection : bool
        Also draw slices of none of the joints, and judge the detection.
    """

    def __init__(self, source: BatchSource, joints: list[str], count: int, size_px: int, *, detection: bool) -> None:
        self._batches = {key: source.joint_batch(key, count, size_px) for key in joints}
        self._other = source.other_batch(count, size_px) if detection else None

    @torch.no_grad()
    def measure(self, network: SharedUNet, contrast: MultiScaleContrast | None = None) -> dict[str, Any]:
        """Dice of each bone, accuracy of the detection, and `diagnostics.diagnose_contrast`, for a log.

        The network is judged in evaluation mode and left as it was.
        """
        training = network.training
        network.eval()
        measured: dict[str, Any] = {"validation_dice": {}}
        for key, batch in self._batches.items():
            logits = network(batch.images, key).float()
            if batch.labeled is not None:
                logits = merge_unlabeled(logits, batch.labeled)
            measured["validation_dice"][key] = [_rounded(float(d)) for d in hard_dice(logits, batch.target)]
        if self._other is not None:
            logits, target = self.detection_sample(network)
            measured["validation_detection"] = round(float((logits.argmax(1) == target).float().mean()), 4)
        if contrast is not None:
            images = {key: batch.images for key, batch in self._batches.items()}
            measured["validation_contrast"] = diagnose_contrast(network, contrast, images).rounded()
        network.train(training)
        return measured

    @torch.no_grad()
    def detection_sample(self, network: SharedUNet) -> tuple[Tensor, Tensor]:
        """Detection logits (n, joints + 1) and classes (n,) of the slices whose joint can be told.

        Raises
        ------
        ValueError
            If no slices were drawn for it.
        """
        if self._other is None:
            raise ValueError("No slices were drawn to judge the detection.")
        images = [b.images[:, : self._other.shape[1]] for b in self._batches.values()]  # without a mask
        shown = network.detect(torch.cat([*images, self._other])).float()
        targets = [detection_targets(batch, index) for index, batch in enumerate(self._batches.values())]
        targets.append(torch.full((len(self._other),), len(self._batches), device=shown.device))
        target = torch.cat(targets)
        return shown[target >= 0], target[target >= 0]

    @torch.no_grad()
    def segmentation_sample(self, network: SharedUNet, key: str, every: int) -> tuple[Tensor, Tensor]:
        """Logits (n, bones + 1) and classes (n,) of every n-th pixel of the slices of a joint."""
        batch = self._batches[key]
        logits = network(batch.images, key).float()
        if batch.labeled is not None:
            logits = merge_unlabeled(logits, batch.labeled)
        pixels = logits.movedim(1, -1).reshape(-1, logits.shape[1])[::every]
        return pixels, batch.target.reshape(-1)[::every]


def mean_dice(measured: dict[str, Any]) -> float:
    """One number of `Validation.measure`: the mean over joints of the mean over their bones; NaN if none was there."""
    joints = []
    for bones in measured["validation_dice"].values():
        there = [dice for dice in bones if dice is not None]
        if there:
            joints.append(sum(there) / len(there))
    return sum(joints) / len(joints) if joints else math.nan


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
