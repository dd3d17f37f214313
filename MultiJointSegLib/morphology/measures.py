"""All measurements of an examination from its surfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.ankle import measure_ankle
from MultiJointSegLib.morphology.bone_measures import measure_bone
from MultiJointSegLib.morphology.field_of_view import FieldEdge, field_edge
from MultiJointSegLib.morphology.head_measures import HEADS, measure_head
from MultiJointSegLib.morphology.hip import measure_hip
from MultiJointSegLib.morphology.knee import measure_knee
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.shoulder import measure_shoulder
from MultiJointSegLib.surface.mesh import Surface

JOINT_MEASURES: dict[
    str, Callable[[Mapping[str, Surface], Mapping[str, FieldEdge | None] | None], list[Measurement]]
] = {
    "ankle": measure_ankle,
    "hip": measure_hip,
    "knee": measure_knee,
    "shoulder": measure_shoulder,
}
"""Per joint: what is measured on its bones together, from the surfaces and the edges of the field of view."""


def measure_surfaces(surfaces: Mapping[str, Surface], *, joint: str, labels: Volume | None = None) -> list[Measurement]:
    """Measure every bone of a joint.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        Closed, oriented outward, LPS mm. Bones of the joint that are missing are left out.
    joint : str
        Joint key of the anatomy catalog.
    labels : Volume, optional
        The label map or any volume on the examination's grid: tells where the field of view ends. Without it no bone
        is known to be complete, and every measurement carries a note that says so.

    Returns
    -------
    list of Measurement
        In the order of the joint's bones, then the measures of the joint.

    Raises
    ------
    InputError
        If the joint is unknown.
    """
    result: list[Measurement] = []
    edges: dict[str, FieldEdge | None] = {}
    head_of = HEADS.get(joint)
    for bone in catalog.joint(joint).bones:
        surface = surfaces.get(bone.key)
        if surface is None:
            continue
        edge = edges[bone.key] = None if labels is None else field_edge(surface, labels.geometry)
        result += measure_bone(surface, bone, edge)
        if head_of is not None and head_of[0] == bone.key:
            result += measure_head(surface, joint=joint, edge=edge, partner=surfaces.get(head_of[2]))
    if joint in JOINT_MEASURES:
        result += JOINT_MEASURES[joint](surfaces, edges)
    return result
