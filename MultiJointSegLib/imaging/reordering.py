"""The same voxels counted along other axes or from other ends."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume

_SAME_VOXEL = 1e-2
"""Voxels whose centers are this close, in voxels, are the same."""


def reordered(volume: Volume, geometry: Geometry) -> Volume | None:
    """Voxels of a volume in the order of another grid; nothing is interpolated.

    Programs that accept right-handed grids only, 3D Slicer among them, turn axes around.

    Parameters
    ----------
    volume : Volume
        (k, j, i), LPS.
    geometry : Geometry
        The wanted grid.

    Returns
    -------
    Volume or None
        On `geometry`; None unless both grids have exactly the same voxels.
    """
    between = volume.geometry.lps_to_index @ geometry.index_to_lps
    turn = np.rint(between[:3, :3]).astype(int)
    if not np.allclose(between[:3, :3] * np.max(geometry.size), turn * np.max(geometry.size), atol=_SAME_VOXEL):
        return None
    if not (np.abs(turn).sum(axis=0) == 1).all() or not (np.abs(turn).sum(axis=1) == 1).all():
        return None
    size = np.asarray(geometry.size)
    ends = between[:3, :3] @ (size - 1) + between[:3, 3]
    low, high = np.minimum(between[:3, 3], ends), np.maximum(between[:3, 3], ends)
    if not np.allclose(low, 0, atol=_SAME_VOXEL) or not np.allclose(
        high, np.asarray(volume.geometry.size) - 1, atol=_SAME_VOXEL
    ):
        return None
    # Column n of `turn` says along which of the volume's axes (i, j, k) the wanted axis n runs, and in which sense.
    axes = [int(np.flatnonzero(turn[:, n])[0]) for n in range(3)]
    senses = [int(turn[axis, n]) for n, axis in enumerate(axes)]
    array = volume.array.transpose([2 - axis for axis in axes[::-1]])[tuple(slice(None, None, s) for s in senses[::-1])]
    return Volume(np.ascontiguousarray(array), geometry, volume.modality, dict(volume.metadata))
