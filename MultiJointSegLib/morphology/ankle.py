"""Morphology of the ankle: tibia, talus and calcaneus.

All landmarks lie on bone surfaces in the pose of the examination, without weight bearing; radiographic values taken in
standing differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from MultiJointSegLib.morphology.ankle_frame import BoneAxis, Dome, bone_axis, talar_dome, tibial_shaft
from MultiJointSegLib.morphology.axes import ShaftAxis
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.frames import Definition, Found, LandmarkMissing, angle_deg, once, perpendicular
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM
from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point
from MultiJointSegLib.surface.distance import signed_distance_mm
from MultiJointSegLib.surface.mesh import Surface

_SHAFT = (
    "Tibial axis: line through the centroids of the cross-sections from 1.3 to at most 3 times the bone's size from "
    "the "
    "tip of the medial malleolus (size: root of its largest cross-section there)."
)
_DOME = (
    "Dome axis: axis of the circular cylinder nearest to the surface of the talus that faces the tibia (robust fit)."
)
_LONG = "Long axis of a bone: first principal axis of inertia of the solid inside its surface."
_SIDES = "Medial is where the medial malleolus lies, anterior where the talus lies in front of the calcaneus."
_SAGITTAL = "Sagittal plane: perpendicular to the dome axis."
_AXIS_ERROR_DEG = 1.0
_LARGEST_RADIUS_ERROR = 0.05
_SAMPLES = 1500
_COVERED = 1.3

FRONTAL_ANGLE = Definition(
    "ankle_frontal_tibiotalar_angle",
    "Frontal tibiotalar angle",
    "",
    "deg",
    f"Angle on the lateral side between tibial axis and dome axis; 90 degrees when perpendicular. "
    f"{_SHAFT} {_DOME} {_SIDES}",
)
SAGITTAL_ANGLE = Definition(
    "ankle_sagittal_tibiotalar_angle",
    "Sagittal tibiotalar angle",
    "",
    "deg",
    "Angle in front between the tibial axis (upward) and the long axis of the talus (forward) in the sagittal plane; "
    f"grows with plantar flexion. {_SHAFT} {_LONG} {_SAGITTAL}",
)
TALUS_SIZES = tuple(
    Definition(f"talus_{key}", name, "talus", "mm", f"Extent of the talus along {axis}. {_DOME} {_LONG}")
    for key, name, axis in (
        ("length", "Length", "its long axis, made perpendicular to the dome axis"),
        ("width", "Width", "the dome axis (lateral process included)"),
        ("height", "Height", "the direction perpendicular to both dome axis and long axis"),
    )
)
DOME_RADIUS = Definition(
    "talus_dome_radius",
    "Dome radius",
    "talus",
    "mm",
    "Radius of the circle nearest to the top of the talar dome (35 degrees to the front and to the back), seen along "
    f"the dome axis. {_DOME}",
)
LATERAL_ANGLE = Definition(
    "ankle_lateral_talocalcaneal_angle",
    "Lateral talocalcaneal angle",
    "",
    "deg",
    "Angle between the long axes of talus and calcaneus in the sagittal plane, positive when they diverge backward "
    "(talus "
    f"more declined than the calcaneus). {_LONG} {_SAGITTAL} Radiographic angles use lines along the outlines.",
)
AXIAL_ANGLE = Definition(
    "ankle_axial_talocalcaneal_angle",
    "Axial talocalcaneal angle",
    "",
    "deg",
    "Angle between the long axes of talus and calcaneus in the plane of dome axis and talar long axis, positive when "
    "the "
    f"calcaneus points more lateral. {_LONG} {_DOME} {_SIDES} Radiographic angles use lines along the outlines.",
)
CALCANEAL_LENGTH = Definition(
    "calcaneus_length",
    "Length",
    "calcaneus",
    "mm",
    f"Extent of the calcaneus along its long axis; an apophysis that is not ossified is not included. {_LONG}",
)
CALCANEAL_PITCH = Definition(
    "calcaneus_pitch",
    "Calcaneal pitch",
    "calcaneus",
    "deg",
    "Angle between the lower border of the calcaneus and the floor in standing.",
)
GAP_MEAN = Definition(
    "ankle_tibiotalar_distance_mean",
    "Tibiotalar distance, mean",
    "",
    "mm",
    "Mean, by area, of the distance from the talar dome to the nearest point of the tibia (bone to bone, both "
    "cartilages included), over the part of the dome that the tibia covers: where it is less than 1.3 times its "
    "median.",
)
GAP_SPREAD = Definition(
    "ankle_tibiotalar_distance_sd",
    "Tibiotalar distance, standard deviation",
    "",
    "mm",
    "Standard deviation, by area, of the distance from the covered part of the talar dome to the tibia; 0 for "
    "perfectly congruent surfaces.",
)


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
        return bone_axis(surfaces[bone], dome().anterior)

    dome, shaft = once(find_dome), once(find_shaft)
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
    c = dome.cylinder
    if dome.radius_error_mm > _LARGEST_RADIUS_ERROR * dome.radius_mm:
        raise LandmarkMissing(
            f"The radius of the talar dome is not clear: its top and the whole of it differ by "
            f"{dome.radius_error_mm:.1f} mm, accepted are {_LARGEST_RADIUS_ERROR * dome.radius_mm:.1f} mm."
        )
    up = perpendicular(dome.superior, c.axis)
    top = c.point_mm + c.radius_mm * up
    shown = {
        "dome_axis": _dome_line(dome),
        "radius": line(top - dome.radius_mm * up, top),
        "view": plane(c.point_mm, c.axis),
    }
    return Found(dome.radius_mm, shown, dome.radius_error_mm)


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
