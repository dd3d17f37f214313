"""From predicted heat maps back to lines, and how far they are from the true ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.learning.pretext.lines import PixelLine
from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid

MINIMUM_PEAK = 0.25
"""Heat maps that nowhere reach this show no line."""


@dataclass(frozen=True, slots=True)
class FittedLine:
    """A line found in a heat map.

    Parameters
    ----------
    line : PixelLine
    peak : float
        Highest value of the heat map: 1 for a perfect one.
    pixels, weights : ndarray of shape (n, 2) and (n,)
        Pixels (column, row) that it was fitted to, and their weights.
    """

    line: PixelLine
    peak: float
    pixels: np.ndarray
    weights: np.ndarray


def fit_line(heat: np.ndarray) -> FittedLine | None:
    """Total least squares line through a heat map.

    Parameters
    ----------
    heat : float ndarray of shape (rows, columns)
        Square pixels.

    Returns
    -------
    FittedLine or None
        None where there is no line: the peak is below `MINIMUM_PEAK`, or the bright pixels have no direction.

    Notes
    -----
    Pixels above half the peak count, weighted by how far above. The line passes through their mean along the first
    principal direction. A second fit uses only what lies near the first line, so that a stray blob does not turn it.
    """
    peak = float(heat.max())
    if not np.isfinite(peak) or peak < MINIMUM_PEAK:
        return None
    row, column = np.nonzero(heat > peak / 2)
    pixels = np.stack([column, row], axis=1).astype(float)
    weights = heat[row, column].astype(float) - peak / 2
    line = None
    for _ in range(3):
        fitted = _principal(pixels, weights)
        if fitted is None:
            break
        line = fitted
        off = np.abs(line.pixel_distance(pixels[:, 0], pixels[:, 1]))
        spread = np.sqrt(np.average(off**2, weights=weights))
        near = off <= 2.0 * spread + 1.0
        if near.all():
            break
        pixels, weights = pixels[near], weights[near]
    return None if line is None else FittedLine(line, peak, pixels, weights)


def _principal(pixels: np.ndarray, weights: np.ndarray) -> PixelLine | None:
    if len(pixels) < 8 or weights.sum() <= 0:
        return None
    mean = np.average(pixels, axis=0, weights=weights)
    centered = pixels - mean
    values, vectors = np.linalg.eigh((centered * weights[:, None]).T @ centered / weights.sum())
    if values[1] < 1.5 * values[0] + 1e-9:  # as wide as long
        return None
    normal = vectors[:, 0]
    return PixelLine(float(normal[0]), float(normal[1]), float(normal @ mean))


@dataclass(frozen=True, slots=True)
class LineError:
    """How far a line is from the true one: mean distance over the true line within the image, and angle."""

    position_mm: float
    angle_deg: float


def line_error(found: PixelLine, true: PixelLine, grid: SliceGrid) -> LineError | None:
    """Error of a line.

    Parameters
    ----------
    found, true : PixelLine
    grid : SliceGrid
        Their slice; pixels may be rectangular: everything is measured in the patient.

    Returns
    -------
    LineError or None
        None where the true line passes by the image.
    """
    ends = true.ends(grid.shape)
    if ends is None:
        return None
    along = ends[0] + np.linspace(0, 1, 33)[:, None] * (ends[1] - ends[0])
    start, stop = _two_points(found)
    first, second = grid.points(*start), grid.points(*stop)
    direction = (second - first) / np.linalg.norm(second - first)
    offset = grid.points(along[:, 0], along[:, 1]) - first
    distance = np.linalg.norm(offset - (offset @ direction)[:, None] * direction, axis=1)
    true_direction = grid.points(*ends[1]) - grid.points(*ends[0])
    true_direction = true_direction / np.linalg.norm(true_direction)
    sine = float(np.linalg.norm(np.cross(direction, true_direction)))
    return LineError(
        float(distance.mean()), float(np.degrees(np.arctan2(sine, abs(float(direction @ true_direction)))))
    )


def _two_points(line: PixelLine) -> tuple[np.ndarray, np.ndarray]:
    foot = line.offset * np.array([line.normal_column, line.normal_row])
    return foot - 50 * line.direction, foot + 50 * line.direction
