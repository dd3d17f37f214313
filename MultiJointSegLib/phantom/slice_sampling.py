"""From the fine grid of a tissue map to slices."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.tissue_map import TissueMap


def _index_map(fine: Geometry, grid: Geometry, offset_k: float) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset from indices (k, j, i) of `grid` (k shifted by `offset_k`) to indices (k, j, i) of `fine`."""
    both = fine.lps_to_index @ grid.index_to_lps
    matrix = both[:3, :3][::-1, ::-1]
    return matrix, both[:3, 3][::-1] + matrix[:, 0] * offset_k


def sample_slices(source: np.ndarray, fine: Geometry, grid: Geometry, thickness_mm: float) -> np.ndarray:
    """Mean through the slice profile of linear interpolations of the fine grid.

    Parameters
    ----------
    source : float32 ndarray of shape (k, j, i)
        Signal on the fine grid; beyond its borders it goes on unchanged.
    fine, grid : Geometry
        Grids of the source and of the result.
    thickness_mm : float
        Full width at half the maximum of the slice profile.

    Returns
    -------
    float32 ndarray (k, j, i) on `grid`.
    """
    thickness, distance = thickness_mm, grid.spacing_mm[2]
    count = max(1, int(np.ceil(1.4 * thickness / (1.4 * max(fine.spacing_mm)))))
    # Trapezoid whose flanks take 40 % of the thickness: close to that of a windowed sinc pulse.
    at = (np.arange(count) + 0.5) / count * 1.4 - 0.7
    weight = np.clip((0.7 - np.abs(at)) / 0.4, 0, 1)
    weight /= weight.sum()
    total = np.zeros(grid.array_shape, np.float32)
    for share, w in zip(at, weight, strict=True):
        matrix, start = _index_map(fine, grid, share * thickness / distance)
        part = ndimage.affine_transform(
            source, matrix, start, grid.array_shape, output=np.float32, order=1, mode="nearest"
        )
        total += np.float32(w) * part
    return total


def sample_labels(tissue_map: TissueMap, grid: Geometry) -> np.ndarray:
    """Labels (uint8) at the voxel centers of `grid`: each bone's mask interpolated linearly and cut at one half."""
    matrix, start = _index_map(tissue_map.geometry, grid, 0.0)
    labels = np.zeros(grid.array_shape, np.uint8)
    best = np.full(grid.array_shape, 0.5, np.float32)
    for number, box in enumerate(ndimage.find_objects(tissue_map.labels), 1):
        if box is None:
            continue
        cut, block = _label_block(box, tissue_map.labels.shape, matrix, start, grid.array_shape)
        mask = (tissue_map.labels[cut] == number).astype(np.float32)
        first = np.array([s.start for s in block])
        shift = matrix @ first + start - [s.start for s in cut]
        size = tuple(s.stop - s.start for s in block)
        if min(size) < 1:
            continue
        share = ndimage.affine_transform(mask, matrix, shift, size, output=np.float32, order=1, mode="nearest")
        take = share > best[block]
        labels[block][take] = number
        best[block][take] = share[take]
    return labels


def _label_block(
    box: tuple[slice, ...],
    shape: tuple[int, ...],
    matrix: np.ndarray,
    start: np.ndarray,
    grid_shape: tuple[int, ...],
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Part of the map around a label's box, and the part of the acquired grid where the label can be."""
    cut = tuple(slice(max(s.start - 1, 0), min(s.stop + 1, n)) for s, n in zip(box, shape, strict=True))
    # Beyond a border that it touches, a bone goes on.
    ends = [
        (s.start - 1.0 if s.start > 0 else -1e4, float(s.stop) if s.stop < n else 1e4)
        for s, n in zip(box, shape, strict=True)
    ]
    corners = np.array([[a, b, c] for a in ends[0] for b in ends[1] for c in ends[2]])
    index = (corners - start) @ np.linalg.inv(matrix).T
    low = np.clip(np.floor(index.min(0)), 0, grid_shape).astype(int)
    high = np.clip(np.ceil(index.max(0)) + 1, 0, grid_shape).astype(int)
    return cut, tuple(slice(int(a), max(int(b), int(a))) for a, b in zip(low, high, strict=True))
