"""Where nodes stand in the subject hierarchy, the tree that Slicer's users see."""

from __future__ import annotations

from collections.abc import Sequence

from vtkmodules.vtkCommonCore import vtkIdList

from MultiJointSegSlicer.scene.mrml import Node, Scene, slicer

_OWNERS = (
    ("vtkMRMLLabelMapVolumeNode", "LabelMaps"),
    ("vtkMRMLScalarVolumeNode", "Volumes"),
    ("vtkMRMLSegmentationNode", "Segmentations"),
    ("vtkMRMLModelNode", "Models"),
    ("vtkMRMLTableNode", "Tables"),
    ("vtkMRMLMarkupsNode", "Markups"),
)
"""Subject hierarchy plugin of each node class. The application finds it by itself, without it we say it."""


def tree(scene: Scene) -> Node:
    """Subject hierarchy node of the scene."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def item_of(scene: Scene, node: Node) -> int:
    """Item of a node; made, at the top, if the node has none."""
    hierarchy = tree(scene)
    item = hierarchy.GetItemByDataNode(node)
    if not item:
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    if not hierarchy.GetItemOwnerPluginName(item):
        for class_name, plugin in _OWNERS:
            if node.IsA(class_name):
                hierarchy.SetItemOwnerPluginName(item, plugin)
                break
    return int(item)


def add_folder(scene: Scene, parent_item: int, name: str) -> int:
    """Add a folder under an item; 0 or the scene's own item is the top."""
    hierarchy = tree(scene)
    item = hierarchy.CreateFolderItem(parent_item or hierarchy.GetSceneItemID(), name)
    if not hierarchy.GetItemOwnerPluginName(item):
        hierarchy.SetItemOwnerPluginName(item, "Folder")
    return int(item)


def parent_of(scene: Scene, node: Node) -> int:
    """Item that the node's item is under."""
    return int(tree(scene).GetItemParent(item_of(scene, node)))


def place(scene: Scene, nodes: Sequence[Node], parent_item: int) -> None:
    """Put nodes under an item, in order."""
    for node in nodes:
        tree(scene).SetItemParent(item_of(scene, node), parent_item)


def remove_items(scene: Scene, items: Sequence[int]) -> None:
    """Remove items that are still there, without what is under them."""
    hierarchy = tree(scene)
    for item in items:
        # The application removes the items of removed nodes by itself, and complains when it is asked about them.
        present = vtkIdList()
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), present, True)
        if present.IsId(item) >= 0:
            hierarchy.RemoveItem(item, False, False)


def is_empty_folder(scene: Scene, item: int) -> bool:
    """Whether an item is a folder with nothing in it; the scene's own item is none."""
    hierarchy = tree(scene)
    if item == hierarchy.GetSceneItemID() or hierarchy.GetItemDataNode(item) is not None:
        return False
    return not hierarchy.GetNumberOfItemChildren(item)
