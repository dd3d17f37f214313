"""The doubt about every voxel, laid over the slices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegSlicer.scene.mrml import Node, Scene
from MultiJointSegSlicer.scene.volumes import image_in_ras

COLORS_TAG = "MultiJointSegDoubt"
"""Singleton tag of the color table."""

CLEAR_BELOW = 10
"""Percent of doubt that is not shown: the edge of every bone has as much."""

OPACITY = 0.7

_STOPS = ((CLEAR_BELOW, (1.0, 1.0, 0.6)), (50, (1.0, 0.65, 0.0)), (100, (0.85, 0.0, 0.15)))
"""Percent and color, from pale yellow through orange to red: darker is worse, for eyes that see no green as well."""


def add_uncertainty_node(scene: Scene, doubt: Volume, *, name: str) -> Node:
    """Add a vtkMRMLLabelMapVolumeNode that holds percent (uint8), with its color table.

    It is a label map although it is an image: so it goes into the label layer of the slice views, which is free
    beside volume and segmentation, and no list offers it as an examination.
    """
    image, matrix = image_in_ras(doubt)
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", name)
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(matrix)
    # The default display looks for a color table that only the application has, and warns without it.
    display = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeDisplayNode")
    display.SetAndObserveColorNodeID(_colors(scene).GetID())
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def show_overlay(scene: Scene, node: Node, *, visible: bool) -> None:
    """Lay the doubt over every slice view, or take it away."""
    for composite in _composites(scene):
        if visible:
            composite.SetLabelVolumeID(node.GetID())
            composite.SetLabelOpacity(OPACITY)
        elif composite.GetLabelVolumeID() == node.GetID():
            composite.SetLabelVolumeID(None)


def is_shown(scene: Scene, node: Node) -> bool:
    """Whether any slice view shows the doubt."""
    return any(composite.GetLabelVolumeID() == node.GetID() for composite in _composites(scene))


def _composites(scene: Scene) -> Iterator[Node]:
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        yield scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")


def _colors(scene: Scene) -> Node:
    node = scene.GetSingletonNode(COLORS_TAG, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = scene.CreateNodeByClass("vtkMRMLColorTableNode")
    node.UnRegister(None)
    node.SetSingletonTag(COLORS_TAG)
    node.SetName("Doubt in percent")
    node.SetTypeToUser()
    node.SetNumberOfColors(101)
    for percent in range(101):
        node.SetColor(percent, f"{percent} %", *_color(percent), 0.0 if percent < CLEAR_BELOW else 1.0)
    return scene.AddNode(node)


def _color(percent: int) -> tuple[float, float, float]:
    for (low, first), (high, second) in itertools.pairwise(_STOPS):
        if percent <= high:
            share = max(percent - low, 0) / (high - low)
            red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
            return red, green, blue
    return _STOPS[-1][1]
