"""Points that say where a person should look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from MultiJointSegSlicer.scene.coordinates import flip_points
from MultiJointSegSlicer.scene.mrml import Node, Scene

COLOR = (1.0, 0.2, 0.8)
"""Unlike every bone's."""

GLYPH_SCALE, TEXT_SCALE = 2.0, 3.5
"""Percent of the view."""


def add_marks_node(scene: Scene, points_mm: Sequence[Sequence[float]], *, name: str) -> Node:
    """Add a vtkMRMLMarkupsFiducialNode with a numbered point for each place; nobody moves them by accident.

    Parameters
    ----------
    points_mm
        LPS mm; the first gets the number 1.
    """
    node: Any = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for number, point in enumerate(flip_points(points_mm) if len(points_mm) else (), start=1):
        node.AddControlPoint(point.tolist(), str(number))
    node.SetLocked(True)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(*COLOR)
    display.SetSelectedColor(*COLOR)
    display.SetGlyphScale(GLYPH_SCALE)
    display.SetTextScale(TEXT_SCALE)
    return node
