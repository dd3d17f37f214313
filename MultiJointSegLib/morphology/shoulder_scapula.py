"""The transverse axis of the scapula: from where its spine meets the medial border to the center of the glenoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.fits import fit_plane, tukey_weights
from MultiJointSegLib.morphology.shoulder_face import unit, with_small_triangles
from MultiJointSegLib.morphology.shoulder_glenoid import Glenoid
from MultiJointSegLib.surface.mesh import Surface

_SHORTEST_BLADE = 3.0
"""A medial border nearer to the glenoid than this many head radii is an edge of the segmentation, not of the bone."""
_CREST_HEIGHT = 0.35
_STEP = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class ScapularAxes:
    """Axes of the scapula; positions LPS mm, directions unit vectors, perpendicular to each other.

    Parameters
    ----------
    medial_mm : float ndarray of shape (3,)
        Where the line of the spine meets the medial border (trigonum of the spine).
    lateral, front, up : float ndarray of shape (3,)
        From there to the center of the glenoid; normal of the scapular plane toward the ribs; up.
    error_mm : float
        Uncertainty of the medial point along the border.
    """

    medial_mm: np.ndarray
    lateral: np.ndarray
    front: np.ndarray
    up: np.ndarray
    error_mm: float


def _crest_line(lateral: np.ndarray, up: np.ndarray, behind: np.ndarray, unit_mm: float) -> tuple[float, float, float]:
    """Height and slope of the line of the spine's crest, up over lateral, and the scatter about it."""
    points = []
    for start in np.arange(lateral.min(), -0.8 * unit_mm, _STEP * unit_mm):
        inside = np.flatnonzero((lateral >= start) & (lateral < start + _STEP * unit_mm))
        if len(inside):
            top = inside[np.argmax(behind[inside])]
            if behind[top] > _CREST_HEIGHT * unit_mm:
                points.append((lateral[top], up[top]))
    if len(points) < 5:
        raise MultiJointSegError("the spine of the scapula cannot be followed")
    x, y = np.array(points).T
    weights = np.ones(len(x))
    for _ in range(10):
        slope, height = np.polyfit(x, y, 1, w=np.sqrt(np.maximum(weights, 1e-6)))
        weights, scale = tukey_weights(y - height - slope * x)
    return float(height), float(slope), scale


def scapular_axes(
    scapula: Surface, glenoid: Glenoid, radius_mm: float, on_edge: np.ndarray | None = None
) -> ScapularAxes:
    """Find the transverse axis and the plane of the scapula.

    The scapular plane is fitted to the blade, robustly, so that the spine does not count. The crest of the spine is
    followed medially and its line is extended to the medial border.

    Parameters
    ----------
    scapula : Surface
        LPS mm.
    glenoid : Glenoid
        See `find_glenoid`.
    radius_mm : float
        Radius of the humeral head: the unit of all distances.
    on_edge : bool ndarray of shape (m,), optional
        Triangles where the scapula is cut by the field of view.

    Raises
    ------
    MultiJointSegError
        If the medial border or the spine is not in view.
    """
    scapula, parts = with_small_triangles(scapula, radius_mm)
    on_edge = None if on_edge is None else np.tile(on_edge, parts)
    middle = scapula.points_mm[scapula.triangles].mean(axis=1)
    area = np.linalg.norm(scapula.area_vectors_mm2(), axis=1)
    offset = middle - glenoid.center_mm
    blade = (offset @ glenoid.normal < -1.0 * radius_mm) & (area > 0)
    if on_edge is not None:
        blade &= ~on_edge
    if blade.sum() < 200:
        raise MultiJointSegError("the blade of the scapula is not in view")
    rng = np.random.default_rng(0)
    index = np.flatnonzero(blade)
    chosen = index[np.argsort(rng.random(len(index)) ** (1.0 / area[index]))[-20000:]]
    front = fit_plane(middle[chosen]).normal
    front = front * np.sign(front @ glenoid.front)
    lateral = unit(glenoid.normal - (glenoid.normal @ front) * front)
    up = np.cross(front, lateral)
    up = up * np.sign(up @ glenoid.up)
    plane_offset = float(np.median(offset[chosen] @ front))
    x, y = offset[index] @ lateral, offset[index] @ up
    behind = plane_offset - offset[index] @ front
    if x.min() > -_SHORTEST_BLADE * radius_mm:
        raise MultiJointSegError(
            f"its medial border is not in view: the blade ends {-x.min():.0f} mm from the glenoid, at least "
            f"{_SHORTEST_BLADE * radius_mm:.0f} mm are expected"
        )
    height, slope, scatter = _crest_line(x, y, behind, radius_mm)
    # Along the border, the place that the extended line of the spine meets.
    levels = np.arange(-1.0, 2.5, 0.05) * radius_mm
    best, best_gap = None, np.inf
    for level in levels:
        row = np.abs(y - level) < 0.1 * radius_mm
        if row.any():
            border = float(x[row].min())
            gap = abs(level - height - slope * border)
            if gap < best_gap:
                best, best_gap = (level, border), gap
    if best is None or best_gap > 0.3 * radius_mm:
        raise MultiJointSegError("the line of its spine does not meet the medial border in view")
    tip = (np.abs(y - best[0]) < 0.15 * radius_mm) & (x < best[1] + 0.12 * radius_mm)
    medial = area[index][tip] @ middle[index][tip] / area[index][tip].sum()
    # The border itself, not the middle of the strip.
    medial = medial + (best[1] - (medial - glenoid.center_mm) @ lateral) * lateral
    if best[1] > -_SHORTEST_BLADE * radius_mm:
        raise MultiJointSegError("its medial border is not in view at the root of the spine")
    if on_edge is not None and on_edge.any():
        gap_mm, _ = cKDTree(middle[on_edge]).query(medial)
        if gap_mm < 0.3 * radius_mm:
            raise MultiJointSegError("its medial border is cut by the field of view at the root of the spine")
    axis = unit(glenoid.center_mm - medial)
    front = unit(front - (front @ axis) * axis)
    upward = np.cross(front, axis)
    return ScapularAxes(medial, axis, front, upward * np.sign(upward @ up), scatter)
