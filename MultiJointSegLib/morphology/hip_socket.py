"""Measures of the hip's socket: lateral center-edge angle, acetabular inclination and version.

All three are angles to the axes of the pelvis. Its transverse axis is the line through both femoral heads; its long
axis is the patient's (LPS z), made perpendicular to it, as on a radiograph of the supine patient: the pelvis' own tilt
is not taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.fits import fit_plane
from MultiJointSegLib.morphology.hip_sections import unit
from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point, sphere
from MultiJointSegLib.surface.mesh import Surface

FARTHEST = 1.45
"""The socket's surface lies within this many head radii of the head's center."""
_AZIMUTHS = 72
_LEAST_RIM = 40
_GAP_DEG = 16.0
_SLAB_MM = 3.0
NEEDS_BOTH = "It needs both femoral heads: the line through them is the transverse axis of the pelvis."
NOTE = "Relative to the patient's long axis; the tilt of the pelvis is not taken out."

_EDGE = (
    "In the plane through the center of the head that holds the transverse and the long axis of the pelvis: angle "
    "between the long axis and the line from the center to the lateral edge of the socket; positive when the edge lies "
    "lateral to the center."
)
_INCLINATION = (
    "Angle between the long axis of the pelvis and the axis of the socket (normal of the plane nearest to its rim), "
    "projected onto the coronal plane (radiographic definition)."
)
_VERSION = (
    "Angle between the axis of the socket (normal of the plane nearest to its rim) and the coronal plane; positive "
    "when the socket opens forward (radiographic definition)."
)
_MURRAY = "doi:10.1302/0301-620X.75B2.8444942"
_WIBERG = "Wiberg 1939, Acta Chir Scand 83 suppl 58; Murphy et al. 1990, doi:10.1097/00003086-199012000-00034"
SOCKET_KEYS = ("hip_bone_lateral_center_edge_angle", "hip_bone_acetabular_inclination", "hip_bone_acetabular_version")


@dataclass(frozen=True, slots=True, eq=False)
class PelvisAxes:
    """Unit vectors (LPS) from one hip's point of view: out of the body's middle, up, and forward."""

    lateral: np.ndarray
    superior: np.ndarray
    anterior: np.ndarray


def pelvis_axes(center_mm: np.ndarray, other_center_mm: np.ndarray) -> PelvisAxes:
    """Axes of the pelvis for the hip at `center_mm`."""
    lateral = unit(np.asarray(center_mm, float) - other_center_mm)
    up = np.array([0.0, 0.0, 1.0])
    superior = unit(up - (up @ lateral) * lateral)
    anterior = np.cross(lateral, superior)
    return PelvisAxes(lateral, superior, anterior * (-1.0 if anterior[1] > 0 else 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Socket:
    """Rim of a socket, or why there is none.

    Parameters
    ----------
    axis : float ndarray of shape (3,)
        Unit normal of the rim's plane, out of the socket.
    point_mm : float ndarray of shape (3,)
        Point of that plane.
    rim_mm : float ndarray of shape (n, 3)
        Points of the rim.
    error_deg : float
        Standard error of the axis, from the scatter of the rim about its plane.
    reason : str
        Why there is none, else "".
    """

    axis: np.ndarray
    point_mm: np.ndarray
    rim_mm: np.ndarray
    error_deg: float
    reason: str = ""


def find_socket(hip_bone: Surface, center_mm: np.ndarray, radius_mm: float) -> Socket:
    """Rim of the socket around a head.

    From the head's center the socket's surface is seen from its front. In each of 72 directions around the socket's
    axis the last point of that surface, counted from the middle of the socket, belongs to the rim.
    """
    nothing = np.full(3, np.nan)
    _, facing, distance, direction = _seen(hip_bone, center_mm, radius_mm)
    if facing.sum() < 50:
        return Socket(nothing, nothing, np.zeros((0, 3)), np.nan, "no surface of a socket faces the femoral head")
    weight = np.linalg.norm(hip_bone.area_vectors_mm2()[facing], axis=1)
    axis = -unit(weight @ direction[facing])
    rim = np.zeros((0, 3))
    residual = np.nan
    for _ in range(3):
        rim = _rim(direction[facing], distance[facing], center_mm, axis)
        if len(rim) < _LEAST_RIM:
            reason = "less than half of the socket's rim can be seen"
            return Socket(nothing, nothing, rim, np.nan, reason)
        try:
            fit = fit_plane(rim)
        except MultiJointSegError:
            return Socket(nothing, nothing, rim, np.nan, "the socket's rim lies in no plane")
        axis = fit.normal * np.sign(fit.normal @ axis)
        residual = fit.quality.residual_mm
    # The slope of a plane through n points scattered by s on a circle of radius r has the error s / (r sqrt(n / 2)).
    error = np.degrees(residual / (radius_mm * np.sqrt(len(rim) / 2.0)))
    return Socket(unit(axis), fit.point_mm, rim, float(error))


def _seen(
    hip_bone: Surface, center_mm: np.ndarray, radius_mm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centers (m, 3) of the triangles, which of them face the head, and their distances and directions from it."""
    middle = hip_bone.points_mm[hip_bone.triangles].mean(axis=1)
    offset = middle - center_mm
    distance = np.linalg.norm(offset, axis=1)
    direction = offset / np.maximum(distance, 1e-9)[:, None]
    normal = hip_bone.area_vectors_mm2()
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)[:, None]
    near = (distance > 0.9 * radius_mm) & (distance < FARTHEST * radius_mm)
    facing = near & (np.einsum("ij,ij->i", normal, direction) < -0.35)
    return middle, facing, distance, direction


def _rim(direction: np.ndarray, distance: np.ndarray, center: np.ndarray, axis: np.ndarray) -> np.ndarray:
    polar = np.degrees(np.arccos(np.clip(-direction @ axis, -1, 1)))
    first = unit(np.cross(axis, [0.0, 1.0, 0.0] if abs(axis[1]) < 0.9 else [1.0, 0.0, 0.0]))
    second = np.cross(axis, first)
    azimuth = np.arctan2(direction @ second, direction @ first)
    number = np.floor((azimuth + np.pi) / (2 * np.pi) * _AZIMUTHS).astype(int) % _AZIMUTHS
    points = []
    for n in range(_AZIMUTHS):
        here = np.flatnonzero(number == n)
        here = here[np.argsort(polar[here])]
        if len(here) < 3:
            continue
        steps = np.diff(polar[here])
        # The fossa in the middle leaves no gap that wide outside of the first 50 degrees.
        broken = np.flatnonzero((steps > _GAP_DEG) & (polar[here][1:] > 50.0))
        last = int(broken[0]) if len(broken) else len(here) - 1
        edge = polar[here[last]]
        if not 50.0 < edge < 125.0:
            continue
        outermost = here[: last + 1][polar[here[: last + 1]] > edge - 2.5]
        points.append(center + direction[here[last]] * distance[outermost].mean())
    return np.asarray(points).reshape(-1, 3)


def measure_socket(
    hip_bone: Surface, center_mm: np.ndarray, radius_mm: float, axes: PelvisAxes | None
) -> list[Measurement]:
    """Lateral center-edge angle, acetabular inclination and version; with reasons where there is none.

    Parameters
    ----------
    hip_bone : Surface
        LPS mm.
    center_mm, radius_mm
        Sphere of the femoral head.
    axes : PelvisAxes or None
        None where only one hip is there.
    """
    if axes is None:
        return no_socket(NEEDS_BOTH)
    socket = find_socket(hip_bone, center_mm, radius_mm)
    edge = _lateral_edge(hip_bone, center_mm, radius_mm, axes)
    head = sphere(center_mm, radius_mm)
    up = line(center_mm, center_mm + 2 * radius_mm * axes.superior)
    if edge is None:
        first = _one(0, None, "The roof of the socket lateral to the head cannot be seen.", {}, None)
    else:
        angle, at = edge
        geometry = {"head": head, "long_axis": up, "to_edge": line(center_mm, at), "lateral_edge": point(at)}
        first = _one(0, angle, "", geometry, None)
    if socket.reason:
        reason = f"It needs the rim of the socket: {socket.reason}."
        return [first, _one(1, None, reason, {}, None), _one(2, None, reason, {}, None)]
    down, out, front = (float(socket.axis @ v) for v in (-axes.superior, axes.lateral, axes.anterior))
    geometry = {
        "head": head,
        "rim_plane": plane(socket.point_mm, socket.axis),
        "socket_axis": line(center_mm, center_mm + 1.5 * radius_mm * socket.axis),
        "long_axis": up,
    }
    inclination = float(np.degrees(np.arctan2(out, down)))
    version = float(np.degrees(np.arcsin(np.clip(front, -1, 1))))
    return [
        first,
        _one(1, inclination, "", geometry, socket.error_deg),
        _one(2, version, "", geometry, socket.error_deg),
    ]


def no_socket(reason: str) -> list[Measurement]:
    """All three measurements without a value."""
    return [_one(n, None, reason, {}, None) for n in range(3)]


def _one(
    number: int, value: float | None, reason: str, geometry: dict[str, dict[str, object]], error: float | None
) -> Measurement:
    names = ("Lateral center-edge angle", "Acetabular inclination", "Acetabular version")
    return Measurement(
        key=SOCKET_KEYS[number],
        name=names[number],
        bone="hip_bone",
        value=value,
        unit="deg",
        definition=(_EDGE, _INCLINATION, _VERSION)[number],
        reference=(_WIBERG, _MURRAY, _MURRAY)[number],
        geometry=geometry,
        reason=reason,
        error_estimate=error,
        note="" if value is None else NOTE,
    )


def _lateral_edge(
    hip_bone: Surface, center_mm: np.ndarray, radius_mm: float, axes: PelvisAxes
) -> tuple[float, np.ndarray] | None:
    """Center-edge angle in degrees and the edge itself, from the roof within 3 mm of the coronal plane."""
    middle, facing, distance, _ = _seen(hip_bone, center_mm, radius_mm)
    offset = middle - center_mm
    roof = facing & (np.abs(offset @ axes.anterior) < _SLAB_MM)
    angle = np.degrees(np.arctan2(offset @ axes.lateral, offset @ axes.superior))
    roof &= np.abs(angle) < 85.0
    order = np.flatnonzero(roof)[np.argsort(angle[roof])]
    if len(order) < 8:
        return None
    broken = np.flatnonzero((np.diff(angle[order]) > _GAP_DEG) & (angle[order][1:] > 0))
    last = int(broken[0]) if len(broken) else len(order) - 1
    edge = float(angle[order[last]])
    near = order[: last + 1][angle[order[: last + 1]] > edge - 4.0]
    toward = np.cos(np.radians(edge)) * axes.superior + np.sin(np.radians(edge)) * axes.lateral
    return edge, center_mm + toward * float(distance[near].mean())
