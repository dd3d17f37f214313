"""The geometry of measurements as editable markups."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegSlicer.scene.coordinates import flip_points
from MultiJointSegSlicer.scene.models import BONE_ATTRIBUTE, add_sphere_node
from MultiJointSegSlicer.scene.mrml import Node, Scene
from MultiJointSegSlicer.scene.relations import relation_of

MEASUREMENT_ATTRIBUTE = "MultiJointSeg.measurement"
"""Node attribute: key of the measurement that a markup shows."""

SHOWN_ATTRIBUTE = "MultiJointSeg.shown"
"""Node attribute: JSON of the geometry's type and of the measurements it shows, each with key, place among the
geometries of that measurement, and relation (`relations.relation_of`)."""

PLANE_SIZE_MM = 60.0
"""Edge of the square that stands for an infinite plane: about the width of a child's knee."""

GLYPH_SCALE, TEXT_SCALE = 1.5, 2.5
"""Percent of the view: Slicer's own handles and letters hide a child's bone when many measurements are shown."""

_JOINT_COLOR = (255, 255, 0)


@dataclass(frozen=True, slots=True)
class SharedGeometry:
    """A named geometry and the measurements that it shows, at least one."""

    label: str
    measurements: tuple[Measurement, ...]

    @property
    def entry(self) -> dict[str, Any]:
        """The geometry, as in `Measurement.geometry`."""
        return self.measurements[0].geometry[self.label]


def shared_geometry(measurements: Sequence[Measurement]) -> list[SharedGeometry]:
    """Geometries of the measurements, each once, in order."""
    shown: dict[tuple[str, str], tuple[str, list[Measurement]]] = {}
    for measurement in measurements:
        for label, entry in measurement.geometry.items():
            if label == "view":  # only the direction to look from
                continue
            identity = (measurement.bone, repr(sorted(entry.items())))
            shown.setdefault(identity, (label, []))[1].append(measurement)
    return [SharedGeometry(label, tuple(sharing)) for label, sharing in shown.values()]


def add_measurement_nodes(scene: Scene, measurements: Sequence[Measurement], *, visible: bool = False) -> list[Node]:
    """Add nodes that show the geometry of measurements; geometry shared by several measurements is shown once.

    A point becomes a point list, a line a line, a plane a plane markup; a sphere becomes its diameter along the
    left-right axis, as a line, and a translucent model. Positions are converted from LPS to RAS mm.
    """
    parts = shared_geometry(measurements)
    return [node for part in parts for node in add_geometry_nodes(scene, part, visible=visible)]


def add_geometry_nodes(scene: Scene, part: SharedGeometry, *, visible: bool = False) -> list[Node]:
    """Add the nodes of one geometry."""
    name = _name(part.measurements, part.label)
    nodes = _add_entry(scene, part.measurements[0], part.label, name, visible=visible)
    shown = [
        {"key": m.key, "place": list(m.geometry).index(_label_in(m, part)), "relation": relation_of(m)}
        for m in part.measurements
    ]
    for node in nodes:
        node.SetAttribute(SHOWN_ATTRIBUTE, json.dumps({"type": part.entry["type"], "measurements": shown}))
    return nodes


def _label_in(measurement: Measurement, part: SharedGeometry) -> str:
    """Name that the shared geometry has in one of the measurements."""
    return next(label for label, entry in measurement.geometry.items() if entry == part.entry)


def _name(sharing: Sequence[Measurement], label: str) -> str:
    """Name of a geometry: the words with which the names of all measurements that share it begin."""
    words = [measurement.name.replace(",", "").split() for measurement in sharing]
    common = [same[0] for same in itertools.takewhile(lambda at: len(set(at)) == 1, zip(*words, strict=False))]
    label = label.replace("_", " ")
    if not common or any(len(measurement.geometry) > 1 for measurement in sharing):
        common.append(label)
    bone = sharing[0].bone
    return f"{anatomy.bone(bone).name if bone else 'Joint'} - {' '.join(common)}"


def _add_entry(scene: Scene, measurement: Measurement, label: str, name: str, *, visible: bool) -> list[Node]:
    entry: dict[str, Any] = measurement.geometry[label]
    bone = anatomy.bone(measurement.bone) if measurement.bone else None
    kind = entry["type"]
    if kind == "point":
        nodes = [_add_markup(scene, "vtkMRMLMarkupsFiducialNode", name, [entry["position_mm"]], bone, visible=visible)]
    elif kind == "line":
        ends = [entry["start_mm"], entry["end_mm"]]
        nodes = [_add_markup(scene, "vtkMRMLMarkupsLineNode", name, ends, bone, visible=visible)]
    elif kind == "plane":
        nodes = [_add_plane(scene, entry, name, bone, visible=visible)]
    else:
        nodes = _add_sphere(scene, entry, name, bone, visible=visible)
    for node in nodes:
        node.SetAttribute(MEASUREMENT_ATTRIBUTE, measurement.key)
        node.SetDescription(measurement.definition)
    return nodes


def _add_markup(
    scene: Scene, class_name: str, name: str, points_mm: Sequence[Any], bone: Bone | None, *, visible: bool
) -> Node:
    node = scene.AddNewNodeByClass(class_name, name)
    for point in flip_points(points_mm):
        node.AddControlPoint(point.tolist(), name if len(points_mm) == 1 else "")
    _set_display(node, bone, visible=visible)
    return node


def _add_plane(scene: Scene, entry: dict[str, Any], name: str, bone: Bone | None, *, visible: bool) -> Node:
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", name)
    node.SetOrigin(flip_points(entry["point_mm"]).tolist())
    node.SetNormal(flip_points(entry["normal"]).tolist())
    node.SetSize(PLANE_SIZE_MM, PLANE_SIZE_MM)
    _set_display(node, bone, visible=visible)
    return node


def _add_sphere(scene: Scene, entry: dict[str, Any], name: str, bone: Bone | None, *, visible: bool) -> list[Node]:
    x, y, z = entry["center_mm"]
    radius = entry["radius_mm"]
    ends = [[x - radius, y, z], [x + radius, y, z]]
    diameter = _add_markup(scene, "vtkMRMLMarkupsLineNode", f"{name} diameter", ends, bone, visible=visible)
    return [diameter, add_sphere_node(scene, [x, y, z], radius, bone, name=name, visible=visible)]


def _set_display(node: Node, bone: Bone | None, *, visible: bool) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    color = [channel / 255.0 for channel in (bone.color if bone else _JOINT_COLOR)]
    display.SetSelectedColor(color)
    display.SetColor(color)
    display.SetVisibility(visible)
    display.SetGlyphScale(GLYPH_SCALE)
    display.SetTextScale(TEXT_SCALE)
    if bone is not None:
        node.SetAttribute(BONE_ATTRIBUTE, bone.key)
