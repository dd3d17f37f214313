"""Training batches of real examinations: crops of their canonical slices, changed at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from MultiJointSegLib.anatomy import joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.augmentation import AugmentationSettings, deform, shade
from MultiJointSegLib.learning.contrast import ContrastSettings, normalize_slices, render
from MultiJointSegLib.learning.dataset_cache import ExaminationSlices
from MultiJointSegLib.learning.masks.variation import vary_positions
from MultiJointSegLib.learning.noise import smooth_noise
from MultiJointSegLib.learning.sampler import JointBatch
from MultiJointSegLib.learning.slicing import SlicingSettings, random_slices
from MultiJointSegLib.learning.tissue_bank import OTHER, TissueBank

MASK_DROPOUT = 0.15
"""Share of the slices whose mask is left out, where the model may go on without one."""

_OUT_OF_SCALE = 3
"""Joints seen at a third or three times their size are none of ours."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An examination with what its batches need.

    Attributes
    ----------
    slices : ExaminationSlices
    boxes : int64 ndarray of shape (s, 4)
        First and last row, first and last column of each slice's bones; of all slices' where one has none.
    with_bone : int64 ndarray
        Slices that show bone.
    labeled : bool ndarray of shape (bones + 1,)
    """

    slices: ExaminationSlices
    boxes: np.ndarray
    with_bone: np.ndarray
    labeled: np.ndarray


@dataclass(slots=True)
class ExaminationSampler:
    """Draws joint-balanced batches from cached slices.

    Every examination of a joint is drawn as often, however many slices it has.

    Parameters
    ----------
    data : ExaminationData
    joints : sequence of str
    generator : torch.Generator
        On the data's device; every draw comes from it, so a seed fixes the whole training.
    """

    data: ExaminationData
    joints: Sequence[str]
    generator: torch.Generator

    @property
    def device(self) -> torch.device:
        """The data's."""
        return self.data.device

    def joint_batch(self, key: str, count: int, size: int) -> JointBatch:
        """Crops of random slices of random examinations of a joint."""
        settings = self.data.augmentation
        windows, labels, is_sagittal, labeled = self._windows(key, count, round(size * settings.window_factor) + 2)
        classes = torch.zeros(256, dtype=torch.int64, device=self.device)
        for index, label in enumerate(joint(key).labels, start=1):
            classes[label] = index
        own = self.data.image_channels
        images, target = deform(
            windows, classes[labels], is_sagittal, size, self.data.pixel_mm, settings, self.generator, own
        )
        if own == images.shape[1]:
            return JointBatch(shade(images, settings, self.generator), target, labeled)
        masks = vary_positions(images[:, own:], settings, self.generator)
        if self.data.mask_dropout:
            chance = torch.rand(count, 1, 1, 1, generator=self.generator, device=self.device)
            masks = masks * (chance >= self.data.mask_dropout)
        shaded = [shade(images[:, :own], settings, self.generator)] if own else []
        return JointBatch(torch.cat([*shaded, masks], dim=1), target, labeled)

    def other_batch(self, count: int, size: int) -> Tensor:
        """Slices (count, 3, size, size) of none of the joints.

        A third each of smooth textures, joints at a third or three times their size, and phantoms of other anatomy;
        without phantoms half of the first two.
        """
        others = 0 if self.data.others is None else count - 2 * (count // 3)
        textures = (count - others + 1) // 2
        parts = [self._textures(textures, size)]
        if count - others > textures:
            parts.append(self._out_of_scale(count - others - textures, size))
        if others:
            parts.append(self._others(others, size))
        return torch.cat(parts)

    def _windows(self, key: str, count: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        entries = self.data.entries(key)
        images = np.zeros((count, entries[0].slices.images.shape[1], width, width), np.float16)
        labels = np.zeros((count, width, width), np.uint8)
        chance = torch.rand(count, 5, generator=self.generator, device=self.device).cpu().numpy()
        chosen = [entries[int(c * len(entries))] for c in chance[:, 0]]
        for n, entry in enumerate(chosen):
            several = np.arange(len(entry.slices.labels))
            if len(entry.with_bone) and chance[n, 1] < self.data.augmentation.bone_share:
                several = entry.with_bone
            index = int(several[int(chance[n, 2] * len(several))])
            top, bottom, left, right = entry.boxes[index]
            row = int(top + chance[n, 3] * (bottom - top + 1)) - width // 2
            column = int(left + chance[n, 4] * (right - left + 1)) - width // 2
            _copy(entry.slices.images[index], images[n], row, column)
            _copy(entry.slices.labels[index], labels[n], row, column)
        sagittal = torch.tensor([entry.slices.plane == "sagittal" for entry in chosen], device=self.device)
        labeled = torch.from_numpy(np.stack([entry.labeled for entry in chosen])).to(self.device)
        on_device = torch.from_numpy(images).to(self.device).float()
        return on_device, torch.from_numpy(labels).to(self.device).long(), sagittal, labeled

    def _textures(self, count: int, size: int) -> Tensor:
        nodes = int(torch.randint(4, 60, (1,), generator=self.generator, device=self.device))
        smooth = smooth_noise(count, 3, size, nodes, self.generator, self.device)
        noise = torch.randn(smooth.shape, generator=self.generator, device=self.device)
        weight = torch.rand(count, 1, 1, 1, generator=self.generator, device=self.device)
        return normalize_slices((smooth * weight + noise * (1 - weight)).abs())

    def _out_of_scale(self, count: int, size: int) -> Tensor:
        pick, small = torch.rand(2, generator=self.generator, device=self.device).tolist()
        key = self.joints[int(pick * len(self.joints))]
        width = size * _OUT_OF_SCALE if small < 0.5 else max(8, size // _OUT_OF_SCALE)
        images = self._windows(key, count, width)[0][:, : self.data.image_channels]
        return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)

    def _others(self, count: int, size: int) -> Tensor:
        bank = self.data.others
        assert bank is not None
        member = torch.randint(len(bank.joints), (count,), generator=self.generator, device=self.device)
        slices = random_slices(bank, member, size, SlicingSettings(pixel_mm=self.data.pixel_mm), self.generator)
        return render(slices.tissue, ContrastSettings(), self.generator)


@dataclass(frozen=True, slots=True)
class ExaminationData:
    """Cached examinations as data to learn from.

    Parameters
    ----------
    examinations : sequence of ExaminationSlices
    pixel_mm : float
        Of the slices.
    augmentation : AugmentationSettings
        `augmentation.STILL` for validation.
    device : torch device
        Where the batches are made; the slices themselves stay mapped from the disk.
    others : TissueBank or None
        Maps of anatomy that is none of the joints, on the device.
    image_channels : int
        How many of the slices' channels are the image's, the first ones; the others are a mask's.
    mask_dropout : float
        Share of the slices whose mask is left out.
    """

    examinations: Sequence[ExaminationSlices]
    pixel_mm: float
    augmentation: AugmentationSettings
    device: torch.device
    others: TissueBank | None = None
    image_channels: int = 3
    mask_dropout: float = 0.0
    _entries: dict[str, list[_Entry]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.others is not None and set(self.others.joints) != {OTHER}:
            raise ValueError("The maps of other anatomy must all be of the joint 'other'.")
        for slices in self.examinations:
            self._entries.setdefault(slices.examination.joint, []).append(_entry(slices))

    @property
    def names(self) -> list[str]:
        """Names of the examinations."""
        return [slices.examination.name for slices in self.examinations]

    def entries(self, key: str) -> list[_Entry]:
        """Examinations of a joint.

        Raises
        ------
        InputError
            If there is none.
        """
        if key not in self._entries:
            raise InputError(f"There is no examination of the {key} to learn from; there are {', '.join(self.names)}.")
        return self._entries[key]

    def source(self, joints: Sequence[str], seed: int) -> ExaminationSampler:
        """Random crops of the slices."""
        return ExaminationSampler(self, joints, torch.Generator(self.device).manual_seed(seed))


def _entry(slices: ExaminationSlices) -> _Entry:
    examination = slices.examination
    wanted = np.zeros(256, bool)
    wanted[list(joint(examination.joint).labels)] = True
    labeled = {bone.key for bone in examination.bones}
    everywhere = [slices.labels.shape[1], 0, slices.labels.shape[2], 0]
    boxes = []
    for labels in slices.labels:
        shown = wanted[labels]
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        boxes.append([rows[0], rows[-1], columns[0], columns[-1]] if len(rows) else [-1, -1, -1, -1])
        if len(rows):
            everywhere = [
                min(everywhere[0], rows[0]), max(everywhere[1], rows[-1]),
                min(everywhere[2], columns[0]), max(everywhere[3], columns[-1]),
            ]  # fmt: skip
    if everywhere[0] > everywhere[1]:
        everywhere = [0, slices.labels.shape[1] - 1, 0, slices.labels.shape[2] - 1]
    table = np.array(boxes, np.int64)
    with_bone = np.flatnonzero(table[:, 0] >= 0)
    table[table[:, 0] < 0] = everywhere
    return _Entry(
        slices,
        table,
        with_bone,
        np.array([True, *(bone.key in labeled for bone in joint(examination.joint).bones)]),
    )


def _copy(source: np.ndarray, target: np.ndarray, row: int, column: int) -> None:
    """Copy the part of a slice (..., h, w) that a window with its first pixel at (row, column) shows."""
    (height, width), (rows, columns) = source.shape[-2:], target.shape[-2:]
    top, bottom = max(row, 0), min(row + rows, height)
    left, right = max(column, 0), min(column + columns, width)
    if top < bottom and left < right:
        target[..., top - row : bottom - row, left - column : right - column] = source[..., top:bottom, left:right]
