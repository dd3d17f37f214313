"""The parameter set that our Segment Editor works with: our own, so that Slicer's module keeps its settings."""

from __future__ import annotations

from typing import Any

from MultiJointSegSlicer.scene.mrml import Node, Scene

EDITOR_TAG = "MultiJointSeg"
"""Singleton tag of the node; by it the node is found again in a loaded scene."""

_PREPARED = "MultiJointSeg.prepared"


def editor_parameters(scene: Scene) -> Node:
    """VtkMRMLSegmentEditorNode of our editor; made if the scene has none.

    Segments may overlap in it, unlike in Slicer's default: where bones touch, painting one must not silently take
    voxels from its neighbor.
    """
    node = scene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(EDITOR_TAG)
        node = scene.AddNode(node)
    # Closing a scene keeps the node and gives it Slicer's defaults; what a person chose after this stays.
    if node.GetAttribute(_PREPARED) is None:
        node.SetAttribute(_PREPARED, "1")
        node.SetOverwriteMode(node.OverwriteNone)
    return node


def segment_to_edit(segmentation_node: Node, bone: str) -> str:
    """ID of the segment of a bone, else of the first segment; "" if there is none."""
    ids: Any = segmentation_node.GetSegmentation().GetSegmentIDs()
    if bone in ids:
        return bone
    return str(ids[0]) if ids else ""
