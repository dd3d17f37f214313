"""Circles in a slice: through three points, refined on candidates, and as discs of a sphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError


@dataclass(frozen=True, slots=True)
class Circle:
    """Circle in a plane: `center` (row, column) and `radius`, in mm."""

    center: tuple[float, float]
    radius: float


def circle_through(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> Circle:
    """Circle through three points.

    Raises
    ------
    MultiJointSegError
        If they lie on one line.

    Examples
    --------
    >>> circle_through((0.0, 1.0), (1.0, 0.0), (0.0, -1.0))
    Circle(center=(0.0, 0.0), radius=1.0)
    """
    p, q, r = (np.asarray(v, float) for v in (a, b, c))
    matrix = 2 * np.stack([q - p, r - p])
    if abs(np.linalg.det(matrix)) < 1e-9 * max(1.0, float(np.abs(matrix).max()) ** 2):
        raise MultiJointSegError(f"The points {a}, {b} and {c} lie on one line; no circle passes through them.")
    center = np.linalg.solve(matrix, [q @ q - p @ p, r @ r - p @ p])
    return Circle((float(center[0]), float(center[1])), float(np.linalg.norm(p - center)))


def outlier_limit(deviation: np.ndarray) -> float:
    """Standard deviation about zero of v_i = sqrt(| |q_i - o|^2 - R^2 |): sqrt(sum v^2 / (n - 1)).

    Never imaginary; the released code of arXiv:2306.04579 takes sqrt(mean v^2 - n), which is not a number for points
    that lie well on the circle.
    """
    return float(np.sqrt(np.square(deviation).sum() / max(len(deviation) - 1, 1)))


def refine_circle(
    points: np.ndarray, weights: np.ndarray, start: Circle, radius_range: tuple[float, float], reach_mm: float
) -> tuple[Circle, np.ndarray] | None:
    """Circle nearest to candidates: votes over centers and radii, then least squares without outliers.

    Parameters
    ----------
    points : float ndarray of shape (n, 2)
        Candidates (row, column) in mm.
    weights : float ndarray of shape (n,)
        How much each counts in the vote.
    start : Circle
        Where to search.
    radius_range : tuple of 2 float
        Allowed radii, mm.
    reach_mm : float
        How far the center may move.

    Returns
    -------
    (Circle, bool ndarray of shape (n,)) or None
        Circle and inliers; None when fewer than 12 points support any circle.
    """
    if len(points) < 12:
        return None
    shifts = np.arange(-reach_mm, reach_mm + 0.1, 1.0)
    centers = np.stack(np.meshgrid(shifts, shifts, indexing="ij"), axis=-1).reshape(-1, 2) + start.center
    distance = np.linalg.norm(points[None] - centers[:, None], axis=2)
    low, high = radius_range
    bins = max(2, int(np.ceil(high - low)) + 1)
    number = np.floor(distance - low).astype(int)
    valid = (number >= 0) & (number < bins)
    flat = (np.arange(len(centers))[:, None] * bins + np.clip(number, 0, bins - 1))[valid]
    votes = np.bincount(flat, np.broadcast_to(weights, distance.shape)[valid], len(centers) * bins)
    votes = votes.reshape(len(centers), bins)
    votes = votes[:, :-1] + votes[:, 1:]
    # Nearby points on a longer circumference are more by chance.
    votes = votes / np.sqrt(low + np.arange(bins - 1) + 1)
    best = np.unravel_index(int(votes.argmax()), votes.shape)
    center, radius = centers[best[0]], float(low + best[1] + 1)
    keep = np.abs(np.linalg.norm(points - center, axis=1) - radius) < 1.6
    for _ in range(4):
        if keep.sum() < 12:
            return None
        center, radius = _least_squares(points[keep], center, radius)
        away = np.linalg.norm(points - center, axis=1)
        near = np.abs(away - radius) < 1.6
        if near.sum() < 12:
            return None
        deviation = np.sqrt(np.abs(away**2 - radius**2))
        keep = near & (deviation <= 1.5 * outlier_limit(deviation[near]))
    if not 0.9 * low <= radius <= 1.1 * high or np.linalg.norm(center - start.center) > 2 * reach_mm:
        return None
    return Circle((float(center[0]), float(center[1])), radius), keep


def _least_squares(points: np.ndarray, center: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    for _ in range(5):
        offset = points - center
        distance = np.linalg.norm(offset, axis=1)
        design = np.column_stack([offset / np.maximum(distance, 1e-9)[:, None], np.ones(len(points))])
        step = np.linalg.lstsq(design, distance - radius, rcond=None)[0]
        center, radius = center + step[:2], radius + float(step[2])
    return center, radius


def disc_radius(sphere_radius: float, height: float) -> float:
    """Radius of the disc in which a plane at that height over a sphere's center cuts the sphere; 0 outside.

    Examples
    --------
    >>> round(disc_radius(20 * 0.8, 3 * 2.0) / 0.8, 4)
    18.5405
    """
    return float(np.sqrt(max(sphere_radius**2 - height**2, 0.0)))
