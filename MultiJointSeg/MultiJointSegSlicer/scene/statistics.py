"""Measures of one bone for a segment, whoever drew it: what Segment Statistics shows."""

from __future__ import annotations

from dataclasses import dataclass

from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.bone_measures import measure_bone
from MultiJointSegLib.morphology.field_of_view import field_edge
from MultiJointSegLib.surface.extraction import surface_from_mask
from MultiJointSegLib.surface.mesh import Surface
from MultiJointSegSlicer.scene.models import BONE_ATTRIBUTE, surface_from_node
from MultiJointSegSlicer.scene.mrml import Node, Scene
from MultiJointSegSlicer.scene.nodes import PART_ATTRIBUTE, SEGMENTATION_ROLE
from MultiJointSegSlicer.scene.reading import labels_from_node
from MultiJointSegSlicer.scene.segment_names import SegmentName, match_segments
from MultiJointSegSlicer.scene.terminology import segment_terminology
from MultiJointSegSlicer.scene.watching import edited_since_measured


@dataclass(frozen=True, slots=True)
class BoneStatistic:
    """A measure: key (of a measurement, without the bone), name and description for people, unit."""

    key: str
    name: str
    description: str
    unit: str


BONE_STATISTICS = (
    BoneStatistic("volume", "Bone volume", "Volume enclosed by the bone's smooth closed surface", "mm3"),
    BoneStatistic(
        "area", "Bone surface area", "Area of the bone's smooth surface, without cuts at the edge of the image", "mm2"
    ),
    *(
        BoneStatistic(
            f"principal_length_{n}",
            f"Bone length {n}",
            f"Extent of the surface along principal axis {n} of the solid; not given for a bone that the image cuts",
            "mm",
        )
        for n in (1, 2, 3)
    ),
)


def bone_statistics(
    scene: Scene, segmentation_node: Node, segment_id: str, *, measured_surfaces: bool = True
) -> dict[str, float]:
    """Values of `BONE_STATISTICS` by key; none for a segment that is no bone, without those that cannot be given.

    Parameters
    ----------
    measured_surfaces
        Take the surface that the module measured, where the scene has one and the mask was not edited since: it is
        made from the network's probabilities. Otherwise, and for masks of other origin, it is made from the mask.

    Raises
    ------
    InputError
        If two segments are the same bone.
    """
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    name = SegmentName(segment_id, segment.GetName() or "", segment_terminology(segment))
    matched, _ = match_segments([name], anatomy.all_bones())
    bone = matched.get(segment_id)
    if bone is None:
        return {}
    labels = labels_from_node(segmentation_node, bones=[bone])
    if not labels.array.any():
        return {}
    surface = _measured_surface(scene, segmentation_node, segment_id, bone) if measured_surfaces else None
    if surface is None:
        surface = _surface_of_mask(labels, bone)
    found = measure_bone(surface, bone, field_edge(surface, labels.geometry))
    values = {m.key.removeprefix(f"{bone.key}_"): m.value for m in found if m.value is not None}
    return {each.key: values[each.key] for each in BONE_STATISTICS if each.key in values}


def _measured_surface(scene: Scene, segmentation_node: Node, segment_id: str, bone: Bone) -> Surface | None:
    if segment_id in edited_since_measured(segmentation_node):
        return None
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLModelNode")):
        model = scene.GetNthNodeByClass(index, "vtkMRMLModelNode")
        mine = model.GetNodeReference(SEGMENTATION_ROLE) is segmentation_node
        if mine and model.GetAttribute(PART_ATTRIBUTE) == "model" and model.GetAttribute(BONE_ATTRIBUTE) == bone.key:
            return surface_from_node(model)
    return None


def _surface_of_mask(labels: Volume, bone: Bone) -> Surface:
    return surface_from_mask(labels.with_array(labels.array == bone.label))
