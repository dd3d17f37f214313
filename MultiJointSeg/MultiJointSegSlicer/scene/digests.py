"""Fingerprints of masks: whether, and which, bones were edited, also since the scene was saved."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from MultiJointSegSlicer.scene.coordinates import first_voxel_to_ras
from MultiJointSegSlicer.scene.mrml import Node
from MultiJointSegSlicer.scene.segmentations import BINARY_LABELMAP
from MultiJointSegSlicer.scene.volumes import image_array

EMPTY = ""
"""Fingerprint of a segment without a voxel."""


def mask_digests(node: Node) -> dict[str, str]:
    """Fingerprint of every segment's mask, by segment ID.

    It depends on which places are in the mask, and not on how the mask is stored: Slicer crops and renumbers masks
    when it saves a segmentation. Equal places on another grid have another fingerprint.
    """
    segmentation = node.GetSegmentation()
    found = {}
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        found[segment_id] = _digest(segment.GetRepresentation(BINARY_LABELMAP), segment.GetLabelValue())
    return found


def mask_times(node: Node) -> tuple[tuple[str, int, int], ...]:
    """When each mask was last touched (segment ID, time, label value): cheap, and equal as long as nothing was."""
    segmentation = node.GetSegmentation()
    times = []
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        image = segment.GetRepresentation(BINARY_LABELMAP)
        times.append((segment_id, image.GetMTime() if image is not None else 0, segment.GetLabelValue()))
    return tuple(times)


def changed_segments(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """IDs of segments whose masks differ; one that is not there is as good as an empty one."""
    return {key for key in {*before, *after} if before.get(key, EMPTY) != after.get(key, EMPTY)}


def _digest(image: Any, value: int) -> str:
    if image is None or min(image.GetDimensions()) < 1 or image.GetPointData().GetScalars() is None:
        return EMPTY
    mask = image_array(image) == value
    first = []
    for axis in range(3):
        within = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if not within.size:
            return EMPTY
        mask = mask.take(np.arange(within[0], within[-1] + 1), axis=axis)
        first.append(int(within[0]))
    corner = first_voxel_to_ras(image).MultiplyPoint((*map(float, first[::-1]), 1.0))
    digest = hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=8)
    # To a tenth of a millimeter: files hold positions with few digits.
    digest.update(repr((mask.shape, [round(10 * x) for x in corner[:3]])).encode())
    return digest.hexdigest()
