"""Training batches: slices of every joint, and of things that are none of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from MultiJointSegLib.anatomy import joint
from MultiJointSegLib.learning.contrast import ContrastSettings, normalize_slices, render
from MultiJointSegLib.learning.losses import IGNORED
from MultiJointSegLib.learning.noise import smooth_noise
from MultiJointSegLib.learning.slicing import SlicingSettings, random_slices
from MultiJointSegLib.learning.tissue_bank import OTHER, TissueBank

MINIMUM_BONE_FRACTION = 0.01
"""Slices with less labelled bone than this do not teach the detector what joint they show."""


@dataclass(frozen=True, slots=True)
class JointBatch:
    """Slices of one joint.

    Attributes
    ----------
    images : float32 tensor of shape (b, 3, h, w)
    target : int64 tensor of shape (b, h, w)
        Class index of the joint's bones.
    labeled : bool tensor of shape (b, bones + 1) or None
        Which classes the slice's label map would show; None for all.
    """

    images: Tensor
    target: Tensor
    labeled: Tensor | None = None


class BatchSource(Protocol):
    """What the training loop draws from; `generator` alone decides what comes."""

    generator: torch.Generator

    @property
    def device(self) -> torch.device:
        """Where the batches are."""

    def joint_batch(self, key: str, count: int, size: int) -> JointBatch:
        """`count` slices of a joint, `size` pixels square."""

    def other_batch(self, count: int, size: int) -> Tensor:
        """Slices (count, 3, size, size) of none of the joints."""


class TrainingData(Protocol):
    """Examinations or tissue maps to learn from."""

    @property
    def device(self) -> torch.device:
        """Where the batches are."""

    @property
    def names(self) -> list[str]:
        """What is in it, for the record of a training."""

    def source(self, joints: Sequence[str], seed: int) -> BatchSource:
        """A source of batches of these joints."""


def detection_targets(batch: JointBatch, index: int) -> Tensor:
    """Detection target (b,) of a joint's slices: the joint's index, `IGNORED` where hardly any bone is seen."""
    enough = (batch.target > 0).flatten(1).float().mean(1) >= MINIMUM_BONE_FRACTION
    return torch.where(enough, index, IGNORED)


@dataclass(slots=True)
class SliceSampler:
    """Draws joint-balanced batches from a bank.

    Parameters
    ----------
    bank : TissueBank
    joints : sequence of str
        Joint keys in the order of the network.
    generator : torch.Generator
        On the bank's device; every draw comes from it, so a seed fixes the whole training.
    """

    bank: TissueBank
    joints: Sequence[str]
    generator: torch.Generator
    slicing: SlicingSettings = field(default_factory=SlicingSettings)
    contrast: ContrastSettings = field(default_factory=ContrastSettings)

    @property
    def device(self) -> torch.device:
        """The bank's."""
        return self.bank.device

    def joint_batch(self, key: str, count: int, size: int) -> JointBatch:
        """Slices through random maps of one joint."""
        slices = random_slices(self.bank, self._draw(key, count), size, self.slicing, self.generator)
        images = render(slices.tissue, self.contrast, self.generator)
        classes = torch.zeros(256, dtype=torch.int64, device=self.bank.device)
        for index, label in enumerate(joint(key).labels, start=1):
            classes[label] = index
        return JointBatch(images, classes[slices.label])

    def other_batch(self, count: int, size: int) -> Tensor:
        """Slices (count, 3, size, size) of none of the joints.

        A third are smooth random textures, and joints seen at less than half or more than twice their size; the
        others are cut from the bank's maps of other anatomy.
        """
        strange = count // 3 if count > 2 else 0
        slices = random_slices(self.bank, self._draw(OTHER, count - strange), size, self.slicing, self.generator)
        parts = [render(slices.tissue, self.contrast, self.generator)]
        if strange:
            parts.append(self._textures(strange - strange // 2, size))
            if strange // 2:
                parts.append(self._wrong_scale(strange // 2, size))
        return torch.cat(parts)

    def _draw(self, key: str, count: int) -> Tensor:
        members = self.bank.members(key)
        if members.numel() == 0:
            raise ValueError(f"The bank holds no map of '{key}'.")
        return members[torch.randint(members.numel(), (count,), generator=self.generator, device=self.bank.device)]

    def _textures(self, count: int, size: int) -> Tensor:
        nodes = int(torch.randint(4, 60, (1,), generator=self.generator, device=self.bank.device))
        field_ = smooth_noise(count, 3, size, nodes, self.generator, self.bank.device)
        noise = torch.randn(field_.shape, generator=self.generator, device=self.bank.device)
        weight = torch.rand(count, 1, 1, 1, generator=self.generator, device=self.bank.device)
        return normalize_slices((field_ * weight + noise * (1 - weight)).abs())

    def _wrong_scale(self, count: int, size: int) -> Tensor:
        key = self.joints[int(torch.randint(len(self.joints), (1,), generator=self.generator, device=self.bank.device))]
        small = bool(torch.rand(1, generator=self.generator, device=self.bank.device) < 0.5)
        settings = SlicingSettings(zoom=(0.25, 0.4) if small else (2.5, 4.0), margin_mm=0.0, in_plane_shift_mm=10.0)
        slices = random_slices(self.bank, self._draw(key, count), size, settings, self.generator)
        return render(slices.tissue, self.contrast, self.generator)


@dataclass(frozen=True, slots=True)
class BankData:
    """A bank of tissue maps as data to learn from."""

    bank: TissueBank

    @property
    def device(self) -> torch.device:
        """The bank's."""
        return self.bank.device

    @property
    def names(self) -> list[str]:
        """Joint of every map."""
        return sorted(self.bank.joints)

    def source(self, joints: Sequence[str], seed: int) -> SliceSampler:
        """Random slices of the maps."""
        return SliceSampler(self.bank, joints, torch.Generator(self.device).manual_seed(seed))
