"""Morphology of the ankle: tibia, talus and calcaneus.

All landmarks lie on bone surfaces in the pose of the examination, without weight bearing; radiographic values taken in
standing differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from MultiJointSegLib.morphology.ankle_definitions import (
    AXIAL_ANGLE,
    CALCANEAL_LENGTH,
    CALCANEAL_PITCH,
    DOME_RADIUS,
    FRONTAL_ANGLE,
    GAP_MEAN,
    GAP_SPREAD,
    LATERAL_ANGLE,
    SAGITTAL_ANGLE,
    TALUS_SIZES,
)
from MultiJointSegLib.morphology.ankle_frame import (
    BoneAxis,
    Dome,
    bone_axis,
    rough_directions,
    talar_dome,
    tibial_shaft,
)
from MultiJointSegLib.morphology.axes import ShaftAxis
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.frames import Found, LandmarkMissing, angle_deg, once, perpendicular
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM
from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point
from MultiJointSegLib.surface.distance import signed_distance_mm
from MultiJointSegLib.surface.mesh import Surface

_AXIS_ERROR_DEG = 1.0
_LARGEST_RADIUS_ERROR = 0.03
_SAMPLES = 1500
_COVERED = 1.3


def measure_ankle(
    surfaces: Mapping[str, Surface], edges: Mapping[str, FieldEdge | None] | None = None
) -> list[Measurement]:
    """All measures of an ankle; each has a value or a reason.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        Closed, oriented outward, LPS mm: "tibia", "talus", "calcaneus"; any may be missing.
    edges : mapping of bone key to FieldEdge or None, optional
        Where each bone leaves the field of view.

    Returns
    -------
    list of Measurement
    """
    cuts = {bone: edge.on_edge for bone, edge in (edges or {}).items() if edge is not None}

    def need(*bones: str) -> None:
        missing = [b for b in bones if b not in surfaces]
        if missing:
            raise LandmarkMissing(f"The {' and the '.join(missing)} must be segmented for this, but is missing.")

    def find_dome() -> Dome:
        need("tibia", "talus", "calcaneus")
        return talar_dome(surfaces)

    def find_shaft() -> ShaftAxis:
        need("tibia", "talus")
        return tibial_shaft(surfaces["tibia"], surfaces["talus"], cuts.get("tibia"))

    def whole(bone: str) -> BoneAxis:
        need(bone)
        edge = (edges or {}).get(bone)
        # Flat parts inside the field of view are not cuts here: talus and calcaneus have such faces.
        if edge is not None and edge.cut_area_mm2 > 0:
            raise LandmarkMissing(f"The {bone} is cut off: its long axis cannot be known.")
        need("tibia", "talus", "calcaneus")
        return bone_axis(surfaces[bone], directions()[1])

    dome, shaft = once(find_dome), once(find_shaft)
    directions = once(lambda: rough_directions(surfaces))
    talus, calcaneus = once(lambda: whole("talus")), once(lambda: whole("calcaneus"))

    def talus_size(n: int) -> Found:
        need("talus")
        return _talus_size(surfaces["talus"], dome(), talus(), n)

    gaps = once(lambda: _gaps(surfaces, dome()))

    def no_floor() -> Found:
        raise LandmarkMissing("The floor and the metatarsal heads, which define it, are not in the examination.")

    return [
        FRONTAL_ANGLE.measured(lambda: _frontal(dome(), shaft())),
        SAGITTAL_ANGLE.measured(lambda: _sagittal(dome(), shaft(), talus())),
        *(d.measured(partial(talus_size, n)) for n, d in enumerate(TALUS_SIZES)),
        DOME_RADIUS.measured(lambda: _dome_radius(dome())),
        LATERAL_ANGLE.measured(lambda: _lateral(dome(), talus(), calcaneus())),
        AXIAL_ANGLE.measured(lambda: _axial(dome(), talus(), calcaneus())),
        CALCANEAL_LENGTH.measured(lambda: _length(calcaneus())),
        CALCANEAL_PITCH.measured(no_floor),
        GAP_MEAN.measured(lambda: _gap_found(gaps(), 0)),
        GAP_SPREAD.measured(lambda: _gap_found(gaps(), 1)),
    ]  # fmt: skip


def _dome_line(dome: Dome) -> dict[str, object]:
    c = dome.cylinder
    return line(c.point_mm - 0.5 * dome.scale_mm * c.axis, c.point_mm + 0.5 * dome.scale_mm * c.axis)


def _shaft_line(shaft: ShaftAxis) -> dict[str, object]:
    return line(shaft.at(-0.5 * shaft.length_mm), shaft.at(0.5 * shaft.length_mm))


def _bone_line(axis: BoneAxis) -> dict[str, object]:
    return line(axis.posterior_mm, axis.anterior_mm)


def _dome_radius(dome: Dome) -> Found:
    arc = dome.arc
    if arc is None:
        raise LandmarkMissing(f"The radius of the talar dome cannot be measured. {dome.arc_reason}")
    accepted = _LARGEST_RADIUS_ERROR * arc.radius_mm
    if arc.error_mm > accepted:
        raise LandmarkMissing(
            f"The radius of the talar dome is not clear: it is known to {arc.error_mm:.1f} mm from the "
            f"{arc.to_deg - arc.from_deg:.0f} degrees of the dome that are round, accepted are {accepted:.1f} mm."
        )
    shown = {
        "dome_axis": _dome_line(dome),
        "radius": line(*dome.arc_ends_mm),
        "view": plane(dome.cylinder.point_mm, dome.cylinder.axis),
    }
    return Found(arc.radius_mm, shown, arc.error_mm)


def _dome_error_deg(dome: Dome) -> float:
    return dome.axis_error_deg


def _frontal(dome: Dome, shaft: ShaftAxis) -> Found:
    return Found(
        angle_deg(shaft.direction, dome.cylinder.axis),
        {
            "tibia": _shaft_line(shaft),
            "dome_axis": _dome_line(dome),
            "view": plane(dome.cylinder.point_mm, np.cross(shaft.direction, dome.cylinder.axis)),
        },
        float(np.hypot(shaft.error_deg, _dome_error_deg(dome))),
    )


def _sagittal(dome: Dome, shaft: ShaftAxis, talus: BoneAxis) -> Found:
    axis = dome.cylinder.axis
    return Found(
        angle_deg(perpendicular(shaft.direction, axis), perpendicular(talus.direction, axis)),
        {"tibia": _shaft_line(shaft), "talus": _bone_line(talus), "view": plane(talus.center_mm, axis)},
        float(np.hypot(shaft.error_deg, _AXIS_ERROR_DEG)),
    )


def _frame(dome: Dome, talus: BoneAxis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anterior, lateral, superior of the talus."""
    lateral = dome.cylinder.axis
    anterior = perpendicular(talus.direction, lateral)
    up = np.cross(anterior, lateral)
    return anterior, lateral, up * np.sign(up @ dome.superior)


def _talus_size(surface: Surface, dome: Dome, talus: BoneAxis, n: int) -> Found:
    direction = _frame(dome, talus)[n]
    along = (surface.points_mm - talus.center_mm) @ direction
    low, high = float(along.min()), float(along.max())
    view = plane(talus.center_mm, _frame(dome, talus)[(1, 0, 1)[n]])
    ends = talus.center_mm + low * direction, talus.center_mm + high * direction
    return Found(high - low, {"extent": line(*ends), "view": view}, float(np.sqrt(2.0) * CONTACT_ERROR_MM))


def _length(axis: BoneAxis) -> Found:
    return Found(
        float(np.linalg.norm(axis.anterior_mm - axis.posterior_mm)),
        {"length": _bone_line(axis)},
        float(np.sqrt(2.0) * CONTACT_ERROR_MM),
    )


def _both(talus: BoneAxis, calcaneus: BoneAxis, across: np.ndarray) -> dict[str, dict[str, object]]:
    view = plane(talus.center_mm, across)
    return {"talus": _bone_line(talus), "calcaneus": _bone_line(calcaneus), "view": view}


def _lateral(dome: Dome, talus: BoneAxis, calcaneus: BoneAxis) -> Found:
    anterior, lateral, up = _frame(dome, talus)
    value = float(np.degrees(np.arctan2(calcaneus.direction @ up, calcaneus.direction @ anterior)))
    return Found(value, _both(talus, calcaneus, lateral), float(np.sqrt(2.0) * _AXIS_ERROR_DEG))


def _axial(dome: Dome, talus: BoneAxis, calcaneus: BoneAxis) -> Found:
    anterior, lateral, up = _frame(dome, talus)

    def heading(axis: BoneAxis) -> float:
        return float(np.degrees(np.arctan2(axis.direction @ lateral, axis.direction @ anterior)))

    return Found(
        heading(calcaneus) - heading(talus), _both(talus, calcaneus, up), float(np.sqrt(2.0) * _AXIS_ERROR_DEG)
    )


def _gaps(surfaces: Mapping[str, Surface], dome: Dome) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the dome (n, 3), their distances to the tibia (n,) and areas (n,)."""
    talus = surfaces["talus"]
    chosen = dome.triangles[:: max(1, len(dome.triangles) // _SAMPLES)]
    centers = talus.points_mm[talus.triangles[chosen]].mean(axis=1)
    areas = np.linalg.norm(talus.area_vectors_mm2()[chosen], axis=1)
    distances = signed_distance_mm(centers, surfaces["tibia"])
    # Farther away the dome is not covered by the tibia in this pose.
    covered = distances < _COVERED * np.median(distances)
    return centers[covered], distances[covered], areas[covered]


def _gap_found(gaps: tuple[np.ndarray, np.ndarray, np.ndarray], which: int) -> Found:
    points, distances, areas = gaps
    mean = float(areas @ distances / areas.sum())
    spread = float(np.sqrt(areas @ (distances - mean) ** 2 / areas.sum()))
    shown = {"narrowest": point(points[int(np.argmin(distances))]), "widest": point(points[int(np.argmax(distances))])}
    note = "The bones overlap at some points." if float(distances.min()) < 0 else ""
    return Found((mean, spread)[which], shown, float(np.sqrt(2.0) * CONTACT_ERROR_MM) if which == 0 else None, note)
