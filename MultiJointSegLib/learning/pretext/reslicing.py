"""Images cut across an even stack: they give a study of a single view lines to learn from.

The planes that are looked for stay those of the acquired series, since only they were placed by anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.imaging.resampling import downsampling_matrix
from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid, vector
from MultiJointSegLib.learning.pretext.study import StudySeries
from MultiJointSegLib.learning.pretext.views import view_of

MINIMUM_SLICES = 8
GAP_TOLERANCE = 0.05
CUT_PITCH_MM = 4.0


@dataclass(frozen=True, slots=True)
class CrossCut:
    """Parallel images across a stack: float32 (slices, phases, rows, columns), their grids and nearest view."""

    view: str
    images: np.ndarray
    grids: tuple[SliceGrid, ...]


def cross_cuts(images: np.ndarray, series: StudySeries) -> list[CrossCut]:
    """Cut a stack along its columns and along its rows.

    Parameters
    ----------
    images : float32 ndarray of shape (slices, phases, rows, columns)
        Of the series.
    series : StudySeries

    Returns
    -------
    list of CrossCut
        Two, or none where the stack has fewer than `MINIMUM_SLICES`, gaps, or slices displaced sideways. The slices'
        distance is interpolated down to the size of a pixel.
    """
    first = series.slices[0].grid
    origins = np.array([s.grid.origin_mm for s in series.slices])
    if len(origins) < MINIMUM_SLICES:
        return []
    steps = np.diff(origins, axis=0)
    step = steps.mean(axis=0)
    length = float(np.linalg.norm(step))
    if np.abs(steps - step).max() > GAP_TOLERANCE * length:
        return []
    if np.linalg.norm(np.cross(step / length, first.normal)) > 0.02:
        return []
    count = max(2, round(len(origins) * length / min(first.pixel_mm)))
    matrix = downsampling_matrix(len(origins), count)
    result = []
    for axis, (across, along) in enumerate(
        ((first.column_step_mm, first.row_step_mm), (first.row_step_mm, first.column_step_mm))
    ):
        pitch = max(1, round(CUT_PITCH_MM / float(np.linalg.norm(across))))
        turned = np.moveaxis(images, (3, 2) if axis == 0 else (2, 3), (0, 3))  # (cut, slice, phase, along)
        chosen = np.arange(0, turned.shape[0], pitch)
        pixels = np.einsum("ts,cspa->cpat", matrix, turned[chosen], optimize=True)
        shape = (turned.shape[3], len(origins))
        grids = tuple(
            SliceGrid(vector(origins[0] + c * np.asarray(across)), vector(step), along, shape).resized(
                (shape[0], count)
            )
            for c in chosen
        )
        result.append(CrossCut(view_of(grids[0].normal).nearest, pixels.astype(np.float32), grids))
    return result
