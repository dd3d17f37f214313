"""Axes of the proximal femur: shaft, neck, and which side is its front.

Everything is found from the bone itself, starting from the sphere of its head; neither side nor pose is assumed.
Lengths are counted in radii of the head, so that children are treated like adults.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.morphology.fits import tukey_weights
from MultiJointSegLib.morphology.hip_sections import cross_section, nearest_outline, unit
from MultiJointSegLib.surface.mesh import Surface

SHAFT_FROM = 3.4
"""The shaft begins this many head radii below the head's center, just below the lesser trochanter."""
SHAFT_TO = 7.0
SHORTEST_SHAFT = 0.8
NECK_RANGE = (0.75, 1.7)
"""Where the neck's narrowest cross-section is searched, in head radii from the head's center."""
_ROUNDS = 8
_LEAST_FRONT = 0.08
_WIDENING = 1.3
"""A cross-section larger than this many times the shaft's lowest ones belongs to the trochanters."""


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """A straight axis, or why there is none.

    Parameters
    ----------
    point_mm : float ndarray of shape (3,)
        A point of it, LPS mm.
    direction : float ndarray of shape (3,)
        Unit vector: of the shaft toward the head's end, of the neck toward the head.
    error_deg : float
        Standard error of its direction (delete-a-group jackknife over the cross-sections it was fitted to).
    reason : str
        Why there is none, else "".
    """

    point_mm: np.ndarray
    direction: np.ndarray
    error_deg: float
    reason: str = ""


def _no_axis(reason: str) -> Axis:
    return Axis(np.full(3, np.nan), np.full(3, np.nan), float("nan"), reason)


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two vectors, 0 to 180 degrees."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def _part(surface: Surface, keep: np.ndarray) -> Surface:
    """The triangles of which a corner is among the points (n,) to keep: cross-sections there take less time."""
    triangles = surface.triangles[keep[surface.triangles].any(axis=1)]
    used, number = np.unique(triangles, return_inverse=True)
    return Surface(surface.points_mm[used], number.reshape(-1, 3))


def _line(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Point and direction of the line nearest to points (n, 3) along a shaft, with Tukey's biweight."""
    weights = np.ones(len(points))
    for _ in range(10):
        middle = weights @ points / weights.sum()
        offset = points - middle
        direction = np.linalg.eigh((offset * weights[:, None]).T @ offset)[1][:, 2]
        weights = tukey_weights(np.linalg.norm(np.cross(offset, direction), axis=1))[0]
    return middle, direction


def shaft_axis(surface: Surface, center_mm: np.ndarray, radius_mm: float) -> Axis:
    """Line through the centroids of the shaft's cross-sections, 3.4 to 7 head radii below the head's center.

    Parameters
    ----------
    surface : Surface
        Femur, LPS mm.
    center_mm, radius_mm
        Sphere of its head.

    Returns
    -------
    Axis
        With a reason when less than 0.8 head radii of the shaft are there.
    """
    far = np.linalg.norm(surface.points_mm - center_mm, axis=1)
    window = (far > 0.75 * far.max()) if far.max() < 8.0 * radius_mm else (far > 5 * radius_mm) & (far < 8 * radius_mm)
    down = unit(surface.points_mm[window].mean(axis=0) - center_mm)
    point = surface.points_mm[window].mean(axis=0)
    centroids = np.zeros((0, 3))
    for _ in range(_ROUNDS):
        along = (surface.points_mm - center_mm) @ down
        # The last bit is rounded by the surface's smoothing when the bone is cut.
        last = min(float(along.max()) - 0.3 * radius_mm, SHAFT_TO * radius_mm)
        if last < (SHAFT_FROM + SHORTEST_SHAFT) * radius_mm:
            return _no_axis(
                f"the shaft ends {float(along.max()):.0f} mm below the center of the head; "
                f"{(SHAFT_FROM + SHORTEST_SHAFT + 0.3) * radius_mm:.0f} mm are needed"
            )
        levels = np.linspace(SHAFT_FROM * radius_mm, last, 24)
        shaft = _part(surface, (along > levels[0] - radius_mm) & (along < last + radius_mm))
        found = []
        for level in levels:
            at = point + ((center_mm - point) @ down + level) * down
            outline = nearest_outline(cross_section(shaft, at, down), at, 0.15 * radius_mm**2)
            if outline is not None:
                found.append((outline.area_mm2, outline.centroid_mm))
        if len(found) < 16:
            return _no_axis("the shaft has no closed cross-sections")
        areas = np.array([f[0] for f in found])
        # A small ossified head makes the window begin too high; the lesser trochanter shows in the area.
        slim = areas <= _WIDENING * np.median(areas[-8:])
        if slim.sum() < 8:
            return _no_axis("too little of the shaft below the lesser trochanter is in view")
        centroids = np.array([f[1] for f in found])[slim]
        point, better = _line(centroids)
        better = better * np.sign(better @ down)
        turned = angle_deg(better, down)
        down = better
        if turned < 5e-3:
            break
    groups = np.array_split(np.arange(len(centroids)), 6)
    parts = [_line(np.delete(centroids, group, axis=0))[1] for group in groups]
    spread = np.array([d * np.sign(d @ down) for d in parts])
    error = np.sqrt(5 / 6 * ((spread - spread.mean(axis=0)) ** 2).sum())
    return Axis(point, -down, float(np.degrees(error)))


def neck_axis(surface: Surface, center_mm: np.ndarray, radius_mm: float, shaft: Axis) -> Axis:
    """Line from the center of the neck, where its cross-section is smallest, to the center of the head.

    The center of the neck is the mean centroid of the cross-sections (perpendicular to the axis) whose area is within
    5 % of the smallest; axis and cross-sections are repeated until the axis stands still.

    Returns
    -------
    Axis
        With a reason when no narrowest cross-section lies between 0.75 and 1.7 head radii from the center.
    """
    # Toward the shaft, half way down between the level of the head and the lesser trochanter.
    foot = shaft.point_mm + ((center_mm - shaft.point_mm) @ shaft.direction - 1.3 * radius_mm) * shaft.direction
    out = unit(foot - center_mm)
    distances = np.linspace(*NECK_RANGE, 20) * radius_mm
    surface = _part(surface, np.linalg.norm(surface.points_mm - center_mm, axis=1) < 3.5 * radius_mm)
    chosen = np.zeros((0, 3))
    for _ in range(2 * _ROUNDS):
        found = []
        for distance in distances:
            at = center_mm + distance * out
            outline = nearest_outline(cross_section(surface, at, out), at, 0.3 * radius_mm**2)
            if outline is not None and np.linalg.norm(outline.centroid_mm - at) < 0.6 * radius_mm:
                found.append((outline.area_mm2, distance, outline.centroid_mm))
        if len(found) < 6:
            return _no_axis("the neck has no closed cross-sections")
        areas = np.array([f[0] for f in found])
        smallest = int(np.argmin(areas))
        if found[smallest][1] == distances[0] or found[smallest][1] == distances[-1]:
            return _no_axis("the neck has no narrowest cross-section beside the head")
        # Smooth weights: a hard limit would make the axis jump with the mesh.
        weights = np.clip(1.0 - (areas / areas[smallest] - 1.0) / 0.05, 0.0, None)
        chosen = np.array([f[2] for f in found])
        middle = weights @ chosen / weights.sum()
        turned = angle_deg(middle - center_mm, out)
        out = unit(middle - center_mm)
        if turned < 5e-3:
            break
    used = chosen[weights > 0]
    spread = used - center_mm
    spread = spread / np.linalg.norm(spread, axis=1)[:, None]
    # The centroids are not independent: their scatter is taken as the error of their mean.
    error = np.sqrt(((spread - spread.mean(axis=0)) ** 2).sum(axis=1).mean())
    return Axis(middle, -out, float(np.degrees(error)))


def front_direction(
    surface: Surface, center_mm: np.ndarray, radius_mm: float, shaft: Axis, neck: Axis
) -> np.ndarray | None:
    """Unit vector perpendicular to neck and shaft that points to the front of the femur; None if it is unclear.

    The lesser trochanter stands out behind the shaft's axis, and the bulk of the trochanters lies behind the plane
    through the center of the head, the neck and the shaft's direction; the two offsets are added.
    """
    across = unit(np.cross(neck.direction, shaft.direction))
    along = (center_mm - surface.points_mm) @ shaft.direction
    away = (center_mm - surface.points_mm) @ neck.direction
    trochanters = (along > -0.5 * radius_mm) & (along < 3.2 * radius_mm) & (away > 1.5 * radius_mm)
    lesser = (along > 2.0 * radius_mm) & (along < 3.2 * radius_mm)
    if trochanters.sum() < 50 or lesser.sum() < 20:
        return None
    from_shaft = (surface.points_mm[lesser] - shaft.point_mm) @ across
    behind = 0.5 * (from_shaft.max() + from_shaft.min())
    behind += ((surface.points_mm[trochanters] - center_mm) @ across).mean()
    return None if abs(behind) < _LEAST_FRONT * radius_mm else -np.sign(behind) * across
