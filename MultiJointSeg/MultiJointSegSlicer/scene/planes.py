"""Proposed imaging planes as editable markups."""

from __future__ import annotations

from collections.abc import Sequence

from MultiJointSegSlicer.scene.coordinates import flip_points
from MultiJointSegSlicer.scene.mrml import Node, Scene

PLANE_ATTRIBUTE = "MultiJointSeg.plane"
"""Attribute of a plane node: the view that was proposed, for example "sagittal"."""

SIZE_MM = 120.0
"""Edge of the square that is shown: about the field of view of a child's joint."""

FILL_OPACITY = 0.15
"""The image under a plane stays to be seen."""

_COLORS = ((1.0, 0.85, 0.1), (0.2, 0.9, 0.4), (0.3, 0.7, 1.0), (1.0, 0.5, 0.3))


def add_plane_node(
    scene: Scene, name: str, point_mm: Sequence[float], normal: Sequence[float], *, number: int = 0
) -> Node:
    """Add a vtkMRMLMarkupsPlaneNode that a person can move and turn.

    Parameters
    ----------
    name
        Of the view; the node is called "NAME plane".
    point_mm, normal
        LPS mm; a point of the plane, and the direction in which slices are counted.
    number
        Chooses the color.
    """
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", f"{name} plane")
    node.SetOrigin(flip_points(point_mm).tolist())
    node.SetNormal(flip_points(normal).tolist())
    node.SetSize(SIZE_MM, SIZE_MM)
    node.SetAttribute(PLANE_ATTRIBUTE, name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    color = _COLORS[number % len(_COLORS)]
    display.SetColor(*color)
    display.SetSelectedColor(*color)
    display.SetFillOpacity(FILL_OPACITY)
    display.SetHandlesInteractive(True)
    return node
