"""Measurements as a table node."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from vtkmodules.vtkCommonCore import VTK_DOUBLE, VTK_STRING, vtkDoubleArray, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkTable

from MultiJointSegLib import anatomy
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.published_values import published_values
from MultiJointSegSlicer.scene.mrml import Node, Scene

SIGNIFICANT_DIGITS = 6
"""Numbers in the table are rounded to this: Slicer's table files keep no more, and no measurement has more."""

EMPTY = "-"
"""Text of a cell without content."""

COLUMNS = {
    "Bone": "Bone that was measured; - for measures of the whole joint",
    "Measurement": "What was measured",
    "Value": "Number in the unit of the next column; nan where it cannot be given, and then the note says why",
    "Unit": "mm, mm2, mm3, deg, or 1 for a ratio",
    "Error estimate": "Standard error in the same unit; nan where none was estimated",
    "Definition": "How the value is defined",
    "Reference": "Source of the definition or formula",
    "Published values": "What other studies found, with age group and source; no limit between healthy and ill",
    "Note": "What to know before the value is used, or why there is none",
    "Key": "Name of the measurement in files",
}
"""Column names and their descriptions, which Slicer shows as tooltips of the column headers."""

_NUMBERS = ("Value", "Error estimate")


def add_table_node(scene: Scene, measurements: Sequence[Measurement], *, name: str) -> Node:
    """Add a vtkMRMLTableNode with one row per measurement; values rounded to `SIGNIFICANT_DIGITS`.

    measurements.csv and measurements.json hold the unrounded values.
    """
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    fill_table_node(node, measurements)
    for column_name, description in COLUMNS.items():
        node.SetColumnType(column_name, VTK_DOUBLE if column_name in _NUMBERS else VTK_STRING)
        node.SetColumnDescription(column_name, description)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetLocked(True)
    return node


def fill_table_node(node: Node, measurements: Sequence[Measurement]) -> None:
    """Give a table node of `add_table_node` other measurements."""
    table = vtkTable()
    rows = [_row(m) for m in measurements]
    for index, column_name in enumerate(COLUMNS):
        column: Any = vtkDoubleArray() if column_name in _NUMBERS else vtkStringArray()
        column.SetName(column_name)
        for row in rows:
            column.InsertNextValue(row[index])
        table.AddColumn(column)
    node.SetAndObserveTable(table)


def set_value(node: Node, key: str, value: float | None, note: str) -> None:
    """Change value and note of one measurement of a table node; its error estimate no longer holds."""
    table = node.GetTable()
    keys = table.GetColumnByName("Key")
    for row in range(table.GetNumberOfRows()):
        if keys.GetValue(row) == key:
            if value is not None:
                table.GetColumnByName("Value").SetValue(row, _number(value))
            table.GetColumnByName("Error estimate").SetValue(row, math.nan)
            table.GetColumnByName("Note").SetValue(row, _text(note))
    table.Modified()
    node.Modified()


def _row(m: Measurement) -> tuple[str | float, ...]:
    bone = anatomy.bone(m.bone).name if m.bone else EMPTY
    published = " | ".join(value.sentence() for value in published_values(m.key))
    texts = (m.definition, m.reference, published, m.reason or m.note, m.key)
    return (bone, _text(m.name), _number(m.value), m.unit, _number(m.error_estimate), *map(_text, texts))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _text(value: str) -> str:
    # The table's file has one line per row and tabs between cells, and loses double quotes and empty cells.
    return " ".join(value.replace('"', "'").split()) or EMPTY


def kept_rows(node: Node, keys: Collection[str]) -> dict[str, tuple[float | None, str]]:
    """Value and note of the measurements with these keys."""
    table = node.GetTable()
    names, values, notes = (table.GetColumnByName(name) for name in ("Key", "Value", "Note"))
    found = {}
    for row in range(table.GetNumberOfRows()):
        if names.GetValue(row) in keys:
            value = values.GetValue(row)
            found[names.GetValue(row)] = (None if math.isnan(value) else value, notes.GetValue(row))
    return found
