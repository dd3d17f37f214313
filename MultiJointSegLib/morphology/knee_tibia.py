"""Measures of the proximal tibia, and of the tibia against the femur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from MultiJointSegLib.morphology.axes import cross_section
from MultiJointSegLib.morphology.frames import Found, LandmarkMissing, angle_deg, perpendicular
from MultiJointSegLib.morphology.knee_femur import line_error_deg, shaft_line
from MultiJointSegLib.morphology.knee_frame import FemurFrame, TibiaFrame
from MultiJointSegLib.morphology.knee_trochlea import Trochlea
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM, apex_point, extreme_point
from MultiJointSegLib.morphology.measurement import line, plane, point
from MultiJointSegLib.surface.mesh import Surface

_PLATEAU_OFFSET = 0.25
_SECTIONS = (-0.03, -0.015, 0.0, 0.015, 0.03)
_CONCAVE_SHARE = 0.45
_TUBEROSITY = (0.3, 1.1)
_TUBEROSITY_MARGIN, _TUBEROSITY_RADIUS = 0.08, 0.12


def tibial_shaft_line(frame: TibiaFrame) -> dict[str, object]:
    """The tibial shaft axis from the plateau to the end of the part used."""
    shaft = frame.shaft
    up = float((frame.center_mm - shaft.point_mm) @ shaft.direction)
    return line(shaft.at(up), shaft.at(0.5 * shaft.length_mm))


@dataclass(frozen=True, slots=True, eq=False)
class PlateauSide:
    """Chord of one compartment in sagittal sections: anterior and posterior ends (n, 3), slope in degrees (n,)."""

    anterior_mm: np.ndarray
    posterior_mm: np.ndarray
    slopes_deg: np.ndarray

    @property
    def middle_mm(self) -> np.ndarray:
        """Middle of the chords (3,)."""
        return np.asarray(0.5 * (self.anterior_mm + self.posterior_mm).mean(axis=0))


def plateau_side(tibia: Surface, frame: TibiaFrame, sign: float) -> PlateauSide:
    """Chord of the compartment on the negative (-1, medial) or positive (+1, lateral) side.

    In sagittal sections a quarter of the plateau's width from its middle, the line that touches the anterior and the
    posterior rim; where the compartment is convex and has no such line, the chord between the surface points at 20 %
    and 80 % of its depth.
    """
    across, superior, back = frame.mediolateral, frame.superior, frame.posterior
    top = cross_section(tibia, superior * float(frame.center_mm @ superior), superior)
    wide = top.segments_mm[top.part == top.largest()[0]].reshape(-1, 3) @ across
    width, middle = float(wide.max() - wide.min()), 0.5 * float(wide.max() + wide.min())
    rows, slopes = [], []
    for shift in _SECTIONS:
        at = middle + sign * (_PLATEAU_OFFSET + shift) * width
        section = cross_section(tibia, across * at, across)
        points = section.segments_mm[section.part == section.largest()[0], 0]
        flat = np.column_stack([points @ back, points @ superior])
        first, second = _rims(flat, float(frame.center_mm @ superior))
        slopes.append(float(np.degrees(np.arctan2(first[1] - second[1], second[0] - first[0]))))
        rows.append([at * across + p[0] * back + p[1] * superior for p in (first, second)])
    ends = np.asarray(rows)
    return PlateauSide(ends[:, 0], ends[:, 1], np.asarray(slopes))


def _rims(flat: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Anterior and posterior end (2,) of the chord of a sagittal outline (posterior, superior)."""
    flat = flat[flat[:, 1] > floor]
    if len(flat) < 10:
        raise LandmarkMissing("The tibial plateau is not found.")
    depth = float(np.ptp(flat[:, 0]))
    try:
        hull = ConvexHull(flat)
    except QhullError as error:
        raise LandmarkMissing("The tibial plateau is not found.") from error
    longest: tuple[float, np.ndarray, np.ndarray] = (0.0, flat[0], flat[0])
    for (i, j), (_, up, _) in zip(hull.simplices, hull.equations, strict=True):
        length = float(np.linalg.norm(flat[j] - flat[i]))
        if up > np.cos(np.radians(30.0)) and length > longest[0]:
            longest = (length, flat[i], flat[j])
    if longest[0] >= _CONCAVE_SHARE * depth:
        first, second = sorted(longest[1:], key=lambda p: float(p[0]))
        return first, second
    ends = []
    low = float(flat[:, 0].min())
    for share in (0.2, 0.8):
        near = np.abs(flat[:, 0] - low - share * depth) < 0.04 * depth
        if not near.any():
            raise LandmarkMissing("The tibial plateau is not found.")
        ends.append(np.array([low + share * depth, float(flat[near, 1].max())]))
    return ends[0], ends[1]


def posterior_slope(tibia: Surface, frame: TibiaFrame, sign: float) -> Found:
    """Posterior slope of one compartment against the perpendicular of the shaft axis."""
    frame.need_side()
    shaft = frame.shaft
    side = plateau_side(tibia, frame, sign)
    n = len(side.slopes_deg) // 2
    length = float(np.linalg.norm(side.posterior_mm[n] - side.anterior_mm[n]))
    error = float(np.sqrt(shaft.error_deg**2 + side.slopes_deg.std() ** 2 + line_error_deg(length) ** 2))
    return Found(
        float(side.slopes_deg.mean()),
        {
            "shaft": tibial_shaft_line(frame),
            "plateau": line(side.anterior_mm[n], side.posterior_mm[n]),
            "section": plane(side.anterior_mm[n], frame.mediolateral),
        },
        error,
    )


def proximal_tibial_angle(tibia: Surface, frame: TibiaFrame) -> Found:
    """Angle on the medial side between shaft axis and plateau line, in the coronal plane of the tibia."""
    frame.need_side()
    shaft = frame.shaft
    medial = plateau_side(tibia, frame, -1.0).middle_mm
    lateral = plateau_side(tibia, frame, 1.0).middle_mm
    across = medial - lateral
    flat = across - (across @ frame.posterior) * frame.posterior
    error = float(np.hypot(shaft.error_deg, line_error_deg(float(np.linalg.norm(flat)))))
    return Found(
        angle_deg(flat, -frame.superior),
        {"shaft": tibial_shaft_line(frame), "plateau": line(medial, lateral), "view": plane(medial, frame.posterior)},
        error,
    )


def plateau_width(tibia: Surface, frame: TibiaFrame) -> Found:
    """Greatest width of the proximal tibia along its mediolateral axis."""
    height = tibia.points_mm @ frame.superior
    points = tibia.points_mm[height > height.max() - 0.6 * frame.scale_mm]
    ends = extreme_point(points, -frame.mediolateral), extreme_point(points, frame.mediolateral)
    return Found(
        float((ends[1] - ends[0]) @ frame.mediolateral),
        {"width": line(*ends), "view": plane(ends[0], frame.posterior)},
        float(np.sqrt(2.0) * CONTACT_ERROR_MM),
    )


def tibiofemoral_angle(femur: FemurFrame, tibia: TibiaFrame) -> Found:
    """Valgus of the tibial against the femoral shaft axis in the coronal plane of the femur."""
    femur.need_side()
    shafts = {"femoral_shaft": shaft_line(femur), "tibial_shaft": tibial_shaft_line(tibia)}

    def lean_deg(direction: np.ndarray) -> float:
        """Of a direction toward the hip, to medial."""
        return float(np.degrees(np.arctan2(-direction @ femur.mediolateral, direction @ femur.superior)))

    # Seen from the front, the tibia's distal part deviates to the lateral side in valgus.
    value = lean_deg(-tibia.shaft.direction) - lean_deg(femur.shaft.direction)
    note = ""
    if flexion_deg(femur, tibia) > 30.0:
        note = f"The knee is flexed by {flexion_deg(femur, tibia):.0f} degrees: the angle depends on rotation too."
    return Found(
        value,
        {**shafts, "view": plane(tibia.center_mm, femur.posterior)},
        float(np.hypot(femur.shaft.error_deg, tibia.shaft.error_deg)),
        note,
    )


def flexion_deg(femur: FemurFrame, tibia: TibiaFrame) -> float:
    """Angle between both bones in the sagittal plane of the femur; flexion is positive."""
    return float(np.degrees(np.arctan2(-tibia.superior @ femur.posterior, tibia.superior @ femur.superior)))


def flexion(femur: FemurFrame, tibia: TibiaFrame) -> Found:
    """Flexion of the knee."""
    shafts = {"femoral_shaft": shaft_line(femur), "tibial_shaft": tibial_shaft_line(tibia)}
    return Found(
        flexion_deg(femur, tibia),
        {**shafts, "view": plane(tibia.center_mm, femur.mediolateral)},
        float(np.hypot(femur.shaft.error_deg, tibia.shaft.error_deg)),
    )


def tuberosity_point(tibia: Surface, frame: TibiaFrame, femur: FemurFrame) -> np.ndarray:
    """Most anterior point of the proximal tibia below the plateau: apex of the paraboloid nearest to the surface there.

    Anterior is that of the femur, made perpendicular to the tibia's long direction.

    Raises
    ------
    LandmarkMissing
        If the most anterior part lies where the search, or the bone in view, ends.
    """
    back = perpendicular(femur.posterior, frame.superior)
    depth = float((tibia.points_mm @ frame.superior).max()) - tibia.points_mm @ frame.superior
    start, end = (share * frame.scale_mm for share in _TUBEROSITY)
    if frame.on_edge is not None and frame.on_edge.any():
        cut = depth[tibia.triangles[frame.on_edge]]
        end = min(end, float(cut[cut > start].min(initial=np.inf)))
    found = extreme_point(tibia.points_mm[(depth > start) & (depth < end)], -back, within_mm=0.5)
    at = float((tibia.points_mm @ frame.superior).max() - found @ frame.superior)
    if at > end - _TUBEROSITY_MARGIN * frame.scale_mm:
        raise LandmarkMissing(
            "The tibial tuberosity is not found: the most anterior bone below the plateau lies where the bone in "
            f"view, or the search, ends ({at:.0f} mm below the plateau)."
        )
    return apex_point(tibia, found, -back, _TUBEROSITY_RADIUS * frame.scale_mm)


def tuberosity_groove_distance(tibia: Surface, tibia_axes: TibiaFrame, femur: FemurFrame, t: Trochlea) -> Found:
    """How far lateral of the groove the tuberosity lies, along the posterior condylar line."""
    femur.need_side()
    tuberosity = tuberosity_point(tibia, tibia_axes, femur)
    groove = t.groove_mm[len(t.groove_mm) // 2]
    grooves = t.groove_mm @ femur.mediolateral
    value = float(tuberosity @ femur.mediolateral - grooves.mean())
    bent = flexion_deg(femur, tibia_axes)
    note = f"Knee flexed by {bent:.0f} degrees; the distance is smaller in flexion than in extension."
    known = femur.bone_axis.shaft is not None and tibia_axes.bone_axis.shaft is not None
    return Found(
        value,
        {
            "tuberosity": point(tuberosity),
            "groove": point(groove),
            "distance": line(tuberosity - value * femur.mediolateral, tuberosity),
            "view": plane(groove, femur.superior),
        },
        float(np.hypot(t.groove_error_mm, 2.0 * CONTACT_ERROR_MM)),
        note if known and bent > 10.0 else "",
    )
