"""Robust fit of a circular cylinder to points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.fits import (
    INLIER_SCALES,
    SMALLEST_SCALE_MM,
    FitQuality,
    checked_points,
    principal_axes,
    tukey_weights,
)


@dataclass(frozen=True, slots=True, eq=False)
class CylinderFit:
    """Circular cylinder; `point_mm` is the point of its axis nearest to the centroid of the points."""

    point_mm: np.ndarray
    axis: np.ndarray
    radius_mm: float
    quality: FitQuality


def _basis(normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that are perpendicular to a unit vector and to each other."""
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= np.linalg.norm(first)
    return first, np.cross(normal, first)


def _refine_cylinder(points: np.ndarray, start: np.ndarray, scale_mm: float | None) -> tuple[np.ndarray, float]:
    """Robust step from a cylinder (point 3, unit axis 3, radius) to a better one, and its residual scale."""
    center, direction = start[:3], start[3:6]
    u, v = _basis(direction)

    def distance(x: np.ndarray) -> np.ndarray:
        tilted = direction + x[2] * u + x[3] * v
        tilted = tilted / np.linalg.norm(tilted)
        offset = points - (center + x[0] * u + x[1] * v)
        return np.linalg.norm(offset - np.outer(offset @ tilted, tilted), axis=1) - x[4]

    radius = start[6] if scale_mm is not None else float(np.median(distance(np.zeros(5))))
    scale = max(0.1 * radius, SMALLEST_SCALE_MM) if scale_mm is None else scale_mm
    found = least_squares(distance, [0.0, 0.0, 0.0, 0.0, radius], loss="cauchy", f_scale=scale, max_nfev=100)
    x = found.x
    axis = direction + x[2] * u + x[3] * v
    better = np.concatenate([center + x[0] * u + x[1] * v, axis / np.linalg.norm(axis), [x[4]]])
    return better, tukey_weights(distance(x))[1]


def fit_cylinder(points_mm: np.ndarray, *, axis: np.ndarray | None = None) -> CylinderFit:
    """Circular cylinder nearest to points (n, 3) in LPS mm, n >= 8.

    Starts from `axis` (a rough direction, for example of a bone's shaft) or, without it, from each of the three
    principal axes of the points, and minimizes a robust (Cauchy) loss of the distances whose scale follows the
    residuals; the start with the smallest residual scale wins. Points with outliers far away need `axis`.

    Raises
    ------
    MultiJointSegError
        If no start leads to a cylinder.
    """
    points = checked_points(points_mm, 8, "cylinder")
    middle = np.median(points, axis=0)
    starts = principal_axes(points, np.ones(len(points)))[2].T if axis is None else np.asarray(axis, float)[None]
    best, best_scale = None, np.inf
    for start in starts:
        cylinder = np.concatenate([middle, start / np.linalg.norm(start), [0.0]])
        scale: float | None = None
        for _ in range(4):
            cylinder, scale = _refine_cylinder(points, cylinder, scale)
        if cylinder[6] > 0 and scale is not None and scale < best_scale:
            best, best_scale = cylinder, scale
    if best is None:
        raise MultiJointSegError("No circular cylinder lies near the points.")
    center, direction, radius = best[:3], best[3:6], float(best[6])
    offset = points - center
    distance = np.linalg.norm(offset - np.outer(offset @ direction, direction), axis=1) - radius
    inliers = np.abs(distance) <= INLIER_SCALES * tukey_weights(distance)[1]
    quality = FitQuality(float(np.sqrt(np.mean(distance[inliers] ** 2))), inliers)
    return CylinderFit(center + direction * ((points.mean(axis=0) - center) @ direction), direction, radius, quality)
