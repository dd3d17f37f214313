"""Robust geometric fits of lines, planes, spheres, circles and cylinders to points.

Every fit minimizes the distance of the points to the shape itself (not an algebraic stand-in, which is biased on short
arcs), starts from random minimal samples (RANSAC: Fischler, Bolles 1981, doi:10.1145/358669.358692; fixed seed, so the
result is repeatable) and then reweights with Tukey's biweight (Beaton, Tukey 1974, doi:10.1080/00401706.1974.10489171)
until it stands still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError

_TUKEY = 4.685
SMALLEST_SCALE_MM = 1e-3
_TRIALS = 300
_ROUNDS = 30
INLIER_SCALES = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class FitQuality:
    """How well a shape fits.

    Parameters
    ----------
    residual_mm : float
        Root mean square distance of the inliers to the shape.
    inliers : bool ndarray of shape (n,)
        Points within three robust standard deviations.
    """

    residual_mm: float
    inliers: np.ndarray

    @property
    def inlier_fraction(self) -> float:
        """Share of the points that are inliers."""
        return float(self.inliers.mean())


@dataclass(frozen=True, slots=True, eq=False)
class LineFit:
    """Line through `point_mm` (centroid of the inliers) along the unit vector `direction`."""

    point_mm: np.ndarray
    direction: np.ndarray
    quality: FitQuality


@dataclass(frozen=True, slots=True, eq=False)
class PlaneFit:
    """Plane through `point_mm` (centroid of the inliers) with unit `normal`."""

    point_mm: np.ndarray
    normal: np.ndarray
    quality: FitQuality


@dataclass(frozen=True, slots=True, eq=False)
class SphereFit:
    """Sphere."""

    center_mm: np.ndarray
    radius_mm: float
    quality: FitQuality


@dataclass(frozen=True, slots=True, eq=False)
class CircleFit:
    """Circle in space, in the plane through its center with unit `normal`."""

    center_mm: np.ndarray
    normal: np.ndarray
    radius_mm: float
    quality: FitQuality


def checked_points(points_mm: np.ndarray, needed: int, shape: str) -> np.ndarray:
    """The points (n, 3) as floats, if they are enough and finite."""
    points = np.asarray(points_mm, float)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < needed or not np.isfinite(points).all():
        raise MultiJointSegError(f"A {shape} fit needs at least {needed} finite points (n, 3), not {points.shape}.")
    return points


def tukey_weights(residual_mm: np.ndarray) -> tuple[np.ndarray, float]:
    """Tukey biweights (n,) of signed residuals and their robust standard deviation (1.4826 times the median)."""
    scale = max(1.4826 * float(np.median(np.abs(residual_mm))), SMALLEST_SCALE_MM)
    return np.clip(1.0 - (residual_mm / (_TUKEY * scale)) ** 2, 0.0, None) ** 2, scale


def _robust(
    points: np.ndarray,
    minimal: int,
    solve: Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray | None],
    residual: Callable[[np.ndarray, np.ndarray], np.ndarray],
    seed: int,
) -> tuple[np.ndarray, FitQuality]:
    """Best of random minimal samples by the median residual (least median of squares), then reweighted fits."""
    rng = np.random.default_rng(seed)
    sparse = points if len(points) <= 2000 else points[rng.choice(len(points), 2000, replace=False)]
    best, best_score = None, np.inf
    for _ in range(_TRIALS):
        sample = points[rng.choice(len(points), minimal, replace=False)]
        candidate = solve(sample, np.ones(minimal), None)
        if candidate is None or not np.isfinite(candidate).all():
            continue
        score = float(np.median(np.abs(residual(candidate, sparse))))
        if score < best_score:
            best, best_score = candidate, score
    if best is None:
        raise MultiJointSegError("The points lie in a way that does not determine the shape.")
    for _ in range(_ROUNDS):
        weights, _ = tukey_weights(residual(best, points))
        better = solve(points, weights, best)
        if better is None or not np.isfinite(better).all():
            break
        moved = float(np.abs(better - best).max())
        best = better
        if moved < 1e-7:
            break
    distance = residual(best, points)
    _, scale = tukey_weights(distance)
    inliers = np.abs(distance) <= INLIER_SCALES * scale
    return best, FitQuality(float(np.sqrt(np.mean(distance[inliers] ** 2))), inliers)


def principal_axes(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted centroid, variances (ascending) and the axes as columns."""
    centroid = weights @ points / weights.sum()
    offset = points - centroid
    values, vectors = np.linalg.eigh((offset * weights[:, None]).T @ offset)
    return centroid, values, vectors


def fit_line(points_mm: np.ndarray, *, seed: int = 0) -> LineFit:
    """Line nearest to points (n, 3) in LPS mm, n >= 3, half of which may be outliers."""
    points = checked_points(points_mm, 3, "line")

    def solve(p: np.ndarray, w: np.ndarray, _: np.ndarray | None) -> np.ndarray | None:
        centroid, values, vectors = principal_axes(p, w)
        return np.concatenate([centroid, vectors[:, 2]]) if values[2] > 0 else None

    def residual(line: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.linalg.norm(np.cross(p - line[:3], line[3:]), axis=1)

    line, quality = _robust(points, 2, solve, residual, seed)
    return LineFit(line[:3], line[3:], quality)


def fit_plane(points_mm: np.ndarray, *, seed: int = 0) -> PlaneFit:
    """Plane nearest to points (n, 3) in LPS mm, n >= 4, half of which may be outliers."""
    points = checked_points(points_mm, 4, "plane")

    def solve(p: np.ndarray, w: np.ndarray, _: np.ndarray | None) -> np.ndarray | None:
        centroid, values, vectors = principal_axes(p, w)
        return np.concatenate([centroid, vectors[:, 0]]) if values[1] > 1e-12 * max(values[2], 1e-12) else None

    def residual(plane: np.ndarray, p: np.ndarray) -> np.ndarray:
        return (p - plane[:3]) @ plane[3:]

    plane, quality = _robust(points, 3, solve, residual, seed)
    return PlaneFit(plane[:3], plane[3:], quality)


def algebraic_sphere(points: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Center and radius (4,) from |x|^2 = 2 c.x + (r^2 - |c|^2), weighted linear least squares; None when flat."""
    middle = points.mean(axis=0)
    x = points - middle
    root = np.sqrt(weights)[:, None]
    matrix = np.column_stack([2.0 * x, np.ones(len(x))]) * root
    solution, _, rank, _ = np.linalg.lstsq(matrix, np.einsum("ij,ij->i", x, x) * root[:, 0], rcond=1e-10)
    square = solution[3] + solution[:3] @ solution[:3]
    return np.append(solution[:3] + middle, np.sqrt(square)) if rank == 4 and square > 0 else None


def geometric_sphere(points: np.ndarray, weights: np.ndarray, start: np.ndarray, steps: int = 20) -> np.ndarray | None:
    """Center and radius (4,) that minimize the weighted squared distances to the sphere, by Gauss-Newton."""
    sphere = np.asarray(start, float).copy()
    for _ in range(steps):
        offset = points - sphere[:3]
        distance = np.linalg.norm(offset, axis=1)
        slope = np.column_stack([offset / np.maximum(distance, 1e-12)[:, None], np.ones(len(points))])
        try:
            step = np.linalg.solve((slope * weights[:, None]).T @ slope, slope.T @ (weights * (distance - sphere[3])))
        except np.linalg.LinAlgError:
            return None
        sphere += step
        if np.abs(step).max() < 1e-9:
            break
    return sphere if sphere[3] > 0 else None


def fit_sphere(points_mm: np.ndarray, *, seed: int = 0) -> SphereFit:
    """Sphere nearest to points (n, 3) in LPS mm, n >= 5, somewhat less than half of which may be outliers."""
    points = checked_points(points_mm, 5, "sphere")

    def solve(p: np.ndarray, w: np.ndarray, start: np.ndarray | None) -> np.ndarray | None:
        return algebraic_sphere(p, w) if start is None else geometric_sphere(p, w, start)

    def residual(sphere: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.linalg.norm(p - sphere[:3], axis=1) - sphere[3]

    sphere, quality = _robust(points, 4, solve, residual, seed)
    return SphereFit(sphere[:3], float(sphere[3]), quality)


def fit_circle(points_mm: np.ndarray, *, seed: int = 0) -> CircleFit:
    """Circle in space nearest to points (n, 3) in LPS mm, n >= 4: their plane, then the circle in it."""
    points = checked_points(points_mm, 4, "circle")

    def solve(p: np.ndarray, w: np.ndarray, _: np.ndarray | None) -> np.ndarray | None:
        centroid, values, vectors = principal_axes(p, w)
        if values[1] <= 1e-12 * max(values[2], 1e-12):
            return None
        u, v, normal = vectors[:, 2], vectors[:, 1], vectors[:, 0]
        flat = np.column_stack([(p - centroid) @ u, (p - centroid) @ v])
        root = np.sqrt(w)[:, None]
        matrix = np.column_stack([2.0 * flat, np.ones(len(p))]) * root
        solution, _, rank, _ = np.linalg.lstsq(matrix, (flat**2).sum(axis=1) * root[:, 0], rcond=1e-10)
        square = solution[2] + solution[:2] @ solution[:2]
        if rank < 3 or square <= 0:
            return None
        center, radius = solution[:2], float(np.sqrt(square))
        for _round in range(10):
            offset = flat - center
            distance = np.linalg.norm(offset, axis=1)
            slope = np.column_stack([offset / np.maximum(distance, 1e-12)[:, None], np.ones(len(p))])
            step = np.linalg.lstsq((slope * w[:, None]).T @ slope, slope.T @ (w * (distance - radius)), rcond=None)[0]
            center, radius = center + step[:2], radius + float(step[2])
        return np.concatenate([centroid + center[0] * u + center[1] * v, normal, [radius]])

    def residual(circle: np.ndarray, p: np.ndarray) -> np.ndarray:
        offset = p - circle[:3]
        height = offset @ circle[3:6]
        return np.hypot(height, np.linalg.norm(offset - height[:, None] * circle[3:6], axis=1) - circle[6])

    circle, quality = _robust(points, 3, solve, residual, seed)
    return CircleFit(circle[:3], circle[3:6], float(circle[6]), quality)
