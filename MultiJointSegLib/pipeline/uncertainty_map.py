"""Doubt about every voxel, as an image that lies on the examination."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from MultiJointSegLib.imaging.volume import Volume


def uncertainty_map(labels: Volume, probabilities: Mapping[str, Volume]) -> Volume:
    """Largest doubt that any bone leaves about each voxel.

    Parameters
    ----------
    labels
        Label map (k, j, i) on the examination's grid; only its grid is used.
    probabilities
        Foreground probability p of each bone, by key, on boxes of that grid.

    Returns
    -------
    Volume
        uint8, percent: 100 (1 - |2 p - 1|), so 0 where the network is sure and 100 where a voxel is as likely inside
        as outside; 0 outside of all boxes.
    """
    doubt = np.zeros(labels.array.shape, np.uint8)
    for probability in probabilities.values():
        first = np.rint(labels.geometry.point_to_index(np.asarray(probability.geometry.origin_mm))).astype(int)
        box = tuple(
            slice(start, start + size)
            for start, size in zip(first[::-1].tolist(), probability.array.shape, strict=True)
        )
        percent = np.rint(100.0 - np.abs(200.0 * probability.array.astype(np.float32) - 100.0)).astype(np.uint8)
        np.maximum(doubt[box], percent, out=doubt[box])
    return Volume(doubt, labels.geometry)
