"""Landmarks: extreme points, joint contact, lines that touch two humps."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError, cKDTree

from MultiJointSegLib.morphology.frames import LandmarkMissing
from MultiJointSegLib.surface.mesh import Surface

CONTACT_ERROR_MM = 0.5
"""Standard error assumed for an extreme point of a bone segmented at clinical resolution."""


_FACING, _APEX_ROUNDS, _FEWEST_AROUND_APEX = 0.5, 20, 12
_TIE_MM = 1e-6
"""Points on a flat part of the surface are equally far; rounding must not choose among them, or the pose would."""


def extreme_point(points_mm: np.ndarray, direction: np.ndarray, *, within_mm: float = 0.0) -> np.ndarray:
    """Farthest of points (n, 3) along a unit vector, or the mean of those at most `within_mm` short of it."""
    along = points_mm @ direction
    if not len(along):
        raise LandmarkMissing("A part of the bone's surface that is needed is not there.")
    return points_mm[along >= along.max() - within_mm - _TIE_MM].mean(axis=0)


def apex_point(surface: Surface, start_mm: np.ndarray, outward: np.ndarray, radius_mm: float) -> np.ndarray:
    """Most prominent point (3,) of a bump: apex of the paraboloid nearest to the surface around a first guess.

    Of a gently rounded bump the farthest point alone wanders by millimeters with a tenth of a millimeter of noise.

    Parameters
    ----------
    surface : Surface
        The bone, LPS mm.
    start_mm : float ndarray of shape (3,)
        First guess, for example `extreme_point`; given back where the surface around it is no bump.
    outward : float ndarray of shape (3,)
        Unit vector out of the bump.
    radius_mm : float
        How far around the apex, perpendicular to `outward`, the surface counts.
    """
    vectors = surface.area_vectors_mm2()
    areas = np.linalg.norm(vectors, axis=1)
    centers = surface.points_mm[surface.triangles].mean(axis=1)
    facing = (vectors @ outward > _FACING * areas) & (((centers - start_mm) ** 2).sum(axis=1) < (3 * radius_mm) ** 2)
    centers, areas = centers[facing], areas[facing]
    first = np.cross(outward, np.eye(3)[np.argmin(np.abs(outward))])
    first /= np.linalg.norm(first)
    second = np.cross(outward, first)
    at, top = start_mm, 0.0
    for _ in range(_APEX_ROUNDS):
        offset = centers - at
        x, y, h = offset @ first, offset @ second, offset @ outward
        near = np.hypot(x, y) < radius_mm
        if near.sum() < _FEWEST_AROUND_APEX:
            return start_mm
        x, y, h, root = x[near], y[near], h[near], np.sqrt(areas[near])
        design = np.column_stack([np.ones(len(x)), x, y, x * x, x * y, y * y])
        c = np.linalg.lstsq(design * root[:, None], h * root, rcond=None)[0]
        bend = np.array([[2 * c[3], c[4]], [c[4], 2 * c[5]]])
        if np.linalg.eigvalsh(bend)[1] >= 0:
            return start_mm
        step = -np.linalg.solve(bend, c[1:3])
        length = float(np.linalg.norm(step))
        # Beyond the part used the paraboloid says nothing.
        step *= min(1.0, radius_mm / max(length, 1e-12))
        at = at + step[0] * first + step[1] * second
        top = float(c[0] + c[1:3] @ step + 0.5 * step @ bend @ step)
        if length < 1e-4:
            break
    if float(np.linalg.norm(at - start_mm)) > 2 * radius_mm:
        return start_mm
    return np.asarray(at + top * outward)


def joint_point(first: Surface, second: Surface) -> np.ndarray:
    """Where two bones are closest: mean over the twentieth of the first surface's points nearest to the second."""
    points = some_points(first)
    distance, nearest = cKDTree(second.points_mm).query(points)
    near = distance <= np.quantile(distance, 0.05)
    return np.asarray(0.5 * (points[near].mean(axis=0) + second.points_mm[nearest[near]].mean(axis=0)))


def some_points(surface: Surface, most: int = 5000) -> np.ndarray:
    """Every nth point (n, 3) of a surface, at most about that many: enough for what concerns the whole bone."""
    return surface.points_mm[:: max(1, len(surface.points_mm) // most)]


def bridge(outline: np.ndarray, facing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The groove of a flat outline: the line that bridges it and its deepest point.

    Of all edges of the convex hull that face a direction within 45 degrees, the one is taken under which the outline
    lies deepest.

    Parameters
    ----------
    outline : float ndarray of shape (n, 2)
        Points of an outline, mm.
    facing : float ndarray of shape (2,)
        Unit vector out of the groove.

    Returns
    -------
    tuple
        Both ends of the bridge (2,), the deepest point (2,) and its depth (mm) under the bridge.

    Raises
    ------
    LandmarkMissing
        If nothing faces that way, or the outline is convex there.
    """
    try:
        hull = ConvexHull(outline)
    except (QhullError, ValueError) as error:
        raise LandmarkMissing("The outline in this plane is too small.") from error
    best: tuple[np.ndarray, np.ndarray, np.ndarray, float] | None = None
    for (i, j), (nx, ny, _) in zip(hull.simplices, hull.equations, strict=True):
        normal = np.array([nx, ny])
        if normal @ facing < np.sqrt(0.5):
            continue
        a, b = outline[i], outline[j]
        length = float(np.linalg.norm(b - a))
        if length < 1e-6:
            continue
        along = (outline - a) @ ((b - a) / length)
        # Seen along the bridge's normal, the surface is the outermost point at each place between its ends.
        inside = (along > 0) & (along < length)
        if not inside.any():
            continue
        depth = (a - outline) @ normal
        bins = np.minimum((along[inside] / length * 24).astype(int), 23)
        outermost = np.full(24, np.inf)
        np.minimum.at(outermost, bins, depth[inside])
        outermost[~np.isfinite(outermost)] = -np.inf
        at = int(np.argmax(outermost))
        if best is None or outermost[at] > best[3]:
            chosen = np.flatnonzero(inside)[bins == at]
            deepest = outline[chosen[np.argmin(depth[chosen])]]
            best = (a, b, deepest, float(outermost[at]))
    if best is None or best[3] <= 0.05:
        raise LandmarkMissing("No groove is found in this plane.")
    return best
