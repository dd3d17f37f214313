"""Slices as the network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch

from MultiJointSegLib.imaging.canonical_grid import SLAB_VOXELS, CanonicalGrid
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.resampling import downsampling_matrix
from MultiJointSegLib.imaging.volume import Volume

PIXEL_MM = 0.8
MINIMUM_PITCH_MM = 1.0
NEIGHBOR_MM = 2.0
NEAR_ISOTROPIC_RATIO = 1.3

# For each plane: the LPS axes along which slices, rows and columns are counted, and the signs.
# Sagittal: slices right->left, rows superior->inferior, columns anterior->posterior.
# Coronal:  slices anterior->posterior, rows superior->inferior, columns right->left.
# Axial:    slices inferior->superior, rows anterior->posterior, columns right->left.
_PLANES = {
    "sagittal": ((0, 2, 1), (1, -1, 1)),
    "coronal": ((1, 2, 0), (1, -1, 1)),
    "axial": ((2, 1, 0), (1, 1, 1)),
}


@dataclass(frozen=True, slots=True)
class CanonicalSlices:
    """Input of the network.

    Parameters
    ----------
    images : float32 ndarray of shape (s, 3, h, w)
        Per canonical slice: the slice `NEIGHBOR_MM` (or one pitch, if that is more) before, itself, and after.
    grid : CanonicalGrid
        Where they lie, and the way back.
    """

    images: np.ndarray
    grid: CanonicalGrid


def canonical_grid(
    geometry: Geometry, *, pixel_mm: float = PIXEL_MM, minimum_pitch_mm: float = MINIMUM_PITCH_MM
) -> CanonicalGrid:
    """Choose the canonical grid of an examination.

    Parameters
    ----------
    geometry : Geometry
        The examination's own grid.
    pixel_mm, minimum_pitch_mm : float
        In-plane pixel; least distance of slices.

    Returns
    -------
    CanonicalGrid
        Slices run along the axis of largest spacing; where the largest is below 1.3 times the smallest, along the
        axis closest to left-right. Of two equally large spacings the axis closer to left-right is taken.
    """
    spacing = np.asarray(geometry.spacing_mm)
    anatomical = _anatomical_axes(geometry)  # LPS axis of grid axes i, j, k
    tolerance = NEAR_ISOTROPIC_RATIO if spacing.max() < NEAR_ISOTROPIC_RATIO * spacing.min() else 1.01
    candidates = [a for a in range(3) if spacing[a] * tolerance >= spacing.max()]
    slice_axis = min(candidates, key=lambda a: anatomical[a])
    plane = ("sagittal", "coronal", "axial")[anatomical[slice_axis]]
    wanted, signs = _PLANES[plane]
    grid_axes = [anatomical.index(a) for a in wanted]
    direction = np.asarray(geometry.direction)
    extent_mm = np.asarray(geometry.size) * spacing
    slices = geometry.size[grid_axes[0]]
    if spacing[grid_axes[0]] < minimum_pitch_mm * (1 - 1e-6):
        slices = max(1, int(np.floor(extent_mm[grid_axes[0]] / minimum_pitch_mm + 1e-6)))
    rows, columns = (max(1, round(extent_mm[a] / pixel_mm)) for a in grid_axes[1:])
    flips = [bool(direction[lps, a] * sign < 0) for a, lps, sign in zip(grid_axes, wanted, signs, strict=True)]
    return CanonicalGrid(
        native=geometry,
        plane=plane,
        axes=(2 - grid_axes[0], 2 - grid_axes[1], 2 - grid_axes[2]),
        flips=(flips[0], flips[1], flips[2]),
        shape=(slices, rows, columns),
    )


def canonical_slices(
    volume: Volume,
    *,
    pixel_mm: float = PIXEL_MM,
    minimum_pitch_mm: float = MINIMUM_PITCH_MM,
    neighbor_mm: float = NEIGHBOR_MM,
) -> CanonicalSlices:
    """Cut an examination into the slices that the network reads.

    Parameters
    ----------
    volume : Volume
        Usually after `intensity.normalize_intensity`.
    pixel_mm, minimum_pitch_mm : float
        See `canonical_grid`.
    neighbor_mm : float
        Distance of the neighboring slices in the first and third channel, at least one pitch.

    Returns
    -------
    CanonicalSlices
        The same anatomy gives the same slices, whatever the order and direction in which its axes are stored.
    """
    grid = canonical_grid(volume.geometry, pixel_mm=pixel_mm, minimum_pitch_mm=minimum_pitch_mm)
    central = _resample(grid.orient(volume.array), grid.shape)
    step = max(grid.pitch_mm, neighbor_mm) / grid.pitch_mm
    images = np.empty((grid.shape[0], 3, *grid.shape[1:]), np.float32)
    images[:, 1] = central
    for channel, offset in ((0, -step), (2, step)):
        position = np.clip(np.arange(grid.shape[0]) + offset, 0, grid.shape[0] - 1)
        lower = np.floor(position + 1e-6).astype(int)
        weight = (position - lower).astype(np.float32)
        for s in range(grid.shape[0]):
            if weight[s] < 1e-4:
                images[s, channel] = central[lower[s]]
            else:
                images[s, channel] = central[lower[s]] + weight[s] * (central[lower[s] + 1] - central[lower[s]])
    return CanonicalSlices(images, grid)


def _anatomical_axes(geometry: Geometry) -> tuple[int, int, int]:
    """LPS axis (0, 1, 2) that each of the grid axes i, j, k is closest to, each used once."""
    alignment = np.abs(np.asarray(geometry.direction))
    # Rounding makes exactly oblique grids (45 degrees) independent of the order in which their axes are stored.
    best = max(permutations(range(3)), key=lambda p: round(sum(alignment[p[a], a] for a in range(3)), 6))
    return best[0], best[1], best[2]


def _resample(oriented: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Array (slice, row, column) on the canonical shape, float32, slab by slab."""
    slices, rows, columns = oriented.shape
    row_matrix = torch.from_numpy(downsampling_matrix(rows, shape[1]))
    column_matrix = torch.from_numpy(downsampling_matrix(columns, shape[2])).T.contiguous()
    in_plane = np.empty((slices, *shape[1:]), np.float32)
    step = max(1, SLAB_VOXELS // (rows * columns))
    for start in range(0, slices, step):
        slab = torch.from_numpy(np.ascontiguousarray(oriented[start : start + step], dtype=np.float32))
        in_plane[start : start + step] = (row_matrix @ (slab @ column_matrix)).numpy()
    if slices == shape[0]:
        return in_plane
    matrix = torch.from_numpy(downsampling_matrix(slices, shape[0]))
    return (matrix @ torch.from_numpy(in_plane.reshape(slices, -1))).numpy().reshape(shape)
