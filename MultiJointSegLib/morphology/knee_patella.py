"""Measures of the patella."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from MultiJointSegLib.morphology.axes import cross_section, section_axes
from MultiJointSegLib.morphology.frames import Found, LandmarkMissing, unit
from MultiJointSegLib.morphology.knee_frame import FemurFrame
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM
from MultiJointSegLib.morphology.measurement import line, plane, point
from MultiJointSegLib.surface.mesh import Surface

_LEVELS = np.linspace(0.35, 0.75, 5)
_SMALLEST_ELONGATION = 1.25


def poles(patella: Surface, frame: FemurFrame) -> tuple[np.ndarray, np.ndarray]:
    """Inferior and superior end (3,) of the greatest length of the patella in the sagittal plane of the femur."""
    points = patella.points_mm
    flat = np.column_stack([points @ frame.posterior, points @ frame.superior])
    hull = ConvexHull(flat).vertices
    distance = cdist(flat[hull], flat[hull])
    i, j = np.unravel_index(int(np.argmax(distance)), distance.shape)
    ends = sorted((points[hull[i]], points[hull[j]]), key=lambda p: float(p @ frame.superior))
    return ends[0], ends[1]


def _sagittal(vector: np.ndarray, frame: FemurFrame) -> float:
    return float(np.hypot(vector @ frame.posterior, vector @ frame.superior))


def length(patella: Surface, frame: FemurFrame) -> Found:
    """Greatest sagittal length."""
    low, high = poles(patella, frame)
    shown = {"length": line(low, high), "view": plane(low, frame.mediolateral)}
    return Found(_sagittal(high - low, frame), shown, float(np.sqrt(2.0) * CONTACT_ERROR_MM))


def pole_tuberosity(patella: Surface, frame: FemurFrame, tuberosity: np.ndarray) -> Found:
    """Distance from the inferior pole to the tuberosity."""
    low, _ = poles(patella, frame)
    return Found(
        float(np.linalg.norm(tuberosity - low)),
        {
            "distance": line(low, tuberosity),
            "tuberosity": point(tuberosity),
            "view": plane(tuberosity, frame.mediolateral),
        },
        float(np.hypot(CONTACT_ERROR_MM, 4.0 * CONTACT_ERROR_MM)),
    )


def height_index(patella: Surface, frame: FemurFrame, tuberosity: np.ndarray) -> Found:
    """Distance from the inferior pole to the tuberosity over the length."""
    long, gap = length(patella, frame), pole_tuberosity(patella, frame, tuberosity)
    error = gap.value / long.value * np.hypot((long.error or 0) / long.value, (gap.error or 0) / gap.value)
    return Found(gap.value / long.value, {**long.geometry, **gap.geometry}, float(error))


def tilt(patella: Surface, frame: FemurFrame) -> Found:
    """Angle of the transverse axis of the patella against the posterior condylar line, lateral side backward positive.

    The transverse axis is the longest axis of the axial sections between 35 % and 75 % of the patella's height.
    """
    frame.need_side()
    axes, shown = transverse_axes(patella, frame)
    angles = [float(np.degrees(np.arctan2(a @ frame.posterior, a @ frame.mediolateral))) for a in axes]
    shown["posterior_condyles"] = line(*frame.posterior_points_mm)
    shown["view"] = plane(patella.points_mm.mean(axis=0), frame.superior)
    return Found(float(np.mean(angles)), shown, float(np.std(angles)))


def transverse_axes(patella: Surface, frame: FemurFrame) -> tuple[np.ndarray, dict[str, dict[str, object]]]:
    """Longest axes (5, 3) of axial sections between 35 % and 75 % of the patella's height, and the middle one."""
    up = patella.points_mm @ frame.superior
    low, high = float(up.min()), float(up.max())
    axes = []
    shown: dict[str, dict[str, object]] = {}
    for share in _LEVELS:
        section = cross_section(patella, frame.superior * (low + share * (high - low)), frame.superior)
        part, _, center = section.largest()
        if part < 0:
            raise LandmarkMissing("The patella has no cross-section at its middle.")
        long, short = section_axes(section, part)
        outline = section.segments_mm[section.part == part].reshape(-1, 3) - center
        if np.ptp(outline @ long) < _SMALLEST_ELONGATION * np.ptp(outline @ short):
            raise LandmarkMissing("The patella is as thick as it is wide: its transverse axis is not clear.")
        long = long * np.sign(long @ frame.mediolateral)
        axes.append(long)
        if share == _LEVELS[len(_LEVELS) // 2]:
            ends = [center + float(v) * long for v in ((outline @ long).min(), (outline @ long).max())]
            shown["transverse_axis"] = line(ends[0], ends[1])
    return np.asarray(axes), shown


def size(patella: Surface, frame: FemurFrame, which: str) -> Found:
    """Width along the transverse axis, or thickness perpendicular to it and to the length (`which`)."""
    across = unit(transverse_axes(patella, frame)[0].mean(axis=0))
    low, high = poles(patella, frame)
    through = unit(np.cross(across, unit(high - low)))
    direction = across if which == "width" else through
    center = patella.points_mm.mean(axis=0)
    along = (patella.points_mm - center) @ direction
    ends = [center + float(v) * direction for v in (along.min(), along.max())]
    view = plane(center, frame.superior if which == "width" else frame.mediolateral)
    return Found(float(np.ptp(along)), {which: line(*ends), "view": view}, float(np.sqrt(2.0) * CONTACT_ERROR_MM))
