"""Markups that a person moves: their measurements follow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.scene.coordinates import flip_points
from MultiJointSegSlicer.scene.markups import SHOWN_ATTRIBUTE
from MultiJointSegSlicer.scene.models import sphere_polydata
from MultiJointSegSlicer.scene.mrml import Node, slicer
from MultiJointSegSlicer.scene.relations import value_of
from MultiJointSegSlicer.scene.tables import set_value
from MultiJointSegSlicer.strings import tr as _

MOVED_ATTRIBUTE = "MultiJointSeg.moved"
"""Node attribute: "1" on markups that a person moved."""


class MarkupWatch:
    """Writes the new value into the table whenever a markup of a result is moved.

    Notes
    -----
    Signal: `moved` (keys of the measurements whose rows changed).
    """

    def __init__(self) -> None:
        self.moved = Signal()
        self._observed: list[tuple[Node, int]] = []
        self._markups: tuple[Node, ...] = ()
        self._table: Node | None = None

    def watch(self, markups: Sequence[Node], table: Node | None) -> None:
        """Watch the markups of another result, or none."""
        if tuple(markups) == self._markups and table is self._table:
            return
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._markups, self._table = tuple(markups), table
        self._observed = [
            (node, node.AddObserver(slicer.vtkMRMLMarkupsNode.PointModifiedEvent, self._on_moved))
            for node in markups
            if table is not None and node.IsA("vtkMRMLMarkupsNode")
        ]

    def _on_moved(self, node: Node, _event: Any) -> None:
        if self._table is None:
            return
        node.SetAttribute(MOVED_ATTRIBUTE, "1")
        shown = _shown(node)
        if shown["type"] == "sphere":
            self._move_sphere(node)
        for each in shown["measurements"]:
            entries = self._entries(each["key"])
            value = None if entries is None else value_of(each["relation"], entries)
            if value is None:
                note = _(
                    "Its geometry was moved by hand, but the value is that of the surface: it takes more than that."
                )
            else:
                note = _("Set by hand: its geometry was moved.")
            set_value(self._table, each["key"], value, note)
        self.moved.emit({each["key"] for each in shown["measurements"]})

    def _entries(self, key: str) -> list[dict[str, Any]] | None:
        """Geometry entries of a measurement as the markups are now, in its order."""
        found: dict[int, dict[str, Any]] = {}
        for node in self._markups:
            if node.GetScene() is None or not node.IsA("vtkMRMLMarkupsNode"):
                continue
            shown = _shown(node)
            for each in shown["measurements"]:
                entry = entry_of(node, shown["type"]) if each["key"] == key else None
                if entry is not None:
                    found[each["place"]] = entry
        return [found[place] for place in sorted(found)] or None

    def _move_sphere(self, node: Node) -> None:
        """Move the translucent model that belongs to the diameter."""
        entry = entry_of(node, "sphere")
        for other in self._markups:
            same = other.GetAttribute(SHOWN_ATTRIBUTE) == node.GetAttribute(SHOWN_ATTRIBUTE)
            if entry is not None and same and other.IsA("vtkMRMLModelNode"):
                other.SetAndObservePolyData(sphere_polydata(entry["center_mm"], entry["radius_mm"]))


def was_moved(node: Node) -> bool:
    """Whether a person moved a markup."""
    return node.GetAttribute(MOVED_ATTRIBUTE) == "1"


def measurements_shown_by(node: Node) -> set[str]:
    """Keys of the measurements that a markup shows."""
    return {each["key"] for each in _shown(node)["measurements"]}


def entry_of(node: Node, kind: str) -> dict[str, Any] | None:
    """Geometry entry (LPS mm) of a markup as it is now; None while its points are being placed."""
    if kind == "plane":
        return {"point_mm": flip_points(node.GetOrigin()).tolist(), "normal": flip_points(node.GetNormal()).tolist()}
    if node.GetNumberOfControlPoints() < (1 if kind == "point" else 2):
        return None
    points = flip_points([node.GetNthControlPointPosition(n) for n in range(node.GetNumberOfControlPoints())])
    if kind == "point":
        return {"position_mm": points[0].tolist()}
    if kind == "line":
        return {"start_mm": points[0].tolist(), "end_mm": points[1].tolist()}
    radius = float(np.linalg.norm(points[1] - points[0])) / 2
    return {"center_mm": points[:2].mean(axis=0).tolist(), "radius_mm": radius}


def _shown(node: Node) -> dict[str, Any]:
    try:
        shown: dict[str, Any] = json.loads(node.GetAttribute(SHOWN_ATTRIBUTE) or "")
    except ValueError:
        return {"type": "", "measurements": []}
    return shown
