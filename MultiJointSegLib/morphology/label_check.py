"""Do the labels make sense together: swapped bones, wrong side of the body."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree

from MultiJointSegLib.morphology.landmarks import some_points
from MultiJointSegLib.surface.mesh import Surface

_NEIGHBORS = {
    "knee": (("fibula", "tibia", "femur"),),
    "ankle": (("tibia", "talus", "calcaneus"),),
}
"""(a, b, c): a lies nearer to b than to c, in every pose."""

_CLEAR = 1.5
"""Distances must differ by this factor and by `_CLEAR_MM` before labels are called swapped."""
_CLEAR_MM = 2.0

_LATERAL = {"knee": ("tibia", "fibula"), "shoulder": ("scapula", "humerus"), "hip": ("hip_bone", "femur")}
"""From the first bone to the second is toward lateral."""

_LEAST_SIDEWAYS = 0.35


def _gap_mm(first: Surface, second: Surface) -> float:
    """Distance between two bones: the hundredth part of the first one's points that is nearest, on average."""
    distance, _ = cKDTree(some_points(second, 20000)).query(some_points(first))
    count = max(len(distance) // 100, 1)
    return float(np.partition(distance, count - 1)[:count].mean())


def swapped_labels(surfaces: Mapping[str, Surface], joint: str) -> str:
    """One sentence if two bones of a joint seem to have each other's label, "" otherwise.

    Independent of pose and side: the fibula lies at the tibia, and the talus between tibia and calcaneus.
    """
    for bone, near, far in _NEIGHBORS.get(joint, ()):
        if all(key in surfaces for key in (bone, near, far)):
            to_near, to_far = (_gap_mm(surfaces[bone], surfaces[key]) for key in (near, far))
            if to_near > _CLEAR * to_far and to_near > to_far + _CLEAR_MM:
                return (
                    f"The labels of {near} and {far} seem to be swapped: the {bone} lies {to_near:.0f} mm from the "
                    f"{near} and {to_far:.0f} mm from the {far}."
                )
    return ""


def side_from_bones(surfaces: Mapping[str, Surface], joint: str) -> str | None:
    """Side of the body by the bones' places (LPS), "left" or "right"; None where they do not tell it.

    Right only if the examination's axes are the patient's: a mirrored image shows the other side.
    """
    if joint not in _LATERAL or any(key not in surfaces for key in _LATERAL[joint]):
        return None
    first, second = (surfaces[key].points_mm.mean(axis=0) for key in _LATERAL[joint])
    direction = (second - first) / max(float(np.linalg.norm(second - first)), 1e-9)
    if abs(direction[0]) < _LEAST_SIDEWAYS:
        return None
    return "left" if direction[0] > 0 else "right"


def side_conflict(surfaces: Mapping[str, Surface], joint: str, side: str | None) -> str:
    """One sentence if the bones show the other side of the body than the one recorded, "" otherwise."""
    found = side_from_bones(surfaces, joint)
    if side is None or found is None or found == side:
        return ""
    first, second = _LATERAL[joint]
    return (
        f"The examination is said to be of the {side} side, but the {second.replace('_', ' ')} lies on the side of the "
        f"{first.replace('_', ' ')} where it lies in a {found} {joint}: side or orientation is recorded wrongly."
    )
