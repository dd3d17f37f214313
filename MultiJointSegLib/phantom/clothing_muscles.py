"""What fills the body between bones and skin: muscles with fat septa, fat, vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, distance_to_polyline, smooth_noise, smooth_step
from MultiJointSegLib.phantom.clothing_frame import Frame


@dataclass(frozen=True, slots=True)
class Filling:
    """Fields on the coarse grid from which the soft tissue is cut at full resolution.

    Parameters
    ----------
    muscle : float32 (k, j, i)
        Positive in muscle, negative in fat (mm, about).
    septum_mm : float32 (k, j, i)
        Distance (about) to the border between two muscles.
    vessel_mm : float32 (k, j, i)
        Signed distance to the vessels' walls.
    """

    muscle: np.ndarray
    septum_mm: np.ndarray
    vessel_mm: np.ndarray


def _limb_sites(joint: str, side_count: tuple[int, int], rng: np.random.Generator) -> list[tuple[float, float]]:
    """Angle and relative radius of muscle bellies around a limb."""
    inner, outer = side_count
    start = rng.uniform(0, 2 * np.pi)
    sites = [(start + 2 * np.pi * (n + rng.uniform(-0.25, 0.25)) / outer, rng.uniform(0.75, 1.0)) for n in range(outer)]
    sites += [(start + 2 * np.pi * (n + rng.uniform(-0.3, 0.3)) / inner, rng.uniform(0.35, 0.5)) for n in range(inner)]
    return sites


def fill_body(
    grid: CoarseGrid, frame: Frame, joint: str, rng: np.random.Generator, bone_mm: np.ndarray, depth_mm: np.ndarray
) -> Filling:
    """Muscles as cells of a warped Voronoi diagram around lines along the limb, thinning toward the joint.

    Parameters
    ----------
    bone_mm : float32 (k, j, i), distance to the nearest bone (clipped), on `grid`
    depth_mm : float32 (k, j, i), depth below the deep fascia (positive inside), on `grid`
    """
    lat, ant, sup = np.broadcast_arrays(*frame.coordinates(*grid.points()))
    s = frame.scale
    warp = [smooth_noise(grid.shape, grid.spacing_mm, 28.0 * s, rng) * np.float32(3.0 * s) for _ in range(2)]
    wlat, want = lat + warp[0], ant + warp[1]
    first = np.full(grid.shape, 1e3, np.float32)
    second = first.copy()
    radius = 45.0 * s
    drift = rng.normal(0, 0.12, (40, 2))
    for n, (angle, fraction) in enumerate(_limb_sites(joint, (4, 8), rng)):
        a = fraction * radius * np.cos(angle) + drift[n, 0] * sup
        b = fraction * radius * np.sin(angle) + drift[n, 1] * sup - 0.25 * radius
        d = np.sqrt((wlat - a) ** 2 + (want - b) ** 2) - np.float32(rng.uniform(-4, 4) * s)
        second = np.minimum(second, np.maximum(first, d))
        first = np.minimum(first, d)
    septum = 0.5 * (second - first)
    muscle = _muscle_region(joint, lat, ant, sup, s, rng) + 4 * smooth_noise(grid.shape, grid.spacing_mm, 20.0 * s, rng)
    muscle = np.minimum(muscle, depth_mm)
    return Filling(muscle, septum.astype(np.float32), _vessels(grid, frame, joint, rng))


def _muscle_region(
    joint: str, lat: np.ndarray, ant: np.ndarray, sup: np.ndarray, s: float, rng: np.random.Generator
) -> np.ndarray:
    """Positive where muscle may be: away from the joint, and behind the knee, everywhere around shoulder and hip."""
    if joint == "knee":
        popliteal = 26 * s - np.sqrt((lat / 0.8) ** 2 + (ant + 30 * s) ** 2 + (0.35 * (sup - 5 * s)) ** 2)
        front = np.abs(sup - 5 * s) - (45 + rng.uniform(-5, 10)) * s + 0 * ant
        back = np.abs(sup) - 14 * s + 0.0 * ant
        region = np.where(ant > -12 * s, front, np.maximum(front, back) - np.clip(popliteal, 0, None))
        return (0.5 * region).astype(np.float32)
    if joint == "ankle":
        leg = (sup - (35 + rng.uniform(-8, 8)) * s) * 0.5
        flexor = 12 * s - np.sqrt((lat + 2 * s) ** 2 + (ant + 22 * s) ** 2) + 0.15 * (sup - 5 * s)
        plantar = np.minimum(-(sup + 45 * s) * 0.6, ant * 0.5 + 30 * s)
        return np.maximum(np.maximum(leg, flexor), plantar).astype(np.float32)
    return np.full(lat.shape, 6.0 * s, np.float32)


def _vessels(grid: CoarseGrid, frame: Frame, joint: str, rng: np.random.Generator) -> np.ndarray:
    """Signed distance to the main bundle and a few random small vessels."""
    s = frame.scale
    x, y, z = grid.points()
    lines: list[tuple[np.ndarray, float]] = []
    wobble = lambda: rng.normal(0, 3.0 * s)  # noqa: E731
    levels = np.linspace(-130, 130, 7) * s
    if joint == "knee":
        for shift, radius in ((0.0, 3.2), (6.0, 3.8)):
            lines.append((np.array([frame.point(shift * s + wobble(), -34 * s + wobble(), u) for u in levels]), radius))
    elif joint == "ankle":
        lines.append((np.array([frame.point(-18 * s + wobble(), -20 * s + wobble(), u) for u in levels[3:]]), 2.0))
        lines.append((np.array([frame.point(wobble(), 24 * s + wobble(), u) for u in levels[3:]]), 1.6))
    elif joint == "shoulder":
        lines.append(
            (np.array([frame.point(-40 * s + 0.5 * u, 25 * s + wobble(), -30 * s - 0.6 * u) for u in levels]), 4.5)
        )
    elif joint == "hip":
        for shift in (0.0, 9.0):
            lines.append((np.array([frame.point((shift - 14) * s, 42 * s + wobble(), u) for u in levels]), 4.5))
    for _ in range(int(rng.integers(4, 10))):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(30, 60) * s
        path = [
            frame.point(radius * np.cos(angle) + 2 * wobble(), radius * np.sin(angle) + 2 * wobble(), u) for u in levels
        ]
        lines.append((np.array(path), float(rng.uniform(0.8, 1.8))))
    best = np.full(grid.shape, 50.0, np.float32)
    for points, radius in lines:
        best = np.minimum(best, distance_to_polyline(x, y, z, points) - np.float32(radius * s))
    return best
