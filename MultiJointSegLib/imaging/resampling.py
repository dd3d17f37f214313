"""One-dimensional resampling between two grids that cover the same field of view.

Both grids divide one interval into n and m equal cells; samples lie at cell centers. The center of target cell u lies
at source index ``(u + 0.5) * n / m - 0.5``.
"""

from __future__ import annotations

import numpy as np


def source_position(source: int, target: int) -> np.ndarray:
    """Continuous source index of each target center, float64 of shape (target,)."""
    return (np.arange(target) + 0.5) * (source / target) - 0.5


def nearest_index(source: int, target: int) -> np.ndarray:
    """Index of the source sample nearest to each target center, int64 of shape (target,)."""
    return np.clip(np.floor(source_position(source, target) + 0.5), 0, source - 1).astype(np.int64)


def linear_taps(source: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower index, upper index and weight of the upper one for linear interpolation at each target center.

    Beyond the outermost source centers the nearest sample is taken.
    """
    position = np.clip(source_position(source, target), 0, source - 1)
    lower = np.minimum(np.floor(position), max(source - 2, 0)).astype(np.int64)
    return lower, np.minimum(lower + 1, source - 1), position - lower


def downsampling_matrix(source: int, target: int) -> np.ndarray:
    """Linear resampling without aliasing, as a matrix.

    Parameters
    ----------
    source, target : int
        Numbers of samples.

    Returns
    -------
    float32 ndarray of shape (target, source)
        Rows sum to 1. Where the target is finer it interpolates linearly; where it is coarser the triangle widens
        to one target pixel on each side, so that noise is averaged and fine texture does not alias. The weights are
        corrected such that a linear ramp is reproduced exactly away from the ends.
    """
    if source == target:
        return np.eye(source, dtype=np.float32)
    reach = max(source / target, 1.0)
    position = source_position(source, target)
    # Samples beyond the ends repeat the outermost one, so that the kernel is whole everywhere.
    margin = int(np.ceil(reach)) + 1
    index = np.arange(-margin, source + margin)
    offset = index[None, :] - position[:, None]
    weight = np.clip(1 - np.abs(offset) / reach, 0, None)
    weight /= weight.sum(axis=1, keepdims=True)
    # First moment to zero: w * (1 + a * (x - mean)) keeps the sum and moves the mean by a * variance.
    mean = (weight * offset).sum(axis=1, keepdims=True)
    variance = (weight * offset**2).sum(axis=1, keepdims=True) - mean**2
    slope = np.divide(-mean, variance, out=np.zeros_like(mean), where=variance > 1e-9)
    weight *= 1 + slope * (offset - mean)
    matrix = np.zeros((target, source))
    for column, clamped in enumerate(np.clip(index, 0, source - 1)):
        matrix[:, clamped] += weight[:, column]
    return matrix.astype(np.float32)
