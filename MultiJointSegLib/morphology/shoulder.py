"""Measures of the shoulder: glenoid, position and retroversion of the humeral head, acromion.

References: the DOI of Moor et al. was found in public sources. The others are given as the literature cites them; they
could not be looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.frames import Found, LandmarkMissing
from MultiJointSegLib.morphology.heads import SMALLEST_COVERAGE, HeadSphere, fit_head
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM
from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point, sphere
from MultiJointSegLib.morphology.shoulder_definitions import TABLE
from MultiJointSegLib.morphology.shoulder_face import unit
from MultiJointSegLib.morphology.shoulder_glenoid import Glenoid, find_glenoid
from MultiJointSegLib.morphology.shoulder_humerus import RETROVERSION, retroversion
from MultiJointSegLib.morphology.shoulder_scapula import ScapularAxes, scapular_axes
from MultiJointSegLib.surface.mesh import Surface, to_polydata

_ABOVE_FACE_MM, _BESIDE, _SHALLOWEST = 5.0, 0.12, 0.5
"""Lines into the glenoid start above its face, are this share of its width apart, and none is half as long as others.
"""


@dataclass(frozen=True, slots=True)
class _Found:
    """A value with its error and its geometry, or the reason why there is none."""

    value: float | None = None
    error: float | None = None
    geometry: dict[str, dict[str, object]] | None = None
    reason: str = ""


def measure_shoulder(
    surfaces: Mapping[str, Surface], edges: Mapping[str, FieldEdge | None] | None = None
) -> list[Measurement]:
    """Measures of the glenohumeral joint and the acromion.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        "humerus" and "scapula", LPS mm; both are needed, the glenoid is found from the humeral head.
    edges : mapping of bone key to FieldEdge, optional
        Where the bones leave the field of view.

    Returns
    -------
    list of Measurement
        Empty when neither bone is there. Independent of side, pose and position.
    """
    humerus, scapula = surfaces.get("humerus"), surfaces.get("scapula")
    if humerus is None and scapula is None:
        return []
    on_edge = {k: None if e is None else e.on_edge for k, e in (edges or {}).items()}
    if humerus is None:
        return [*_all(_Found(reason="It needs the humerus, which is missing.")), RETROVERSION.measured(_no_humerus)]
    head = fit_head(
        humerus, smallest_coverage=SMALLEST_COVERAGE["humerus"], on_edge=on_edge.get("humerus"), partner=scapula
    )
    turned = RETROVERSION.measured(lambda: retroversion(humerus, head, (edges or {}).get("humerus")))
    return [*_of_both(humerus, scapula, head, on_edge), turned]


def _no_humerus() -> Found:
    raise LandmarkMissing("It needs the humerus, which is missing.")


def _of_both(
    humerus: Surface, scapula: Surface | None, head: HeadSphere, on_edge: Mapping[str, np.ndarray | None]
) -> list[Measurement]:
    """The measures that take both bones."""
    if scapula is None:
        return _all(_Found(reason="It needs the scapula, which is missing."))
    if head.center_mm is None or head.radius_mm is None:
        return _all(_Found(reason=f"It needs the humeral head: {head.reason}."))
    try:
        glenoid = find_glenoid(scapula, head.center_mm, head.radius_mm)
    except MultiJointSegError as error:
        return _all(_Found(reason=f"The glenoid was not found: {error}."))
    found = _glenoid_measures(glenoid, head) | {"glenoid_vault_depth": _vault_depth(scapula, glenoid)}
    try:
        axes = scapular_axes(scapula, glenoid, head.radius_mm, on_edge.get("scapula"))
        found |= _axis_measures(glenoid, axes, head)
    except MultiJointSegError as error:
        reason = f"It needs the axis of the scapula: {error}."
        found |= {k: _Found(reason=reason) for k in ("glenoid_version", "glenoid_inclination", "humeral_head_anterior")}
    found |= _acromion_measures(humerus, scapula, glenoid, head, on_edge.get("scapula"))
    return [_measurement(key, found[key]) for key in TABLE]


def _all(found: _Found) -> list[Measurement]:
    return [_measurement(key, found) for key in TABLE]


def _measurement(key: str, found: _Found) -> Measurement:
    name, bone, unit_name, definition, reference = TABLE[key]
    return Measurement(
        key=key,
        name=name,
        bone=bone,
        value=found.value,
        unit=unit_name,
        definition=definition,
        reference=reference,
        geometry=found.geometry or {},
        reason=found.reason,
        error_estimate=found.error,
    )


def _glenoid_measures(glenoid: Glenoid, head: HeadSphere) -> dict[str, _Found]:
    assert head.center_mm is not None and head.radius_mm is not None
    height = line(glenoid.lower_mm, glenoid.upper_mm)
    width = line(glenoid.back_mm, glenoid.front_mm)
    # Both ends are uncertain by how far the rim scatters about its plane.
    scatter = float(np.sqrt(2.0) * glenoid.flatness_mm)
    across = unit(glenoid.front_mm - glenoid.back_mm)
    across = unit(across - (across @ glenoid.up) * glenoid.up)
    middle = 0.5 * (glenoid.front_mm + glenoid.back_mm)
    share = 0.5 - 0.5 * float((head.center_mm - middle) @ across) / head.radius_mm
    middle_error = float(np.hypot(_center_error(head), glenoid.flatness_mm / np.sqrt(2.0)))
    return {
        "glenoid_height": _Found(glenoid.height_mm, scatter, {"height": height}),
        "glenoid_width": _Found(glenoid.width_mm, scatter, {"width": width}),
        "humeral_head_subluxation": _Found(
            float(np.clip(share, 0.0, 1.0)),
            0.5 * middle_error / head.radius_mm,
            {
                "glenoid_line": width,
                "perpendicular": line(middle, middle + 2.5 * head.radius_mm * np.cross(across, glenoid.up)
                                      * np.sign(np.cross(across, glenoid.up) @ glenoid.normal)),
                "head": sphere(head.center_mm, head.radius_mm),
            },
        ),
    }  # fmt: skip


def _vault_depth(scapula: Surface, glenoid: Glenoid) -> _Found:
    """Along the line through the center; lines beside it tell whether it meets a hole."""
    locator = vtkStaticCellLocator()
    locator.SetDataSet(to_polydata(scapula))
    locator.BuildLocator()
    reach = _BESIDE * glenoid.width_mm
    places = [glenoid.center_mm + reach * (a * glenoid.up + b * glenoid.front) for a in (0, -1, 1) for b in (0, -1, 1)]
    found = [_depths(locator, place, glenoid.normal) for place in places]
    depths = np.array([back - face for face, back in filter(None, found)])
    if found[0] is None or len(depths) < len(places):
        return _Found(reason="The line into the glenoid does not leave the bone again.")
    if depths.min() < _SHALLOWEST * np.median(depths):
        return _Found(
            reason=f"The bone behind the glenoid has a hole or is uneven: lines into it {reach:.0f} mm apart are "
            f"{depths.min():.0f} to {depths.max():.0f} mm long."
        )
    face, back = (glenoid.center_mm - depth * glenoid.normal for depth in found[0])
    # Both walls are uncertain, and the one behind is oblique to the line.
    return _Found(float(depths[0]), 2.0 * CONTACT_ERROR_MM, {"depth": line(face, back)})


def _depths(locator: vtkStaticCellLocator, place: np.ndarray, normal: np.ndarray) -> tuple[float, float] | None:
    """How deep under a place on the face, along the normal, a line enters the bone and leaves it again, mm."""
    crossings = vtkPoints()
    ends = [(place + way * normal).tolist() for way in (_ABOVE_FACE_MM, -200.0)]
    locator.IntersectWithLine(ends[0], ends[1], 1e-6, crossings, None)
    depths = sorted(
        float((place - np.asarray(crossings.GetPoint(n))) @ normal) for n in range(crossings.GetNumberOfPoints())
    )
    return (depths[0], depths[1]) if len(depths) >= 2 else None


def _center_error(head: HeadSphere) -> float:
    return 0.0 if head.center_error_mm is None else float(np.linalg.norm(head.center_error_mm))


def _axis_measures(glenoid: Glenoid, axes: ScapularAxes, head: HeadSphere) -> dict[str, _Found]:
    assert head.center_mm is not None and head.radius_mm is not None
    ahead, above = glenoid.front_mm - glenoid.back_mm, glenoid.upper_mm - glenoid.lower_mm
    version = float(np.degrees(np.arctan2(-(ahead @ axes.lateral), ahead @ axes.front)))
    inclination = float(np.degrees(np.arctan2(-(above @ axes.lateral), above @ axes.up)))
    share = 0.5 + 0.5 * float((head.center_mm - glenoid.center_mm) @ axes.front) / head.radius_mm
    length = float(np.linalg.norm(glenoid.center_mm - axes.medial_mm))
    # Rim ends are means of five points; the medial point moves with the border, whose curve is about a third of it.
    rim = glenoid.flatness_mm * np.sqrt(2.0 / 5.0)
    turn = axes.error_mm / 3.0 / length
    scapular_axis = line(axes.medial_mm, glenoid.center_mm)
    shared = {"scapular_axis": scapular_axis, "spine_root": point(axes.medial_mm)}
    return {
        "glenoid_version": _Found(
            version,
            float(np.degrees(np.hypot(rim / np.linalg.norm(ahead), turn))),
            shared
            | {
                "glenoid_line": line(glenoid.back_mm, glenoid.front_mm),
                "axial_plane": plane(glenoid.center_mm, axes.up),
            },
        ),
        "glenoid_inclination": _Found(
            inclination,
            float(np.degrees(np.hypot(rim / np.linalg.norm(above), axes.error_mm / length))),
            shared
            | {
                "glenoid_line": line(glenoid.lower_mm, glenoid.upper_mm),
                "scapular_plane": plane(glenoid.center_mm, axes.front),
            },
        ),
        "humeral_head_anterior": _Found(
            float(np.clip(share, 0.0, 1.0)),
            0.5 * float(np.hypot(_center_error(head), turn * head.radius_mm)) / head.radius_mm,
            shared
            | {
                "scapular_line": line(axes.medial_mm, glenoid.center_mm + 2.2 * head.radius_mm * axes.lateral),
                "head": sphere(head.center_mm, head.radius_mm),
            },
        ),
    }


def _acromion_measures(
    humerus: Surface, scapula: Surface, glenoid: Glenoid, head: HeadSphere, on_edge: np.ndarray | None
) -> dict[str, _Found]:
    assert head.center_mm is not None and head.radius_mm is not None
    center, radius = head.center_mm, head.radius_mm
    keys = ("acromiohumeral_distance", "critical_shoulder_angle")

    def is_acromion(positions: np.ndarray) -> np.ndarray:
        offset = positions - center
        high, ahead, out = offset @ glenoid.up, offset @ glenoid.front, offset @ glenoid.normal
        # The coracoid lies farther in front; the upper rim of the glenoid and the spine's base lie medially.
        return (high > 0.7 * radius) & (ahead < 0.8 * high) & (out > -0.55 * radius)

    acromion = scapula.points_mm[is_acromion(scapula.points_mm)]
    if len(acromion) < 20 or float(((acromion - center) @ glenoid.normal).max()) < -0.3 * radius:
        reason = "It needs the acromion, which is not in view above the humeral head."
        return {key: _Found(reason=reason) for key in keys}
    if on_edge is not None and is_acromion(scapula.points_mm[scapula.triangles[on_edge]].mean(axis=1)).any():
        reason = "It needs the whole acromion, which is cut by the field of view."
        return {key: _Found(reason=reason) for key in keys}
    distances, partners = cKDTree(humerus.points_mm).query(acromion)
    nearest = int(np.argmin(distances))
    lateral = acromion[np.argmax((acromion - center) @ glenoid.normal)]
    along = unit(glenoid.front_mm - glenoid.back_mm)
    arms = [p - glenoid.lower_mm for p in (glenoid.upper_mm, lateral)]
    first, second = (a - (a @ along) * along for a in arms)
    angle = float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))
    rim = glenoid.flatness_mm * np.sqrt(2.0 / 5.0) / np.linalg.norm(first)
    return {
        "acromiohumeral_distance": _Found(
            float(distances[nearest]),
            None,
            {"distance": line(acromion[nearest], humerus.points_mm[partners[nearest]])},
        ),
        "critical_shoulder_angle": _Found(
            angle,
            float(np.degrees(rim)),
            {
                "glenoid_line": line(glenoid.lower_mm, glenoid.upper_mm),
                "to_acromion": line(glenoid.lower_mm, lateral),
                "lateral_acromion": point(lateral),
                "view": plane(glenoid.center_mm, along),
            },
        ),
    }
