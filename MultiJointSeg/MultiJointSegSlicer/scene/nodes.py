"""The nodes that hold one result, found again at any time through the volume they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from MultiJointSegSlicer.scene import hierarchy
from MultiJointSegSlicer.scene.models import BONE_ATTRIBUTE
from MultiJointSegSlicer.scene.mrml import Node, Scene, is_in_scene

VOLUME_ROLE = "MultiJointSeg.volume"
"""Node reference from every node of a result to the volume it was made from. It survives saving and loading."""

SEGMENTATION_ROLE = "MultiJointSeg.segmentation"
"""Node reference from models, tables and markups to the segmentation they were made from."""

PART_ATTRIBUTE = "MultiJointSeg.part"
"""Node attribute: what the node is in the result: segmentation, uncertainty, model, table or markup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneNodes:
    """The nodes of one result.

    Parameters
    ----------
    volume
        vtkMRMLScalarVolumeNode, the examination.
    segmentation
        vtkMRMLSegmentationNode; None if it was removed.
    models
        vtkMRMLModelNode of each bone's surface, by bone key.
    table
        vtkMRMLTableNode of the measurements; None if there is none.
    markups
        vtkMRMLMarkupsNode and models that show the measurements' geometry.
    uncertainty
        vtkMRMLLabelMapVolumeNode of the doubt about every voxel in percent; None if there is none.
    """

    volume: Node
    segmentation: Node | None = None
    models: dict[str, Node] = field(default_factory=dict)
    table: Node | None = None
    markups: tuple[Node, ...] = ()
    uncertainty: Node | None = None

    def results(self) -> list[Node]:
        """All nodes but the volume."""
        single = [node for node in (self.segmentation, self.uncertainty, self.table) if node is not None]
        return [*single, *self.models.values(), *self.markups]


def mark_as_result(node: Node, part: str, volume_node: Node, segmentation_node: Node | None = None) -> None:
    """Note on a node what it is in a result, and put it under the transform that the volume is under."""
    node.SetAttribute(PART_ATTRIBUTE, part)
    node.SetNodeReferenceID(VOLUME_ROLE, volume_node.GetID())
    if segmentation_node is not None and segmentation_node is not node:
        node.SetNodeReferenceID(SEGMENTATION_ROLE, segmentation_node.GetID())
    if volume_node.GetTransformNodeID() and node.IsA("vtkMRMLTransformableNode"):
        node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())


def find_results(scene: Scene, volume_node: Node) -> SceneNodes | None:
    """Nodes of the result that was made from a volume, as far as they still exist; None if there is none.

    Of several results from one volume, the one whose segmentation was added last is given.
    """
    everything = result_nodes(scene, volume_node)
    segmentations = [node for node in everything if node.GetAttribute(PART_ATTRIBUTE) == "segmentation"]
    last = segmentations[-1] if segmentations else None
    by_part: dict[str, list[Node]] = {}
    for node in everything:
        of = node.GetNodeReference(SEGMENTATION_ROLE)
        if last is None or of is None or of is last:
            by_part.setdefault(node.GetAttribute(PART_ATTRIBUTE), []).append(node)
    if not by_part:
        return None
    return SceneNodes(
        volume=volume_node,
        segmentation=by_part.get("segmentation", [None])[-1],
        models={node.GetAttribute(BONE_ATTRIBUTE): node for node in by_part.get("model", [])},
        table=by_part.get("table", [None])[-1],
        markups=tuple(by_part.get("markup", [])),
        uncertainty=by_part.get("uncertainty", [None])[-1],
    )


def remove_nodes(scene: Scene, nodes: Iterable[Node]) -> None:
    """Remove nodes with their display and storage nodes and their tree items; those already gone are skipped."""
    for node in nodes:
        if not is_in_scene(scene, node):
            continue
        helpers = []
        if node.IsA("vtkMRMLStorableNode"):
            helpers += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
        if node.IsA("vtkMRMLDisplayableNode"):
            helpers += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
        item = hierarchy.tree(scene).GetItemByDataNode(node)
        scene.RemoveNode(node)
        if item:
            hierarchy.remove_items(scene, [item])
        for helper in helpers:
            if is_in_scene(scene, helper):
                scene.RemoveNode(helper)


def result_nodes(scene: Scene, volume_node: Node) -> list[Node]:
    """Every node of every result that was made from a volume, in the order of the scene."""
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    return [
        node
        for node in nodes
        if node.GetAttribute(PART_ATTRIBUTE) and node.GetNodeReferenceID(VOLUME_ROLE) == volume_node.GetID()
    ]


def remove_results(scene: Scene, volume_node: Node, nodes: Iterable[Node]) -> None:
    """Remove nodes of results, and the folders made for them that are empty then."""
    nodes = [node for node in nodes if is_in_scene(scene, node)]
    beside = hierarchy.parent_of(scene, volume_node)
    folders = {hierarchy.parent_of(scene, node) for node in nodes} - {beside}
    remove_nodes(scene, nodes)
    hierarchy.remove_items(scene, [item for item in folders if hierarchy.is_empty_folder(scene, item)])
