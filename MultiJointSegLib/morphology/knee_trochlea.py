"""The trochlea of the femur: facet peaks, groove, sulcus angle and depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.morphology.axes import cross_section
from MultiJointSegLib.morphology.frames import Found, LandmarkMissing, angle_deg
from MultiJointSegLib.morphology.knee_femur import line_error_deg
from MultiJointSegLib.morphology.knee_frame import FemurFrame
from MultiJointSegLib.morphology.landmarks import CONTACT_ERROR_MM, bridge
from MultiJointSegLib.morphology.measurement import line, plane, point
from MultiJointSegLib.surface.mesh import Surface

TROCHLEA_LEVEL = 0.45
"""Height of the trochlear section above the distal condyles in units of the bone's size: 27 mm in adults."""
_LEVELS_MM = (-2.0, -1.0, 0.0, 1.0, 2.0)
GROOVE_HALF_WIDTH = 0.08
"""Part of the outline on either side of the groove's bottom that tells where it is, in units of the bone's size."""
_VERTEX_ROUNDS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Trochlea:
    """Facet peaks and deepest point of the trochlea in axial sections: arrays (levels, 3), LPS mm.

    `groove_error_mm` is the standard error of the deepest point's place from side to side.
    """

    medial_mm: np.ndarray
    lateral_mm: np.ndarray
    groove_mm: np.ndarray
    groove_error_mm: float


def trochlea(femur: Surface, frame: FemurFrame) -> Trochlea:
    """Facet peaks and groove in axial sections around the trochlear level.

    Raises
    ------
    LandmarkMissing
        If the outline has no groove in front.
    """
    low = float((femur.points_mm @ frame.superior).min())
    peaks, bottoms, outlines, levels = [], [], [], []
    for shift in _LEVELS_MM:
        level = low + TROCHLEA_LEVEL * frame.scale_mm + shift
        section = cross_section(femur, frame.superior * level, frame.superior)
        part = section.largest()[0]
        points = section.segments_mm[section.part == part, 0]
        flat = np.column_stack([points @ frame.mediolateral, points @ frame.posterior])
        # The roof of the notch lies farther back.
        front = flat[:, 1] < flat[:, 1].min() + 0.35 * np.ptp(flat[:, 1])
        flat, points = flat[front], points[front]
        a, b, deepest, _ = bridge(flat, np.array([0.0, -1.0]))
        facets = sorted((a, b), key=lambda p: float(p[0]))
        peaks.append([points[int(np.argmin(((flat - q) ** 2).sum(axis=1)))] for q in facets])
        bottoms.append(float(deepest[0]))
        outlines.append(flat)
        levels.append(level)
    medial, lateral = np.moveaxis(np.asarray(peaks), 1, 0)
    width = float(np.median((lateral - medial) @ frame.mediolateral))
    if width < 0.25 * frame.scale_mm:
        raise LandmarkMissing(f"No trochlea is found: the groove at its level is only {width:.0f} mm wide.")
    at, depths, error = groove_bottom(outlines, float(np.median(bottoms)), GROOVE_HALF_WIDTH * frame.scale_mm)
    groove = at * frame.mediolateral + depths[:, None] * frame.posterior + np.asarray(levels)[:, None] * frame.superior
    return Trochlea(medial, lateral, groove, error)


def groove_bottom(outlines: list[np.ndarray], start_mm: float, half_width_mm: float) -> tuple[float, np.ndarray, float]:
    """Bottom of a groove in neighboring sections.

    A groove's bottom is round: its deepest point alone would wander by millimeters with a tenth of a millimeter of
    noise. The vertex of the parabola nearest to the outlines around it stays. One parabola for all sections, each at
    its own depth.

    Parameters
    ----------
    outlines : list of float ndarray of shape (n, 2)
        Of each section: across the groove and toward its depth, mm.
    start_mm : float
        First guess of the bottom's place across the groove.
    half_width_mm : float
        Part of the outlines used, on either side of the bottom.

    Returns
    -------
    tuple
        Place of the bottom across the groove, its depth in each section (n,), and the standard error of the place:
        the standard deviation of the places that single sections give.
    """
    at, depths = start_mm, np.zeros(len(outlines))
    for _ in range(_VERTEX_ROUNDS):
        found = _vertex(outlines, at, half_width_mm)
        moved = abs(found[0] - at)
        at, depths = found
        if moved < 1e-4:
            break
    alone = [_vertex([outline], at, half_width_mm)[0] for outline in outlines]
    return at, depths, float(np.std(alone))


def _vertex(outlines: list[np.ndarray], at: float, half_width_mm: float) -> tuple[float, np.ndarray]:
    """Vertex across the groove and its depth in each section, of the parabola nearest to all outlines around `at`."""
    near = [o[np.abs(o[:, 0] - at) < half_width_mm] for o in outlines]
    if any(len(n) < 5 for n in near):
        raise LandmarkMissing("The bottom of the trochlear groove is not found.")
    x = np.concatenate([n[:, 0] for n in near]) - at
    section = np.repeat(np.arange(len(near)), [len(n) for n in near])
    design = np.column_stack([x, x**2, section[:, None] == np.arange(len(near))])
    slope, bend, *level = np.linalg.lstsq(design, np.concatenate([n[:, 1] for n in near]), rcond=None)[0]
    if not bend < 0:
        raise LandmarkMissing("The bottom of the trochlear groove is not found: the trochlea is flat there.")
    # No farther than the part used: beyond it the parabola says nothing.
    step = float(np.clip(-slope / (2.0 * bend), -half_width_mm, half_width_mm))
    return at + step, np.asarray(level) + slope * step + bend * step**2


def _shown(t: Trochlea, frame: FemurFrame) -> dict[str, dict[str, object]]:
    n = len(t.groove_mm) // 2
    return {
        "medial_facet": line(t.groove_mm[n], t.medial_mm[n]),
        "lateral_facet": line(t.groove_mm[n], t.lateral_mm[n]),
        "groove": point(t.groove_mm[n]),
        "section": plane(t.groove_mm[n], frame.superior),
    }


def sulcus_angle(t: Trochlea, frame: FemurFrame) -> Found:
    """Angle at the groove between both facet peaks, mean over the levels."""
    along = frame.superior
    angles = []
    for medial, lateral, groove in zip(t.medial_mm, t.lateral_mm, t.groove_mm, strict=True):
        a, b = medial - groove, lateral - groove
        angles.append(angle_deg(a - (a @ along) * along, b - (b @ along) * along))
    width = float(np.mean((t.lateral_mm - t.medial_mm) @ frame.mediolateral))
    return Found(
        float(np.mean(angles)), _shown(t, frame), float(np.hypot(np.std(angles), 2.0 * line_error_deg(0.5 * width)))
    )


def trochlear_depth(t: Trochlea, frame: FemurFrame) -> Found:
    """Mean height of both facet peaks above the groove, perpendicular to the posterior condylar line."""
    back = frame.posterior
    depths = t.groove_mm @ back - 0.5 * (t.medial_mm @ back + t.lateral_mm @ back)
    return Found(float(depths.mean()), _shown(t, frame), float(np.hypot(depths.std(), np.sqrt(1.5) * CONTACT_ERROR_MM)))
