"""Names of cardiac views from their planes alone.

The long axis of the left ventricle is the normal of the short-axis stack. Planes that hold it and pass through the
stack's middle are told apart by the direction in which they cut the short-axis slices: the two-chamber view cuts them
upright, the three-chamber view about 60 degrees from it towards the aortic root (right, front, up), the four-chamber
view about 60 degrees to the other side, towards the right ventricle (right, front, down). Planes beside the stack's
middle show the right ventricle. Conventions of cardiac imaging; checked on the one examination at hand.
"""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.learning.pretext.study import SHORT_SERIES, Study, StudySeries

SHORT_AXIS = "short axis"
_STANDARD_DEG = {"two-chamber": 90.0, "three-chamber": 30.0, "four-chamber": 150.0}
_CONTAINS_AXIS_DEG = 60.0
_BESIDE_MM = 12.0
_UPRIGHT_DEG = 15.0


def heart_views(study: Study) -> dict[str, str]:
    """View of every series of a heart study by its key.

    Parameters
    ----------
    study : Study
        With a stack of at least 3 parallel short-axis slices: the tilted stack with most slices.

    Returns
    -------
    dict
        "short axis", "two-chamber", "three-chamber", "four-chamber", "right ventricle, two-chamber", "right ventricle,
        outflow tract", or "other". Empty where the study has no oblique stack.
    """
    stacks = [s for s in study.series if len(s.slices) >= SHORT_SERIES and s.view.oblique]
    if not stacks:
        return {}
    short = max(stacks, key=lambda s: len(s.slices))
    return {s.key: _name(s, short) for s in study.series if s.frame_of_reference == short.frame_of_reference}


def _name(series: StudySeries, short: StudySeries) -> str:
    axis = short.normal
    plane = series.slices[0].grid.plane
    if plane.angle_deg(short.slices[0].grid.plane) < 20:
        return SHORT_AXIS
    if plane.angle_deg(short.slices[0].grid.plane) < _CONTAINS_AXIS_DEG:
        return "other"
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    right = np.cross(up, axis)
    right *= -np.sign(right[0])  # of the patient, and to the front
    trace = np.cross(axis, plane.normal)
    angle = float(np.degrees(np.arctan2(trace @ up, trace @ right))) % 180
    beside = abs(float(plane.signed_distance_mm(short.centers_mm.mean(axis=0))))
    if beside > _BESIDE_MM:
        upright = abs(angle - 90) < _UPRIGHT_DEG
        return f"right ventricle, {'two-chamber' if upright else 'outflow tract'}"

    def off(name: str) -> float:
        difference = abs(angle - _STANDARD_DEG[name]) % 180
        return min(difference, 180 - difference)

    return min(_STANDARD_DEG, key=off)
