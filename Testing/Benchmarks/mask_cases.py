"""Cases for the experiments with global masks: slices at low resolution, true classes, and what masks are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.canonical import CanonicalSlices, canonical_grid, canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.channels import mask_channels
from MultiJointSegLib.learning.masks.settings import MaskSettings
from MultiJointSegLib.learning.masks.sources import mask_source
from MultiJointSegLib.phantom.phantom import make_phantom

ORGAN_CLOSING_MM = 15.0


@dataclass
class Case:
    """One examination.

    `labels` holds class indices 1..n on the native grid; `channels` is a cache of mask channels by source.
    """

    name: str
    volume: Volume
    labels: Volume
    slices: CanonicalSlices
    target: np.ndarray
    side: str | None = None
    channels: dict[str, np.ndarray] = field(default_factory=dict)

    def mask(self, settings: MaskSettings, first_pass: Callable[[Volume], Volume] | None = None) -> np.ndarray:
        """Channels of a mask, float32 (s, channels, h, w)."""
        key = f"{settings.source} {settings.encoding}"
        if key in self.channels:
            return self.channels[key]
        given = {"oracle": self.labels, "organ": None}.get(settings.source)
        if settings.source == "organ":
            given = outline_of(self.labels)
        made = mask_source(settings, first_pass=first_pass).mask(self.volume, given=given, side=self.side)
        channels = mask_channels(made, self.slices.grid, settings, side=self.side)
        if settings.source != "bone":  # which depends on who trained the first pass
            self.channels[key] = channels
        return channels


@dataclass(frozen=True)
class Task:
    """An experiment: its structures (name, whether there is one on each side), resolution, and cases."""

    name: str
    structures: tuple[tuple[str, bool], ...]
    pixel_mm: float
    pitch_mm: float
    train: list[Case]
    test: list[Case]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the structures in class order."""
        return tuple(name for name, _ in self.structures)


def make_case(name: str, volume: Volume, labels: Volume, pixel_mm: float, pitch_mm: float, *, image: bool) -> Case:
    """Cut a case; without `image` its slices are empty."""
    if image:
        slices = canonical_slices(normalize_intensity(volume), pixel_mm=pixel_mm, minimum_pitch_mm=pitch_mm)
    else:
        grid = canonical_grid(volume.geometry, pixel_mm=pixel_mm, minimum_pitch_mm=pitch_mm)
        slices = CanonicalSlices(np.zeros((grid.shape[0], 0, *grid.shape[1:]), np.float32), grid)
    return Case(name, volume, labels, slices, slices.grid.sample_labels(labels))


def outline_of(labels: Volume) -> Volume:
    """A smooth outline around all structures, as a reader would draw it: their union closed with a ball.

    It is made from the truth, so it stands for an outline that comes with the examination, not for an automatic one.
    """
    step = tuple(max(1, round(3.0 / s)) for s in labels.spacing_mm[::-1])
    coarse = labels.array[tuple(slice(None, None, n) for n in step)] > 0
    spacing = [s * n for s, n in zip(labels.spacing_mm[::-1], step, strict=True)]
    near = distance_transform_edt(~coarse, sampling=spacing) <= ORGAN_CLOSING_MM
    closed = (distance_transform_edt(near, sampling=spacing) > ORGAN_CLOSING_MM) | coarse
    for axis, n in enumerate(step):
        closed = np.repeat(closed, n, axis=axis)
    cut = tuple(slice(0, n) for n in labels.array.shape)
    return labels.with_array(closed[cut].astype(np.uint8))


def hip_mr(data: Path, pixel_mm: float) -> Task:
    """Fifteen pelves: cases 01 to 10 train, 11 to 15 test."""
    cases = []
    for number in range(1, 16):
        volume = read_volume(data / "hip_mr" / f"{number:02d}_img.nii.gz")
        labels = read_label_map(data / "hip_mr" / f"{number:02d}_seg.nii.gz")
        cases.append(make_case(f"{number:02d}", volume, labels, pixel_mm, 4.0, image=True))
    structures = (("femur", True), ("hip bone", True), ("spine", False), ("sacrum", False))
    return Task("hip_mr", structures, pixel_mm, 4.0, cases[:10], cases[10:])


def knee_labels(data: Path, pixel_mm: float) -> Task:
    """One visit of each of thirteen knees: eight train, five test; femur, tibia, patella from their union."""
    folder = data / "knee" / "label_maps_evaluation_only"
    subjects: dict[str, Path] = {}
    for path in sorted(folder.glob("*.nii.gz")):
        subjects.setdefault("_".join(path.name.split(".")[0].split("_")[:-1] or [path.name]) + _last(path), path)
    cases = []
    paths = list(subjects.values())
    for index in np.random.default_rng(5).permutation(len(paths)):  # the two cohorts mixed
        path = paths[index]
        stored = read_label_map(path)
        classes = np.zeros(256, np.uint8)
        classes[[1, 3, 5]] = (1, 2, 3)
        labels = stored.with_array(classes[stored.array])
        cases.append(make_case(path.name.split(".")[0], labels, labels, pixel_mm, 4.0, image=False))
    structures = (("femur", False), ("tibia", False), ("patella", False))
    return Task("knee", structures, pixel_mm, 4.0, cases[:8], cases[8:13])


def _last(path: Path) -> str:
    """Number of a knee that has one visit only; nothing where the last part of the name is the visit."""
    last = path.name.split(".")[0].split("_")[-1]
    return "" if last.endswith("m") else last


def phantoms(joint: str, pixel_mm: float, train: int = 8, test: int = 5, first_seed: int = 7_000_000) -> Task:
    """Synthetic examinations of a joint, whose sides are known."""
    bones = anatomy.joint(joint).bones
    cases = []
    for number, phantom in enumerate(_phantoms(joint, first_seed, train + test)):
        classes = np.zeros(256, np.uint8)
        for index, bone in enumerate(bones, start=1):
            classes[bone.label] = index
        labels = phantom.labels.with_array(classes[phantom.labels.array])
        case = make_case(f"{joint} {number}", phantom.volume, labels, pixel_mm, 4.0, image=True)
        case.side = str(phantom.settings.get("side") or "") or None
        cases.append(case)
    structures = tuple((bone.key, False) for bone in bones)
    return Task(f"phantom {joint}", structures, pixel_mm, 4.0, cases[:train], cases[train:])


def _phantoms(joint: str, first_seed: int, count: int) -> Iterator:
    for seed in range(first_seed, first_seed + count):
        # One plane, so that a stack of one examination looks like that of another; everything else is drawn.
        yield make_phantom(joint, seed=seed, plane="sagittal", spacing_mm=(1.5, 1.5, 4.0), map_spacing_mm=1.6)
