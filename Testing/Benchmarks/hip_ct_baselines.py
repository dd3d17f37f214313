"""Simple ways to the sphere of a femoral head, to compare with: Hough votes, and a threshold."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.body_grid import BodyGrid
from MultiJointSegLib.annotation.circles import Circle, refine_circle
from MultiJointSegLib.annotation.hip_finding import Ball

DENSE_HU = 250.0


def hough_only(grid: BodyGrid, ball: Ball) -> tuple[np.ndarray, float]:
    """Sphere whose great circle is the Hough circle of all strong edges in the slice of the ball's center."""
    spacing = grid.spacing_kji_mm
    k = round(float(ball.index[0]))
    low = np.maximum((ball.index[1:] - 45 / spacing[1:]).astype(int), 0)
    high = (ball.index[1:] + 45 / spacing[1:]).astype(int)
    part = grid.array[k, low[0] : high[0], low[1] : high[1]].astype(np.float32)
    edge = ndimage.gaussian_gradient_magnitude(np.clip(part, -200, 1500), 1.5)
    points = (np.argwhere(edge > np.percentile(edge, 92)) + low) * spacing[1:]
    start = ball.index[1:] * spacing[1:]
    found = refine_circle(points, np.ones(len(points)), Circle((start[0], start[1]), ball.radius_mm), (14.0, 34.0), 4.0)
    circle = found[0] if found else Circle((start[0], start[1]), ball.radius_mm)
    return np.array([k * spacing[0], *circle.center]), circle.radius


def threshold_only(grid: BodyGrid, ball: Ball) -> tuple[np.ndarray, float]:
    """Sphere of the volume and centroid of the voxels above 250 HU, filled, within 1.3 radii of the ball's center."""
    spacing = grid.spacing_kji_mm
    low = np.maximum((ball.index - 1.3 * ball.radius_mm / spacing).astype(int), 0)
    high = np.minimum((ball.index + 1.3 * ball.radius_mm / spacing).astype(int) + 1, grid.array.shape)
    part = grid.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] > DENSE_HU
    filled = np.stack([ndimage.binary_fill_holes(p) for p in part])
    at = (np.argwhere(filled) + low) * spacing
    near = at[np.linalg.norm(at - ball.index * spacing, axis=1) < 1.3 * ball.radius_mm]
    return near.mean(axis=0), float((3 * len(near) * np.prod(spacing) / (4 * np.pi)) ** (1 / 3))
