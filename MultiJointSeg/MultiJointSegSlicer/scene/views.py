"""Slice and 3-D views that look at the bones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

from MultiJointSegSlicer.scene.mrml import Node, Scene, slicer
from MultiJointSegSlicer.scene.segmentations import CLOSED_SURFACE

MARGIN = 1.2
"""Width of a view over the size of what it shows."""

_SLICE_VIEWS = (("Red", "R", "Axial"), ("Green", "G", "Coronal"), ("Yellow", "Y", "Sagittal"))
"""Name, letter and orientation of Slicer's standard slice views."""


def show_in_views(scene: Scene, volume_node: Node, segmentation_node: Node | None, *, create: bool = False) -> None:
    """Show the volume in the slice views, cut through the middle of the bones, and turn the 3-D view to them.

    The 3-D view looks from the front. Slices keep their orientation.

    Parameters
    ----------
    segmentation_node
        Its closed surfaces are looked at; without any, the whole volume.
    create
        Make the view nodes, which the application has by itself: for scenes that are only written.
    """
    if create:
        _create_views(scene)
    low, high = _bounds(volume_node, segmentation_node)
    center = (low + high) / 2
    size = float(max(high - low))
    for composite in _nodes(scene, "vtkMRMLSliceCompositeNode"):
        composite.SetBackgroundVolumeID(volume_node.GetID())
    for view in _nodes(scene, "vtkMRMLSliceNode"):
        width, height, _ = view.GetDimensions()
        scale = MARGIN * size / max(1, min(width, height))
        view.SetFieldOfView(scale * width, scale * height, view.GetFieldOfView()[2])
        view.JumpSliceByCentering(*center)
    for camera in _nodes(scene, "vtkMRMLCameraNode"):
        half_angle = math.radians(camera.GetViewAngle() / 2)
        distance = MARGIN * float(np.linalg.norm(high - low)) / 2 / math.sin(half_angle)
        camera.SetFocalPoint(*center)
        camera.SetPosition(center[0], center[1] + distance, center[2])
        camera.SetViewUp(0.0, 0.0, 1.0)
        camera.ResetClippingRange()


def jump_to(scene: Scene, volume_node: Node, position_ras_mm: Sequence[float]) -> None:
    """Move every slice view to a position (RAS mm) given without the transform that the volume is under."""
    position = list(position_ras_mm)
    if volume_node.GetParentTransformNode() is not None:
        to_world = vtkGeneralTransform()
        volume_node.GetParentTransformNode().GetTransformToWorld(to_world)
        position = list(to_world.TransformPoint(*position))
    jump_everywhere(scene, position)


def jump_everywhere(scene: Scene, position_ras_mm: Sequence[float]) -> None:
    """Move every slice view to a position in the world (RAS mm)."""
    for view in _nodes(scene, "vtkMRMLSliceNode"):
        view.JumpSliceByCentering(*position_ras_mm)


def show_measured_surfaces(segmentation_node: Node, models: Iterable[Node]) -> None:
    """Show the models in 3-D instead of the segmentation, which stays in the slices.

    For scenes that are written: when Slicer loads one, it makes the segmentation's surfaces anew from the masks, with
    the steps of thick slices, while the models keep the surfaces that were measured.
    """
    segmentation_node.GetDisplayNode().SetVisibility3D(False)
    for model in models:
        model.GetDisplayNode().SetVisibility(True)


def _create_views(scene: Scene) -> None:
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    for name, letter, orientation in _SLICE_VIEWS:
        view = _singleton(scene, "vtkMRMLSliceNode", name)
        view.SetLayoutName(name)
        view.SetLayoutLabel(letter)
        view.SetLayoutColor(getattr(slicer.vtkMRMLSliceNode, f"Get{name}Color")())
        view.SetOrientation(orientation)
        _singleton(scene, "vtkMRMLSliceCompositeNode", name).SetLayoutName(name)
    view = _singleton(scene, "vtkMRMLViewNode", "1")
    view.SetLayoutName("1")
    view.SetLayoutLabel("1")
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode", "3D View camera")
    camera.SetLayoutName("1")


def _singleton(scene: Scene, class_name: str, tag: str) -> Node:
    node = scene.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.SetSingletonTag(tag)
    node.SetName(tag)
    return scene.AddNode(node)


def _nodes(scene: Scene, class_name: str) -> Iterator[Node]:
    for index in range(scene.GetNumberOfNodesByClass(class_name)):
        yield scene.GetNthNodeByClass(index, class_name)


def _bounds(volume_node: Node, segmentation_node: Node | None) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest RAS corner (3,) in mm of the bones, or of the volume where there are none."""
    found = []
    if segmentation_node is not None:
        segmentation = segmentation_node.GetSegmentation()
        for segment_id in segmentation.GetSegmentIDs():
            surface = segmentation.GetSegment(segment_id).GetRepresentation(CLOSED_SURFACE)
            if surface is not None and surface.GetNumberOfPoints():
                found.append(surface.GetBounds())
    if not found:
        whole = [0.0] * 6
        volume_node.GetRASBounds(whole)
        found.append(tuple(whole))
    corners = np.asarray(found)
    return corners[:, 0::2].min(axis=0), corners[:, 1::2].max(axis=0)
