"""All measurements of an examination from its surfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.ankle import measure_ankle
from MultiJointSegLib.morphology.bone_check import unfit_bones, with_unfit_told
from MultiJointSegLib.morphology.bone_measures import measure_bone
from MultiJointSegLib.morphology.field_of_view import FieldEdge, field_edge
from MultiJointSegLib.morphology.growth_plate import measure_growth_plates
from MultiJointSegLib.morphology.head_measures import HEADS, measure_head
from MultiJointSegLib.morphology.hip import measure_hip
from MultiJointSegLib.morphology.hip_sides import hip_sides, measure_both
from MultiJointSegLib.morphology.knee import measure_knee
from MultiJointSegLib.morphology.label_check import side_conflict, swapped_labels
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.shoulder import measure_shoulder
from MultiJointSegLib.surface.mesh import Surface

JOINT_MEASURES: dict[
    str, Callable[[Mapping[str, Surface], Mapping[str, FieldEdge | None] | None], list[Measurement]]
] = {
    "ankle": measure_ankle,
    "hip": measure_hip,
    "shoulder": measure_shoulder,
}
"""What is measured on a joint's bones together, from the surfaces and the edges of the field of view; the knee also
takes the side."""


def measure_surfaces(
    surfaces: Mapping[str, Surface],
    *,
    joint: str,
    labels: Volume | None = None,
    side: str | None = None,
    image: Volume | None = None,
) -> list[Measurement]:
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
    side : str, optional
        "left" or "right", where it is known. Tells lateral from medial where the bones do not, and is checked.
    image : Volume, optional
        The examination that `labels` was drawn on: shows growth plates, which are measured only with it.

    Returns
    -------
    list of Measurement
        In the order of the joint's bones, then the measures of the joint. Where two labels seem to be swapped, the
        latter have no value but this as their reason; where a bone is not fit to be measured (see `bone_check`), those
        that need it.

    Raises
    ------
    InputError
        If the joint is unknown.
    """
    if joint == "hip" and (sides := hip_sides(surfaces)):
        # A CT of the pelvis shows both hips.
        return measure_both(
            surfaces, sides, lambda part, where: measure_surfaces(part, joint=joint, labels=labels, side=where)
        )
    keys = [bone.key for bone in catalog.joint(joint).bones if bone.key in surfaces]
    edges = {key: None if labels is None else field_edge(surfaces[key], labels.geometry) for key in keys}
    conflict = side_conflict(surfaces, joint, side)
    swapped = swapped_labels(surfaces, joint, edges)
    unfit = {} if swapped else unfit_bones(surfaces, joint, edges, None if labels is None else labels.geometry)
    fit = {key: surface for key, surface in surfaces.items() if key not in unfit}
    result: list[Measurement] = []
    head_of = HEADS.get(joint)
    for key in keys:
        result += measure_bone(surfaces[key], catalog.bone(key), edges[key])
        if head_of is not None and head_of[0] == key:
            head = measure_head(surfaces[key], joint=joint, edge=edges[key], partner=surfaces.get(head_of[2]))
            why = swapped or unfit.get(key, "")
            result += _without_value(head, why) if why else head
    if image is not None and labels is not None:
        result += measure_growth_plates(image, labels, joint)
    # A femur alone has the hip's measures; with one bone unfit, or all of any joint, nothing is measured at all.
    nothing = swapped or (next(iter(unfit.values()), "") if joint == "hip" or not fit else "")
    used = surfaces if nothing else fit
    if joint == "knee":
        of_joint = measure_knee(used, edges, None if conflict else side)
    else:
        of_joint = JOINT_MEASURES[joint](used, edges) if joint in JOINT_MEASURES else []
    if nothing:
        of_joint = _without_value(of_joint, nothing)
    of_joint = with_unfit_told(of_joint, unfit)
    if conflict:
        of_joint = [m if m.value is None else replace(m, note=f"{m.note} {conflict}".strip()) for m in of_joint]
    return result + of_joint


def _without_value(measurements: list[Measurement], reason: str) -> list[Measurement]:
    return [replace(m, value=None, reason=reason, geometry={}, error_estimate=None, note="") for m in measurements]
