"""Measures of one hip: neck-shaft angle, femoral version, alpha angle.

Angles of the socket (`hip_socket`) are defined by the transverse axis of the pelvis, which takes both hips: see
`hip_sides`. With one hip they are listed with that reason.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.heads import SMALLEST_COVERAGE, HeadSphere, fit_head
from MultiJointSegLib.morphology.hip_femur import Axis, angle_deg, front_direction, neck_axis, shaft_axis
from MultiJointSegLib.morphology.hip_sections import cross_section, unit
from MultiJointSegLib.morphology.hip_socket import NEEDS_BOTH, no_socket
from MultiJointSegLib.morphology.measurement import Measurement, line, point, sphere
from MultiJointSegLib.surface.mesh import Surface

ALPHA_TOLERANCE = 0.02
"""The bone has left the head's sphere when it is farther from its center than this share beyond its radius."""
SMALL_HEAD_MM = 18.0
YOUNG_ERROR_DEG = 3.5
"""Below this radius the head is a child's; phantoms of 5 and 6 years differ by 3.1 and 4.2 degrees from the truth."""
_YOUNG = (
    "Small head: in a young child much of head and neck is cartilage; the angle is that of the ossified part and may "
    "differ from the whole bone's by about 4 degrees."
)
SHORTEST_FEMUR = 10.0
CONDYLE_WIDTH = 2.2
"""A femur has condyles when it is at least 10 head radii long and its end 2.2 head radii wide."""

_NECK_SHAFT = (
    "Angle between the shaft (line through the centroids of its cross-sections 3.4 to 7 head radii below the center of "
    "the head) and the neck (from the centroid of its narrowest cross-section to the center of the head), in space."
)
_NECK_SHAFT_REFERENCE = "doi:10.1007/s00256-015-2236-z"
_ALPHA = (
    "Angle at the center of the head between the neck axis and the front point where the bone leaves the head's "
    "sphere by 2 % of its radius, in the plane that contains the neck axis and is perpendicular to the plane of neck "
    "and shaft."
)
_ALPHA_REFERENCE = "doi:10.1302/0301-620X.84B4.12014"
_VERSION = (
    "Angle between the neck axis and the line through the most posterior points of both condyles, projected along the "
    "shaft; positive when the neck points forward (anteversion)."
)
_VERSION_REFERENCE = "Murphy et al. 1987, J Bone Joint Surg Am 69:1169-1176"


def measure_hip(
    surfaces: Mapping[str, Surface], edges: Mapping[str, FieldEdge | None] | None = None
) -> list[Measurement]:
    """Measures of the proximal femur, and why those of the socket need the other hip.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        "femur", and "hip_bone" where there is one (it only narrows the search for the head); LPS mm.
    edges : mapping of bone key to FieldEdge, optional
        Where the bones leave the field of view.

    Returns
    -------
    list of Measurement
        Empty without a femur. Independent of side, pose and position.
    """
    if surfaces.get("femur") is None:
        return []
    socket = no_socket(NEEDS_BOTH) if "hip_bone" in surfaces else []
    return [*_measure_femur(surfaces, (edges or {}).get("femur")), *socket]


def _measure_femur(surfaces: Mapping[str, Surface], edge: FieldEdge | None) -> list[Measurement]:
    femur = surfaces["femur"]
    head = fit_head(
        femur,
        smallest_coverage=SMALLEST_COVERAGE["femur"],
        on_edge=None if edge is None else edge.on_edge,
        partner=surfaces.get("hip_bone"),
    )
    if head.center_mm is None or head.radius_mm is None:
        reason = f"It needs the femoral head: {head.reason}."
        return [_neck_shaft(None, None, None, reason), _version(None, reason, {}), _alpha(None, None, reason, {})]
    center, radius = head.center_mm, head.radius_mm
    shaft = shaft_axis(femur, center, radius)
    if shaft.reason:
        reason = f"It needs the axis of the shaft: {shaft.reason}."
        return [_neck_shaft(None, None, None, reason), _version(None, reason, {}), _alpha(None, None, reason, {})]
    neck = neck_axis(femur, center, radius, shaft)
    if neck.reason:
        reason = f"It needs the axis of the neck: {neck.reason}."
        return [_neck_shaft(None, None, None, reason), _version(None, reason, {}), _alpha(None, None, reason, {})]
    front = front_direction(femur, center, radius, shaft, neck)
    return [
        _neck_shaft(head, shaft, neck, ""),
        femoral_version(femur, head, shaft, neck, front, edge),
        alpha_angle(femur, head, neck, front),
    ]


def _axes(head: HeadSphere, shaft: Axis, neck: Axis) -> dict[str, dict[str, object]]:
    assert head.center_mm is not None and head.radius_mm is not None
    radius = head.radius_mm
    foot = shaft.point_mm + ((head.center_mm - shaft.point_mm) @ shaft.direction) * shaft.direction
    return {
        "neck_axis": line(head.center_mm, neck.point_mm - 1.2 * radius * neck.direction),
        "shaft_axis": line(foot, foot - 6.0 * radius * shaft.direction),
        "neck_center": point(neck.point_mm),
        "head": sphere(head.center_mm, radius),
    }


def _neck_shaft(head: HeadSphere | None, shaft: Axis | None, neck: Axis | None, reason: str) -> Measurement:
    value, error, geometry, note = None, None, {}, ""
    if head is not None and shaft is not None and neck is not None:
        value = 180.0 - angle_deg(shaft.direction, neck.direction)
        assert head.center_mm is not None and head.radius_mm is not None
        center_error = 0.0 if head.center_error_mm is None else np.linalg.norm(head.center_error_mm)
        leaning = np.degrees(center_error / np.linalg.norm(neck.point_mm - head.center_mm))
        error = float(np.sqrt(shaft.error_deg**2 + neck.error_deg**2 + leaning**2))
        if head.radius_mm < SMALL_HEAD_MM:
            error, note = float(np.hypot(error, YOUNG_ERROR_DEG)), _YOUNG
        geometry = _axes(head, shaft, neck)
    return Measurement(
        key="femur_neck_shaft_angle",
        name="Neck-shaft angle",
        bone="femur",
        value=value,
        unit="deg",
        definition=_NECK_SHAFT,
        reference=_NECK_SHAFT_REFERENCE,
        geometry=geometry,
        reason=reason,
        error_estimate=error,
        note=note,
    )


def _alpha(
    value: float | None, error: float | None, reason: str, geometry: dict[str, dict[str, object]]
) -> Measurement:
    return Measurement(
        key="femur_alpha_angle",
        name="Alpha angle",
        bone="femur",
        value=value,
        unit="deg",
        definition=_ALPHA,
        reference=_ALPHA_REFERENCE,
        geometry=geometry,
        reason=reason,
        error_estimate=error,
    )


def alpha_angle(femur: Surface, head: HeadSphere, neck: Axis, front: np.ndarray | None) -> Measurement:
    """Alpha angle of the head-neck junction (Noetzli 2002) at the front."""
    if front is None or head.center_mm is None or head.radius_mm is None:
        return _alpha(None, None, "The front of the femur cannot be told from its back with confidence.", {})
    center, radius, out = head.center_mm, head.radius_mm, -neck.direction
    outlines = cross_section(femur, center, unit(np.cross(out, front)))
    if not outlines:
        return _alpha(None, None, "The plane through the neck does not cut the bone.", {})
    offset = 0.5 * (outlines[0].starts_mm + outlines[0].ends_mm) - center
    angle = np.degrees(np.arctan2(offset @ front, offset @ out))
    distance = np.linalg.norm(offset, axis=1)
    bins = np.arange(15.0, 150.0, 1.0)
    outermost = np.array([distance[np.abs(angle - b) < 1.5].max(initial=0.0) for b in bins])
    limit = (1.0 + ALPHA_TOLERANCE) * radius
    on_sphere = np.flatnonzero(outermost <= limit)
    if not len(on_sphere) or on_sphere[0] == 0 or not outermost[: on_sphere[0] + 1].all():
        return _alpha(None, None, "The front of the neck does not leave the head's sphere in this plane.", {})
    rough = bins[on_sphere[0]]
    # The exact crossing on the straight pieces around it.
    near = np.abs(angle - rough) < 6.0
    order = np.argsort(angle[near])
    theta, rho = angle[near][order], distance[near][order]
    over = np.flatnonzero((rho[:-1] > limit) & (rho[1:] <= limit))
    if not len(over):
        return _alpha(None, None, "The front of the neck does not leave the head's sphere in this plane.", {})
    n = int(over[-1])
    value = float(theta[n] + (rho[n] - limit) / (rho[n] - rho[n + 1]) * (theta[n + 1] - theta[n]))
    slope = abs(np.polyfit(theta - value, rho, 1)[0])
    spread = 0.0 if head.radius_error_mm is None else head.radius_error_mm
    spread = float(np.hypot(spread, 0.0 if head.center_error_mm is None else np.linalg.norm(head.center_error_mm)))
    leaving = center + limit * (np.cos(np.radians(value)) * out + np.sin(np.radians(value)) * front)
    geometry = {
        "neck_axis": line(center, neck.point_mm),
        "to_leaving_point": line(center, leaving),
        "leaving_point": point(leaving),
        "head": sphere(center, radius),
    }
    return _alpha(value, float(np.hypot(spread / slope, neck.error_deg)), "", geometry)


def _version(value: float | None, reason: str, geometry: dict[str, dict[str, object]]) -> Measurement:
    return Measurement(
        key="femur_version",
        name="Femoral version",
        bone="femur",
        value=value,
        unit="deg",
        definition=_VERSION,
        reference=_VERSION_REFERENCE,
        geometry=geometry,
        reason=reason,
    )


def femoral_version(
    femur: Surface, head: HeadSphere, shaft: Axis, neck: Axis, front: np.ndarray | None, edge: FieldEdge | None
) -> Measurement:
    """Femoral version, where the condyles are there."""
    assert head.center_mm is not None and head.radius_mm is not None
    radius = head.radius_mm
    along = (head.center_mm - femur.points_mm) @ shaft.direction
    length = float(along.max())
    distal = femur.points_mm[along > length - 1.4 * radius]
    flat = distal - np.outer(distal @ shaft.direction, shaft.direction)
    spread = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][0]
    width = float(np.ptp(flat @ spread))
    cut = edge is not None and edge.is_cut
    if cut or length < SHORTEST_FEMUR * radius or width < CONDYLE_WIDTH * radius:
        return _version(None, "It needs both femoral condyles in the field of view.", {})
    if front is None:
        return _version(None, "The front of the femur cannot be told from its back with confidence.", {})
    neck_flat = unit(neck.direction - (neck.direction @ shaft.direction) * shaft.direction)
    # The neck points medially; the front is on the same side of the condylar line as the front of the neck.
    aside = spread * np.sign(spread @ neck_flat)
    forward = unit(np.cross(shaft.direction, aside))
    forward *= np.sign(forward @ front)
    middle = flat.mean(axis=0)
    contact = np.zeros((2, 3))
    for _ in range(20):
        across = (flat - middle) @ aside
        quarter = 0.1 * radius
        for n, half in enumerate((across > quarter, across < -quarter)):
            contact[n] = distal[half][np.argmin(flat[half] @ forward)]
        step = contact[0] - contact[1]
        better = unit(step - (step @ shaft.direction) * shaft.direction)
        turned = angle_deg(better, aside)
        aside = better
        turn = np.cross(shaft.direction, aside)
        forward = unit(turn * np.sign(turn @ forward))
        if turned < 1e-6:
            break
    value = float(np.degrees(np.arctan2(neck_flat @ forward, neck_flat @ aside)))
    geometry = _axes(head, shaft, neck)
    geometry |= {
        "condylar_line": line(contact[0], contact[1]),
        "medial_condyle": point(contact[0]),
        "lateral_condyle": point(contact[1]),
    }
    return _version(value, "", geometry)
