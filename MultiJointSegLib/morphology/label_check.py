"""Do the labels make sense together: swapped bones, wrong side of the body."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree

from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.landmarks import some_points
from MultiJointSegLib.surface.mesh import Surface

_NEIGHBORS = {
    "knee": (("fibula", "tibia", "femur"),),
    "ankle": (("tibia", "talus", "calcaneus"), ("calcaneus", "talus", "tibia")),
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


_ROUNDER = {"shoulder": (("humerus", "scapula"),)}
"""(a, b): a has less surface for its volume than b, also where both are cut: a tube with a ball, and a blade."""
_CLEARLY_ROUNDER = 1.2
_LEAVES_THE_FIELD = {"ankle": ("tibia", "calcaneus")}
"""(a, b): where one of both is cut by the field of view and the other is whole, a is the one that is cut."""


def swapped_labels(
    surfaces: Mapping[str, Surface], joint: str, edges: Mapping[str, FieldEdge | None] | None = None
) -> str:
    """One sentence if two bones of a joint seem to have each other's label, "" otherwise.

    Independent of pose and side: the fibula lies at the tibia, the talus between tibia and calcaneus; the scapula is
    thinner than the humerus; and (with `edges`) it is the tibia that leaves the field of view, not the calcaneus.
    """
    for bone, near, far in _NEIGHBORS.get(joint, ()):
        if all(key in surfaces for key in (bone, near, far)):
            to_near, to_far = (_gap_mm(surfaces[bone], surfaces[key]) for key in (near, far))
            if to_near > _CLEAR * to_far and to_near > to_far + _CLEAR_MM:
                return (
                    f"The labels of {near} and {far} seem to be swapped: the {bone} lies {to_near:.0f} mm from the "
                    f"{near} and {to_far:.0f} mm from the {far}."
                )
    for round_one, thin_one in _ROUNDER.get(joint, ()):
        if round_one in surfaces and thin_one in surfaces:
            of_round, of_thin = _sphericity(surfaces[round_one]), _sphericity(surfaces[thin_one])
            if of_thin > _CLEARLY_ROUNDER * of_round:
                return (
                    f"The labels of {round_one} and {thin_one} seem to be swapped: the bone labeled {thin_one} is "
                    f"rounder (sphericity {of_thin:.2f}) than that labeled {round_one} ({of_round:.2f})."
                )
    if edges is not None and joint in _LEAVES_THE_FIELD:
        cut, whole = _LEAVES_THE_FIELD[joint]
        of_cut, of_whole = edges.get(cut), edges.get(whole)
        if of_cut is not None and of_whole is not None and not of_cut.is_cut and of_whole.cut_area_mm2 > 0:
            return (
                f"The labels of {cut} and {whole} seem to be swapped: the {whole} is cut by the field of view "
                f"({of_whole.cut_area_mm2:.0f} mm2) and the {cut} ends inside it."
            )
    return ""


def _sphericity(surface: Surface) -> float:
    """Area of the sphere of the same volume over the surface's own: 1 for a sphere, less the thinner a body is."""
    return float(np.cbrt(np.pi) * (6.0 * surface.volume_mm3) ** (2.0 / 3.0) / surface.area_mm2)


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
