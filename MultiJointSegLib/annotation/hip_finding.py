"""Where the hips are: ball-and-socket joints found by votes of bone edges, without a start by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.body_grid import BodyGrid
from MultiJointSegLib.imaging.geometry import Geometry

RADII_MM = np.arange(13.0, 32.0, 1.5)
"""From a small child's ossified head to the largest adult's with its cartilage."""
SOCKET_BEYOND_MM = (1.0, 7.0)
"""The socket's surface lies this far outside the head's."""
EDGE_HU_PER_MM = 25.0
CANDIDATES = 14
CLEAREST_HU = 900.0
METAL_HU = 2200.0
METAL_WITHIN = 1.4
MUCH_METAL, LEAST_SCORE = 0.1, 0.22
SETTLED, SETTLING_MM = 6, 5.0
_DIRECTIONS = 600
_STEP_MM = 0.5
_LEAST_FALL = 60.0
"""HU per mm at which the surface of bone is taken to lie."""


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """A ball in a socket.

    Parameters
    ----------
    index : float ndarray of shape (3,)
        Center as (k, j, i) on the grid it was found on.
    radius_mm : float
        Radius of the ball.
    head_coverage : float
        Share of directions from the center in which dense bone ends near the radius.
    socket_coverage : float
        Share of directions in which bone follows again after a gap.
    socket_direction : float ndarray of shape (3,)
        Mean direction (k, j, i), in mm space, of those: into the pelvis.
    metal_fraction : float
        Share of the volume within `METAL_WITHIN` radii that is denser than `METAL_HU`.
    """

    index: np.ndarray
    radius_mm: float
    head_coverage: float
    socket_coverage: float
    socket_direction: np.ndarray
    metal_fraction: float

    @property
    def score(self) -> float:
        """Geometric mean of both coverages."""
        return float(np.sqrt(self.head_coverage * self.socket_coverage))


def find_balls(
    image: np.ndarray, geometry: Geometry, body: np.ndarray, grid: BodyGrid, *, thorough: bool = False
) -> list[Ball]:
    """All places that look like a ball in a socket, best first.

    Parameters
    ----------
    image : float32 ndarray of shape (k, j, i)
        HU on a grid of 2 to 4 mm.
    geometry : Geometry
        Of the image.
    body : bool ndarray of shape (k, j, i)
        The patient.
    grid : BodyGrid
        The examination itself, on which every place is looked at closely.
    thorough : bool
        Look closely at more places and sizes: thick voxels hide the surface of a head, and the dense core of its
        spongy bone, above and medial of its center, gets the votes; and from the best ones go on to better ones nearby.

    Returns
    -------
    list of Ball
        Indices on the examination's grid.
    """
    spacing = np.asarray(geometry.spacing_mm[::-1])
    clipped = np.clip(image, -100, CLEAREST_HU)
    smooth = ndimage.gaussian_filter(clipped, 1.5 / spacing, truncate=3)
    votes, radii = _votes(smooth, spacing, body)
    found: list[Ball] = []
    top = ndimage.maximum_filter(votes, size=[max(3, int(12 / s) | 1) for s in spacing])
    peaks = np.argwhere((votes == top) & (votes > 0))
    peaks = peaks[np.argsort(-votes[tuple(peaks.T)])][: CANDIDATES * (2 if thorough else 1)]
    lower = np.array([6.0, 0.0, 0.0]) / grid.spacing_kji_mm
    for peak in peaks:
        index = grid.geometry.point_to_index(geometry.index_to_point(peak[::-1].astype(float)))[::-1]
        size = float(radii[tuple(peak)])
        # Dense cores of spongy bone and the socket's outside look like balls too: the best of several sizes counts.
        starts = [(index, size), (index, size + 5.0), (index, size + 9.0)]
        if thorough:
            starts += [(index, 20.0), (index, 25.0), (index - lower, 20.0), (index - lower, 25.0)]
        balls = (examine_ball(grid.array, grid.spacing_kji_mm, at, r) for at, r in starts)
        found += [ball for ball in balls if ball is not None]
    if thorough:
        best = _distinct(sorted(found, key=lambda b: -b.score), grid.spacing_kji_mm)
        hopeful = [b for b in best if b.metal_fraction < MUCH_METAL and b.score > LEAST_SCORE]
        found += [_settled(ball, grid) for ball in hopeful[:SETTLED]]
    return _distinct(sorted(found, key=lambda b: -b.score), grid.spacing_kji_mm)


def _settled(ball: Ball, grid: BodyGrid) -> Ball:
    """The best of a ball and of those found from starts around it, again and again until none is better."""
    spacing = grid.spacing_kji_mm
    for _ in range(4):
        best = ball
        for shift in (*np.eye(3), *-np.eye(3)):
            for larger in (0.0, 3.5):
                start = ball.index + SETTLING_MM * shift / spacing
                other = examine_ball(grid.array, spacing, start, ball.radius_mm + larger)
                if (
                    other is not None
                    and other.score > best.score
                    and other.metal_fraction <= ball.metal_fraction + 0.01
                ):
                    best = other
        if best is ball:
            break
        ball = best
    return ball


def _votes(smooth: np.ndarray, spacing: np.ndarray, body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best vote over radii, and that radius.

    Edges of a ball point inward to its center, those of its socket outward from it.
    """
    gradient = [np.gradient(smooth, spacing[a], axis=a) for a in range(3)]
    size = np.sqrt(gradient[0] ** 2 + gradient[1] ** 2 + gradient[2] ** 2)
    edge = np.argwhere((size > EDGE_HU_PER_MM) & body)
    if not len(edge):
        return np.zeros(smooth.shape, np.float32), np.zeros(smooth.shape, np.float32)
    normal = np.stack([g[tuple(edge.T)] for g in gradient], axis=1) / size[tuple(edge.T)][:, None]
    best, radii = np.zeros(smooth.shape, np.float32), np.zeros(smooth.shape, np.float32)
    socket_bins = [_cast(edge, -normal, r, spacing, smooth.shape) for r in (*RADII_MM, RADII_MM[-1] + 3)]
    cell = float(np.prod(spacing)) ** (2 / 3)
    for n, radius in enumerate(RADII_MM):
        head = _cast(edge, normal, radius, spacing, smooth.shape)
        later = socket_bins[n + 1] if n + 1 < len(socket_bins) else socket_bins[-1]
        last = socket_bins[min(n + 3, len(socket_bins) - 1)]
        socket = np.maximum(later, last)
        head = ndimage.gaussian_filter(head, 3.0 / spacing, truncate=2)
        socket = ndimage.gaussian_filter(socket, 3.0 / spacing, truncate=2)
        share = np.sqrt(np.maximum(head, 0) * np.maximum(socket, 0)) * np.float32(cell / radius**2)
        better = share > best
        best[better], radii[better] = share[better], radius
    return best, radii


def _cast(
    edge: np.ndarray, direction: np.ndarray, radius_mm: float, spacing: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    at = np.rint(edge + direction * (radius_mm / spacing)).astype(np.int64)
    inside = ((at >= 0) & (at < shape)).all(axis=1)
    flat = np.ravel_multi_index(tuple(at[inside].T), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float32)


def sphere_directions(count: int = _DIRECTIONS) -> np.ndarray:
    """Evenly spread unit vectors (count, 3) on a spiral."""
    n = np.arange(count) + 0.5
    z = 1 - 2 * n / count
    angle = np.pi * (1 + np.sqrt(5)) * n
    across = np.sqrt(1 - z**2)
    return np.stack([z, across * np.sin(angle), across * np.cos(angle)], axis=1)


def examine_ball(image: np.ndarray, spacing: np.ndarray, start: np.ndarray, radius_mm: float) -> Ball | None:
    """Fit a sphere to where dense bone ends along rays from a start, and look for the socket around it.

    Parameters
    ----------
    image : ndarray of shape (k, j, i)
        HU.
    spacing : (3,)
        Along (k, j, i).
    start : (3,)
        (k, j, i).
    radius_mm : float
        About the ball's.

    Returns
    -------
    Ball or None
        None when there is no ball of a plausible size.
    """
    directions = sphere_directions()
    steps = np.arange(6.0, 44.0, _STEP_MM)
    center, radius = np.asarray(start, float), radius_mm
    # Thick voxels flatten edges.
    least = _LEAST_FALL * min(1.0, 1.2 / float(np.mean(spacing)))
    for turn in range(7):
        profile = _profiles(image, spacing, center, directions, steps)
        fall = -np.gradient(profile, _STEP_MM, axis=1)
        ends, on_head = _first_ends(fall, steps, np.abs(steps - radius) < max(2.0, 6.0 - turn), least)
        if on_head.mean() < 0.15:
            return None
        offset, radius, _ = robust_sphere(directions[on_head] * ends[on_head][:, None])
        center = center + offset / spacing
        if not 10 < radius < 34 or np.linalg.norm((center - start) * spacing) > 25:
            return None
    profile = _profiles(image, spacing, center, directions, steps)
    fall = -np.gradient(profile, _STEP_MM, axis=1)
    strength = np.where(np.abs(steps - radius) < max(1.5, 0.07 * radius), fall, -np.inf)
    close = strength.max(axis=1) > least
    beyond = (steps > radius + SOCKET_BEYOND_MM[0]) & (steps < radius + SOCKET_BEYOND_MM[1])
    socket = close & (np.where(beyond, -fall, -np.inf).max(axis=1) > least)
    inner = np.linspace(0.1, METAL_WITHIN, 8) * radius
    metal = _profiles(image, spacing, center, directions[::3], inner) > METAL_HU
    toward = directions[socket].mean(axis=0) if socket.any() else np.zeros(3)
    return Ball(
        center,
        float(radius),
        float(close.mean()),
        float(socket.mean()),
        toward / max(float(np.linalg.norm(toward)), 1e-9),
        float(np.average(metal.mean(axis=0), weights=inner**2)),
    )


def _first_ends(fall: np.ndarray, steps: np.ndarray, window: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Where bone first ends along each ray within a window, and whether it does.

    The first edge that is at least half as steep as the steepest: behind the joint space the socket's outer surface
    falls as steeply as the head's.
    """
    strength = np.where(window, fall, -np.inf)
    top = strength.max(axis=1)
    here = strength[:, 1:-1]
    peak = (here >= strength[:, :-2]) & (here >= strength[:, 2:]) & (here > np.maximum(0.5 * top, least)[:, None])
    first = peak.argmax(axis=1)
    return steps[first + 1], peak.any(axis=1)


def _profiles(
    image: np.ndarray, spacing: np.ndarray, center: np.ndarray, directions: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """HU (n, steps) along rays, smoothed a little when the steps are fine enough."""
    at = center[:, None, None] + directions.T[:, :, None] * (steps / spacing[:, None, None])
    values = ndimage.map_coordinates(image, at.reshape(3, -1), order=1, mode="nearest", output=np.float32)
    values = values.reshape(len(directions), len(steps))
    if steps[1] - steps[0] < 1:
        values = ndimage.gaussian_filter1d(np.clip(values, -150, 1400), 0.7 / (steps[1] - steps[0]), axis=1)
    return values


def robust_sphere(points_mm: np.ndarray, rounds: int = 12) -> tuple[np.ndarray, float, np.ndarray]:
    """Center, radius and inliers of the sphere nearest to points (n, 3), with Tukey's biweight from a robust start."""
    center = np.zeros(3)
    weights = np.ones(len(points_mm))
    radius = float(np.median(np.linalg.norm(points_mm - center, axis=1)))
    distance = np.linalg.norm(points_mm - center, axis=1)
    for _ in range(rounds):
        scale = max(1.4826 * float(np.median(np.abs(distance - radius))), 0.3)
        weights = np.clip(1 - ((distance - radius) / (4.7 * scale)) ** 2, 0, None) ** 2
        if weights.sum() < 8:
            break
        # Gauss-Newton step of the geometric distance.
        unit = (points_mm - center) / np.maximum(distance, 1e-9)[:, None]
        design = np.column_stack([unit, np.ones(len(unit))]) * np.sqrt(weights)[:, None]
        step = np.linalg.lstsq(design, (distance - radius) * np.sqrt(weights), rcond=None)[0]
        center, radius = center + step[:3], radius + float(step[3])
        distance = np.linalg.norm(points_mm - center, axis=1)
    return center, radius, weights > 0.1


def _distinct(balls: list[Ball], spacing: np.ndarray) -> list[Ball]:
    kept: list[Ball] = []
    for ball in balls:
        if all(np.linalg.norm((ball.index - k.index) * spacing) > k.radius_mm for k in kept):
            kept.append(ball)
    return kept
