"""Morphological closing with a ball of a physical radius, exact on anisotropic voxels."""

from __future__ import annotations

import numpy as np


def ball_offsets(radius_mm: float, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Voxel offsets within a radius.

    Parameters
    ----------
    radius_mm : float
        Radius; voxel centers at exactly this distance belong to the ball.
    spacing_mm : tuple of 3 float
        Voxel spacing along the array axes (k, j, i).

    Returns
    -------
    int64 ndarray of shape (n, 3)
        Offsets (k, j, i); (0, 0, 0) is one of them.
    """
    reach = [int(radius_mm / s + 1e-6) for s in spacing_mm]
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    distance_mm = np.linalg.norm(grid * np.asarray(spacing_mm), axis=1)
    return grid[distance_mm <= radius_mm * (1 + 1e-6)]


def close_mask(mask: np.ndarray, radius_mm: float, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Closing of a mask: dilation, then erosion, with a ball; what lies outside the array counts as background.

    Parameters
    ----------
    mask : bool ndarray of shape (k, j, i)
        Left untouched. Voxels on its faces are treated as if the grid went on.
    radius_mm : float
        Radius of the ball.
    spacing_mm : tuple of 3 float
        Voxel spacing along (k, j, i).

    Returns
    -------
    bool ndarray of shape (k, j, i)
        Contains the mask. Gaps along an axis whose spacing exceeds the radius are not closed.

    Notes
    -----
    Only border voxels are visited: dilation writes the ball around each border voxel of the mask, erosion removes
    the ball around each border voxel of the background. The result equals that of two Euclidean distance transforms
    (tested) at about a twentieth of the time.
    """
    offsets = ball_offsets(radius_mm, spacing_mm)
    if len(offsets) == 1 or not mask.any():
        return mask.copy()
    # Room for the ball around every voxel of the mask, and again around the background beside the dilated mask.
    pad = 2 * np.abs(offsets).max(axis=0) + 1
    grown = np.pad(mask, [(int(n), int(n)) for n in pad])
    flat_offsets = offsets @ np.array([grown.shape[1] * grown.shape[2], grown.shape[2], 1])
    _stamp(grown, _border(grown), flat_offsets, value=True)
    _stamp(grown, _border(~grown), flat_offsets, value=False)
    inside = tuple(slice(int(n), int(n) + size) for n, size in zip(pad, mask.shape, strict=True))
    return grown[inside] | mask


def _border(mask: np.ndarray) -> np.ndarray:
    """Flat indices of voxels of the mask that have one of their 6 neighbors outside it; not on the array's faces."""
    inner = (slice(1, -1),) * 3
    surrounded = mask[inner].copy()
    for axis in range(3):
        for start in (0, 2):
            shifted = list(inner)
            shifted[axis] = slice(start, start + mask.shape[axis] - 2)
            surrounded &= mask[tuple(shifted)]
    border = np.zeros_like(mask)
    border[inner] = mask[inner] & ~surrounded
    return np.flatnonzero(border)


def _stamp(mask: np.ndarray, centers: np.ndarray, flat_offsets: np.ndarray, *, value: bool) -> None:
    flat = mask.reshape(-1)
    for offset in flat_offsets:
        flat[centers + offset] = value
