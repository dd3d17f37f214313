"""Measures of the distal femur."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.morphology.axes import cross_section
from MultiJointSegLib.morphology.fits import SphereFit
from MultiJointSegLib.morphology.frames import Found, LandmarkMissing, angle_deg, perpendicular, unit
from MultiJointSegLib.morphology.knee_frame import FemurFrame
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM, extreme_point
from MultiJointSegLib.morphology.measurement import line, plane, sphere
from MultiJointSegLib.surface.mesh import Surface

_NOTCH_DEPTHS = (0.4, 0.5, 0.6)
_LARGEST_SPHERE_RESIDUAL = 0.05


def shaft_line(frame: FemurFrame) -> dict[str, object]:
    """The femoral shaft axis from the joint to the end of the part used."""
    shaft = frame.shaft
    foot = shaft.at(float((frame.distal_points_mm[0] - shaft.point_mm) @ shaft.direction))
    return line(foot, shaft.at(0.5 * shaft.length_mm))


def line_error_deg(length_mm: float) -> float:
    """Standard error of the direction of a line between two extreme points."""
    return float(np.degrees(np.sqrt(2.0) * CONTACT_ERROR_MM / length_mm))


def distal_femoral_angle(frame: FemurFrame) -> Found:
    """Angle on the lateral side between shaft axis and distal tangent, in the coronal plane of the femur."""
    frame.need_side()
    medial, lateral = frame.distal_points_mm
    tangent = lateral - medial
    flat = tangent - (tangent @ frame.posterior) * frame.posterior
    along = perpendicular(frame.shaft.direction, frame.posterior)
    error = float(np.hypot(frame.shaft.error_deg, line_error_deg(float(np.linalg.norm(flat)))))
    return Found(
        angle_deg(flat, along),
        {"shaft": shaft_line(frame), "distal_tangent": line(medial, lateral), "view": plane(medial, frame.posterior)},
        error,
    )


def condylar_axis_angle(frame: FemurFrame) -> Found:
    """Angle on the lateral side between shaft axis and the axis through both posterior condyle spheres."""
    frame.need_side()
    medial, lateral = (round_condyle(frame, n) for n in (0, 1))
    axis = lateral.center_mm - medial.center_mm
    return Found(
        angle_deg(axis, frame.shaft.direction),
        {
            "shaft": shaft_line(frame),
            "condylar_axis": line(medial.center_mm, lateral.center_mm),
            "view": plane(medial.center_mm, frame.posterior),
        },
        float(np.hypot(frame.shaft.error_deg, line_error_deg(float(np.linalg.norm(axis))))),
    )


def round_condyle(frame: FemurFrame, side: int) -> SphereFit:
    """Sphere of the medial (0) or lateral (1) posterior condyle, if the condyle is round."""
    fit = frame.spheres[side]
    if not fit.quality.residual_mm <= _LARGEST_SPHERE_RESIDUAL * fit.radius_mm:
        raise LandmarkMissing(
            f"The posterior condyle is not round: residual {fit.quality.residual_mm:.2f} mm, accepted are "
            f"{_LARGEST_SPHERE_RESIDUAL * fit.radius_mm:.2f} mm."
        )
    return fit


def condyle_radius(frame: FemurFrame, side: int) -> Found:
    """Radius of a posterior condyle's sphere."""
    frame.need_side()
    fit = round_condyle(frame, side)
    if not np.isfinite(frame.sphere_errors_mm[side]).all():
        raise LandmarkMissing("Too little of the posterior condyle is seen for a sphere without one part of it.")
    shown = {"sphere": sphere(fit.center_mm, fit.radius_mm), "view": plane(fit.center_mm, frame.mediolateral)}
    return Found(fit.radius_mm, shown, float(np.hypot(fit.quality.residual_mm, frame.sphere_errors_mm[side, 3])))


def condyle_distance(frame: FemurFrame) -> Found:
    """Distance between the centers of both posterior condyles."""
    first, second = round_condyle(frame, 0), round_condyle(frame, 1)
    error = float(np.hypot(first.quality.residual_mm, second.quality.residual_mm))
    return Found(
        float(np.linalg.norm(second.center_mm - first.center_mm)),
        {"axis": line(first.center_mm, second.center_mm), "view": plane(first.center_mm, frame.superior)},
        error,
    )


def bicondylar_width(femur: Surface, frame: FemurFrame) -> Found:
    """Greatest width of the distal femur along the posterior condylar line."""
    height = femur.points_mm @ frame.superior
    points = femur.points_mm[height < height.min() + 0.75 * frame.scale_mm]
    ends = extreme_point(points, -frame.mediolateral), extreme_point(points, frame.mediolateral)
    return Found(
        float((ends[1] - ends[0]) @ frame.mediolateral),
        {"width": line(*ends), "view": plane(ends[0], frame.posterior)},
        float(np.sqrt(2.0) * CONTACT_ERROR_MM),
    )


def posterior_offset(frame: FemurFrame, side: int) -> Found:
    """Distance of a posterior condyle behind the tangent to the posterior cortex of the shaft."""
    frame.need_side()
    # Landmarks of the shaft first: without it the reason is the shaft's.
    cortex = np.array([extreme_point(s.segments_mm.reshape(-1, 3), frame.posterior) for s in frame.shaft.sections])
    # Least squares line of the cortex in the sagittal plane.
    along, back = cortex @ frame.superior, cortex @ frame.posterior
    slope, level = np.polyfit(along, back, 1)
    condyle = frame.posterior_points_mm[side]
    gap = float(condyle @ frame.posterior - level - slope * (condyle @ frame.superior))
    cosine = 1.0 / np.hypot(1.0, slope)
    foot = condyle - gap * cosine * unit(frame.posterior - slope * frame.superior)
    reach = float(abs(condyle @ frame.superior - along.mean()))
    spread = float(np.std(back - level - slope * along))
    error = float(np.hypot(CONTACT_ERROR_MM, np.radians(frame.shaft.error_deg) * reach + spread))
    behind = condyle @ frame.posterior - gap
    ends = [
        condyle + x * frame.superior + (level + slope * (condyle @ frame.superior + x) - behind - gap) * frame.posterior
        for x in (-10.0, float(along.max() - condyle @ frame.superior))
    ]
    shown = {"offset": line(foot, condyle), "cortex": line(*ends), "view": plane(condyle, frame.mediolateral)}
    return Found(gap * cosine, shown, error)


def notch_width_index(femur: Surface, frame: FemurFrame) -> Found:
    """Width of the notch over the width of the condyles, in the axial plane through the condyle centers."""
    center = 0.5 * (frame.spheres[0].center_mm + frame.spheres[1].center_mm)
    section = cross_section(femur, center, frame.superior)
    segments = section.segments_mm
    across, back = (segments - center) @ frame.mediolateral, (segments - center) @ frame.posterior
    middle = 0.5 * float(across.min() + across.max())
    rear = float(back.max())
    roof = _notch_roof(across, back, middle)
    depth = rear - roof
    if depth < 0.1 * frame.scale_mm:
        raise LandmarkMissing("The intercondylar notch is not found.")
    widths, indices = [], []
    shown: dict[str, dict[str, object]] = {}
    total = float(across.max() - across.min())
    for share in _NOTCH_DEPTHS:
        level = rear - share * depth
        cut = np.flatnonzero((back[:, 0] - level) * (back[:, 1] - level) < 0)
        t = (level - back[cut, 0]) / (back[cut, 1] - back[cut, 0])
        at = across[cut, 0] + t * (across[cut, 1] - across[cut, 0])
        walls = at[at < middle], at[at > middle]
        if not len(walls[0]) or not len(walls[1]):
            raise LandmarkMissing("The walls of the intercondylar notch are not found.")
        inner = float(walls[0].max()), float(walls[1].min())
        widths.append(inner[1] - inner[0])
        indices.append(widths[-1] / total)
        if share == _NOTCH_DEPTHS[1]:
            ends = [center + x * frame.mediolateral + level * frame.posterior for x in inner]
            shown["notch"] = line(ends[0], ends[1])
    sides = [center + float(x) * frame.mediolateral for x in (across.min(), across.max())]
    shown["condyles"] = line(sides[0], sides[1])
    shown["section"] = plane(center, frame.superior)
    error = float(np.hypot(np.std(indices), np.sqrt(2.0) * CONTACT_ERROR_MM / total))
    return Found(float(np.mean(indices)), shown, error)


def _notch_roof(across: np.ndarray, back: np.ndarray, middle: float) -> float:
    """How far back (mm along posterior) the bottom of the notch lies: the rear outline in the middle of the section."""
    width = float(across.max() - across.min())
    near = (np.abs(across - middle) < 0.12 * width).all(axis=1)
    if not near.any():
        raise LandmarkMissing("The intercondylar notch is not found.")
    # Front and rear outline are well apart; the rear one is behind the middle between the extremes.
    front, rear = float(back[near].min()), float(back.max())
    behind = back[near & (back.mean(axis=1) > front + 0.3 * (rear - front))]
    if not behind.size:
        raise LandmarkMissing("The intercondylar notch is open to the front at this level.")
    return float(behind.min())
