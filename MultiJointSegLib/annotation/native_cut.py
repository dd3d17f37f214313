"""From the coarse bones to the examination's own voxels: a graph cut in a band around the coarse surface."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.bone_cut import LARGEST_EXACT
from MultiJointSegLib.annotation.continuous_cut import continuous_cut
from MultiJointSegLib.annotation.exact_cut import exact_cut
from MultiJointSegLib.annotation.grid_energy import GridEnergy, pair
from MultiJointSegLib.imaging.geometry import Geometry

FALL_HU = 90.0
PEAK_MM = 2.5
SOFT_HU, LEAST_HALF_HU = 60.0, 120.0
BAND = (0.08, 0.92)
"""Blurred coarse masks between these values form the band, about 1.4 coarse voxels on either side."""
SLAB_VOXELS = 12_000_000
_HALO_MM = 3.0


def refine_in_band(
    image: np.ndarray, geometry: Geometry, coarse: np.ndarray, coarse_geometry: Geometry, *, solver: str = "auto"
) -> np.ndarray:
    """Bone on the fine grid near a coarse mask.

    Slab by slab; in each, voxels within the band are decided and the others keep the coarse label, so that memory
    stays bounded whatever the size of the examination.

    Parameters
    ----------
    image : ndarray of shape (k, j, i)
        HU on the fine grid.
    geometry, coarse_geometry : Geometry
        Of both grids; their axes are parallel.
    coarse : bool ndarray
        Bone on the coarse grid.
    solver : str
        "exact", "continuous", or "auto" by the number of voxels.

    Returns
    -------
    bool ndarray of shape (k, j, i)
    """
    soft = ndimage.gaussian_filter(coarse.astype(np.float32), 0.8)
    result = np.zeros(image.shape, bool)
    k_of, j_of, i_of = _positions(geometry, coarse_geometry)
    box = ndimage.find_objects((soft > BAND[0]).astype(np.uint8))[0]
    rows, columns = (
        slice(*np.searchsorted(at, (part.start - 1.0, part.stop + 0.0)))
        for at, part in ((j_of, box[1]), (i_of, box[2]))
    )
    first, last = np.searchsorted(k_of, (box[0].start - 1.0, box[0].stop + 0.0))
    area = max(1, (rows.stop - rows.start) * (columns.stop - columns.start))
    depth = max(4, SLAB_VOXELS // area)
    halo = max(1, round(_HALO_MM / geometry.spacing_mm[2]))
    for start in range(int(first), int(last), depth):
        stop = min(start + depth, int(last))
        low, high = max(start - halo, 0), min(stop + halo, image.shape[0])
        chance = sample_axes(soft, k_of[low:high], j_of[rows], i_of[columns])
        part = cut_slab(image[low:high, rows, columns], geometry.spacing_mm, chance, solver)
        result[start:stop, rows, columns] = part[start - low : stop - low]
    return result


def _positions(geometry: Geometry, coarse: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coarse index of every fine voxel along k, j and i; both grids have the same axes."""
    positions = []
    for axis in (2, 1, 0):
        ratio = geometry.spacing_mm[axis] / coarse.spacing_mm[axis]
        positions.append(
            np.asarray(coarse.point_to_index(np.asarray(geometry.origin_mm)))[axis]
            + ratio * np.arange(geometry.size[axis])
        )
    return positions[0], positions[1], positions[2]


def sample_axes(source: np.ndarray, k_of: np.ndarray, j_of: np.ndarray, i_of: np.ndarray) -> np.ndarray:
    """Linear interpolation at the product of positions along each axis; beyond the ends the nearest voxel."""
    values = source
    for axis, at in enumerate((k_of, j_of, i_of)):
        inside = np.clip(at, 0, source.shape[axis] - 1)
        low = np.minimum(inside.astype(int), max(source.shape[axis] - 2, 0))
        share = (inside - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        high = np.minimum(low + 1, source.shape[axis] - 1)
        values = np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share
    return np.asarray(values, np.float32)


def cut_slab(image: np.ndarray, spacing_mm: tuple[float, ...], chance: np.ndarray, solver: str) -> np.ndarray:
    """Bone in one slab.

    Parameters
    ----------
    image : ndarray of shape (k, j, i)
        HU.
    spacing_mm : tuple of 3 float
        Along (i, j, k).
    chance : float32 ndarray of shape (k, j, i)
        How much bone the coarse grid sees, 0 to 1; voxels between the limits of `BAND` are decided.
    solver : str
        "exact", "continuous" or "auto".
    """
    free = (chance > BAND[0]) & (chance < BAND[1])
    labels = chance >= BAND[1]
    nodes = int(np.count_nonzero(free))
    if nodes == 0:
        return np.asarray(labels)
    clipped = np.clip(image, -200, 1600).astype(np.float32)
    smooth = ndimage.gaussian_filter(clipped, [0.35 / s for s in spacing_mm[::-1]], truncate=3)
    forward, backward = [], []
    for axis in range(3):
        here, after = pair(smooth, axis)
        # Per mm, so that thick slices do not look like steep edges; a face counts by its area.
        face = np.float32(np.prod(spacing_mm) / spacing_mm[2 - axis])
        fall = (here - after) / np.float32(FALL_HU * max(1.0, spacing_mm[2 - axis]))
        forward.append(face * np.exp(-np.clip(fall, 0, 8)))
        backward.append(face * np.exp(-np.clip(-fall, 0, 8)))
    # Half-way between soft tissue and the densest bone nearby: where the surface of a blurred cortex lies.
    size = [2 * max(1, round(PEAK_MM / s)) + 1 for s in spacing_mm[::-1]]
    half = np.clip(0.5 * (ndimage.maximum_filter(smooth, size) + np.float32(SOFT_HU)), LEAST_HALF_HU, None)
    mean_face = np.float32(np.prod(spacing_mm) ** (2 / 3))
    dense = mean_face * np.clip((smooth - half) / half, 0, 1)
    # Marrow is dark as well, so only outside of the coarse bone.
    dark = np.where(chance < 0.5, mean_face * np.clip((half - smooth) / half, 0, 1), 0)
    energy = GridEnergy(
        dark.astype(np.float32),
        dense.astype(np.float32),
        (forward[0], forward[1], forward[2]),
        (backward[0], backward[1], backward[2]),
    )
    exact = nodes <= LARGEST_EXACT if solver == "auto" else solver == "exact"
    if exact:
        return exact_cut(energy, free=free, labels=labels)
    return continuous_cut(energy, free=free, labels=labels, max_iterations=400).labels
