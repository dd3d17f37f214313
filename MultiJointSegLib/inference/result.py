"""Bones of an examination on its own grid: the result of a segmentation, and how it is put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.anatomy import Bone, Joint
from MultiJointSegLib.imaging.canonical import CanonicalGrid
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.detection import Detection
from MultiJointSegLib.inference.device import DeviceChoice
from MultiJointSegLib.inference.postprocess import Box, CleanedClasses
from MultiJointSegLib.inference.uncertainty import expected_dice, slice_uncertainty
from MultiJointSegLib.learning.masks.source import BodyMask
from MultiJointSegLib.progress import Progress

CROP_MARGIN_MM = 5.0
"""Probabilities are kept up to this far around a bone's bounding box, and for at least two voxels."""

SURFACE_LEVEL = 0.5
LEVEL_GAP = 1 / 64
"""Where the cleaned segmentation contradicts a probability, the probability is moved this far to the right side of
`SURFACE_LEVEL`, so that the surface at that level encloses exactly the segmented voxels."""


@dataclass(frozen=True, slots=True)
class SegmentationResult:
    """Bones of an examination, on the examination's own grid.

    Parameters
    ----------
    labels : Volume
        uint8, label values of the anatomy catalog, 0 background.
    joint : Joint
        The joint that was segmented.
    detection : Detection
        What the images show according to the network, also when the joint was named by the user.
    probabilities : dict of str to Volume
        Bone key to foreground probability, float16, around the bone; agrees with `labels` at the level 0.5.
        A bone that was not found has none.
    bone_confidence : dict of str to float
        Bone key to expected Dice (`uncertainty.expected_dice`); 0 for a bone that was not found.
    slice_uncertainty : dict of str to float32 ndarray of shape (slices,)
        Bone key to one value in [0, 1] per slice along `slice_axis` (`uncertainty.slice_uncertainty`).
    slice_axis : int
        Array axis (0 = k, 1 = j, 2 = i) along which the network saw slices.
    timings_s : dict of str to float
        Stage to seconds.
    warnings : list of str
        Sentences for the user.
    device : DeviceChoice
        Where it was computed.
    input_mask : BodyMask or None
        The global mask that the network saw, if it sees one.
    """

    labels: Volume
    joint: Joint
    detection: Detection
    probabilities: dict[str, Volume]
    bone_confidence: dict[str, float]
    slice_uncertainty: dict[str, np.ndarray]
    slice_axis: int
    timings_s: dict[str, float]
    warnings: list[str]
    device: DeviceChoice
    input_mask: BodyMask | None = None


@dataclass(frozen=True, slots=True)
class BoneEvidence:
    """One bone: see the fields of the same name in `SegmentationResult`."""

    probability: Volume | None
    confidence: float
    slice_uncertainty: np.ndarray
    volume_ml: float


def label_volume(cleaned: CleanedClasses, bones: Sequence[Bone], geometry: Geometry) -> Volume:
    """Label map (uint8, catalog values) of classes 1..n, which stand for the bones in order."""
    values = np.array([0, *(bone.label for bone in bones)], np.uint8)
    return Volume(values[cleaned.classes], geometry)


def gather_evidence(
    cleaned: CleanedClasses, bones: Sequence[Bone], stack: np.ndarray, grid: CanonicalGrid, progress: Progress
) -> dict[str, BoneEvidence]:
    """Probability, confidence and uncertainty of every bone.

    Parameters
    ----------
    cleaned : CleanedClasses
        Final classes on the examination's grid.
    bones : sequence of Bone
        Bones of the classes 1..n.
    stack : float32 ndarray of shape (s, n + 1, h, w)
        Probabilities on the canonical grid.
    grid : CanonicalGrid
        The way back.
    progress : Progress
        Told before every bone.

    Returns
    -------
    dict of str to BoneEvidence
        By bone key, for every bone.
    """
    evidence = {}
    for index, bone in enumerate(bones, start=1):
        progress.report((index - 1) / len(bones), f"Judging the {bone.name.lower()}")
        evidence[bone.key] = _evidence(cleaned, index, stack, grid)
    return evidence


def _evidence(cleaned: CleanedClasses, index: int, stack: np.ndarray, grid: CanonicalGrid) -> BoneEvidence:
    geometry, axis = grid.native, grid.axes[0]
    uncertainty = np.zeros(geometry.array_shape[axis], np.float32)
    if index not in cleaned.boxes:
        return BoneEvidence(None, 0.0, uncertainty, 0.0)
    box = with_margin(cleaned.boxes[index], geometry)
    probability = grid.to_native(stack[:, index : index + 1])[0][box]
    mask = cleaned.classes[box] == index
    area_mm2 = geometry.voxel_volume_mm3 / geometry.spacing_mm[2 - axis]
    uncertainty[box[axis]] = slice_uncertainty(probability, mask, axis=axis, pixel_area_mm2=area_mm2)
    agreeing = np.where(
        mask,
        np.maximum(probability, SURFACE_LEVEL + LEVEL_GAP),
        np.minimum(probability, SURFACE_LEVEL - LEVEL_GAP),
    )
    return BoneEvidence(
        Volume(agreeing.astype(np.float16), cropped_geometry(geometry, box)),
        expected_dice(probability, mask),
        uncertainty,
        float(np.count_nonzero(mask)) * geometry.voxel_volume_mm3 / 1000,
    )


def with_margin(box: Box, geometry: Geometry) -> Box:
    """Box (k, j, i) widened by `CROP_MARGIN_MM`, at least two voxels, inside the grid."""
    slices = []
    for part, spacing, size in zip(box, geometry.spacing_mm[::-1], geometry.array_shape, strict=True):
        margin = max(2, int(np.ceil(CROP_MARGIN_MM / spacing)))
        slices.append(slice(max(part.start - margin, 0), min(part.stop + margin, size)))
    return slices[0], slices[1], slices[2]


def cropped_geometry(geometry: Geometry, box: Box) -> Geometry:
    """Grid of the part of an array on `geometry` that a box (k, j, i) cuts out."""
    first = np.array([box[2].start, box[1].start, box[0].start], float)
    size = (box[2].stop - box[2].start, box[1].stop - box[1].start, box[0].stop - box[0].start)
    return Geometry(size, geometry.spacing_mm, tuple(geometry.index_to_point(first)), geometry.direction)
