"""Retroversion of the humeral head, where the elbow is in view."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from MultiJointSegLib.morphology.axes import shaft_axis
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.frames import Definition, Found, LandmarkMissing, perpendicular, unit
from MultiJointSegLib.morphology.heads import HeadSphere
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM
from MultiJointSegLib.morphology.measurement import line, plane, sphere
from MultiJointSegLib.surface.mesh import Surface

RETROVERSION = Definition(
    "humerus_retroversion",
    "Retroversion of the head",
    "humerus",
    "deg",
    "Angle between the head's axis (from the center of its sphere to the middle of the bone's surface on that sphere) "
    "and the widest line across the epicondyles, projected along the shaft axis (line through the centroids of the "
    "cross-sections 2.5 to 6 head radii below the top); positive when the head points backward. Front is where the "
    "distal end lies before the shaft axis.",
    "after Boileau and Walch 1997, J Bone Joint Surg Br 79-B:857-865",
)

SHORTEST_HUMERUS = 9.0
"""With an elbow, the humerus is at least this many head radii long; adults have about 13."""
_SHAFT = (2.5, 6.0)
_DISTAL = 1.2
_EPICONDYLES = 1.8
_AHEAD = 0.08
_ON_SPHERE = 0.04


def retroversion(humerus: Surface, head: HeadSphere, edge: FieldEdge | None) -> Found:
    """Angle of the head against the epicondyles.

    Parameters
    ----------
    humerus : Surface
        LPS mm.
    head : HeadSphere
        Its sphere.
    edge : FieldEdge or None
        Where the humerus leaves the field of view.

    Raises
    ------
    LandmarkMissing
        If the elbow is not in view, or its width or front is not clear.
    """
    if head.center_mm is None or head.radius_mm is None:
        raise LandmarkMissing(f"It needs the humeral head: {head.reason}.")
    center, radius = head.center_mm, head.radius_mm
    offset = humerus.points_mm - center
    reach = np.linalg.norm(offset, axis=1)
    down = unit(offset[reach > np.quantile(reach, 0.95)].mean(axis=0))
    length = float(np.ptp(humerus.points_mm @ down))
    if length < SHORTEST_HUMERUS * radius:
        raise LandmarkMissing(
            f"The epicondyles, which define it, are not in the examination: {length:.0f} mm of the humerus are in view."
        )
    shaft = shaft_axis(
        humerus,
        start=down,
        from_mm=_SHAFT[0] * radius,
        to_mm=_SHAFT[1] * radius,
        shortest_mm=radius,
        on_edge=None if edge is None else edge.on_edge,
        name="humerus",
    )
    down = shaft.direction
    height = humerus.points_mm @ down
    distal = height > height.max() - _DISTAL * radius
    if edge is not None and edge.on_edge.any() and distal[humerus.triangles[edge.on_edge]].any():
        raise LandmarkMissing("The epicondyles, which define it, are cut by the field of view.")
    points = humerus.points_mm[distal]
    first, second = _widest(points, down)
    width = perpendicular(second - first, down)
    span = float((second - first) @ width)
    if span < _EPICONDYLES * radius:
        raise LandmarkMissing(
            f"The lower end of the humerus is only {span:.0f} mm wide: it has no epicondyles in view."
        )
    head_axis = _head_axis(humerus, head.center_mm, radius)
    to_head = perpendicular(head_axis, down)
    # From lateral to medial, the side the head looks to.
    if width @ to_head < 0:
        width, first, second = -width, second, first
    across = np.cross(down, width)
    ahead = float((points.mean(axis=0) - shaft.point_mm) @ across)
    if abs(ahead) < _AHEAD * radius:
        raise LandmarkMissing("Front and back of the humerus are not clear: its lower end lies on the shaft's axis.")
    front = across * np.sign(ahead)
    value = -float(np.degrees(np.arctan2(to_head @ front, to_head @ width)))
    center_error = 0.0 if head.center_error_mm is None else float(np.linalg.norm(head.center_error_mm))
    lever = radius * float(np.linalg.norm(head_axis - (head_axis @ down) * down))
    error = float(np.degrees(np.hypot(np.sqrt(2.0) * CONTACT_ERROR_MM / span, center_error / lever)))
    return Found(
        value,
        {
            "head": sphere(center, radius),
            "head_axis": line(center, center + 1.3 * radius * head_axis),
            "epicondyles": line(first, second),
            "view": plane(center, down),
        },
        error,
    )


def _head_axis(humerus: Surface, center: np.ndarray, radius: float) -> np.ndarray:
    """Unit vector from the head's center to the middle of the surface that lies on its sphere."""
    vectors = humerus.area_vectors_mm2()
    offset = humerus.points_mm[humerus.triangles].mean(axis=1) - center
    distance = np.linalg.norm(offset, axis=1)
    steepness = np.einsum("ij,ij->i", vectors, offset) / np.maximum(np.linalg.norm(vectors, axis=1) * distance, 1e-12)
    on = (steepness > np.cos(np.radians(25.0))) & (np.abs(distance - radius) < _ON_SPHERE * radius)
    areas = np.linalg.norm(vectors[on], axis=1)
    return unit((offset[on] * areas[:, None]).sum(axis=0))


def _widest(points: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two points (3,) farthest from each other when seen along a unit vector."""
    u = perpendicular(np.eye(3)[int(np.argmin(np.abs(along)))], along)
    flat = np.column_stack([points @ u, points @ np.cross(along, u)])
    hull = ConvexHull(flat).vertices
    distance = squareform(pdist(flat[hull]))
    i, j = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return points[hull[i]], points[hull[j]]
