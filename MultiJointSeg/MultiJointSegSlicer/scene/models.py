"""Surfaces as model nodes."""

from __future__ import annotations

from typing import Any

from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
from vtkmodules.vtkFiltersSources import vtkSphereSource

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.surface.mesh import Surface, from_polydata, to_polydata
from MultiJointSegSlicer.scene.coordinates import flip_points, flip_surface
from MultiJointSegSlicer.scene.mrml import Node, Scene

BONE_ATTRIBUTE = "MultiJointSeg.bone"
"""Node attribute: key of the bone that a model or markup belongs to."""


def ras_polydata(surface: Surface) -> Any:
    """Give a surface in LPS mm as vtkPolyData in RAS mm: the same points and triangles, with normals for shading.

    Points are float32, as in all of Slicer: a hundred millimeters away that is a hundred-thousandth of a millimeter.
    """
    normals = vtkPolyDataNormals()
    normals.SetInputData(to_polydata(flip_surface(surface)))
    normals.SetOutputPointsPrecision(vtkAlgorithm.SINGLE_PRECISION)
    # Points must stay as they are, one to one.
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()


def add_model_node(scene: Scene, surface: Surface, bone: Bone, *, name: str = "", visible: bool = False) -> Node:
    """Add a vtkMRMLModelNode of a bone's surface (LPS mm), in the bone's color.

    Models hold the surfaces that were measured. They are hidden unless asked for, since the segmentation shows the
    same bones, and goes on showing them when masks are edited.
    """
    return _add(scene, ras_polydata(surface), bone, name or bone.name, visible=visible, opacity=1.0)


def add_sphere_node(
    scene: Scene, center_mm: list[float], radius_mm: float, bone: Bone | None, *, name: str, visible: bool = False
) -> Node:
    """Add a translucent vtkMRMLModelNode of a sphere given in LPS mm."""
    return _add(scene, sphere_polydata(center_mm, radius_mm), bone, name, visible=visible, opacity=0.4)


def sphere_polydata(center_mm: list[float], radius_mm: float) -> Any:
    """Sphere given in LPS mm as vtkPolyData in RAS mm."""
    source = vtkSphereSource()
    source.SetCenter(flip_points(center_mm).tolist())
    source.SetRadius(radius_mm)
    source.SetThetaResolution(48)
    source.SetPhiResolution(25)
    source.Update()
    return source.GetOutput()


def surface_from_node(node: Node) -> Surface:
    """Surface in LPS mm of a model node, without the transform that the node may be under."""
    return flip_surface(from_polydata(node.GetPolyData()))


def _add(scene: Scene, polydata: Any, bone: Bone | None, name: str, *, visible: bool, opacity: float) -> Node:
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAndObservePolyData(polydata)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetOpacity(opacity)
    display.SetVisibility(visible)
    if bone is not None:
        display.SetColor([channel / 255.0 for channel in bone.color])
        node.SetAttribute(BONE_ATTRIBUTE, bone.key)
    return node
