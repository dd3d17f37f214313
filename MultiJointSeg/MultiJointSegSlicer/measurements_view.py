"""The measurements of a table node as rows for people and for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any

COLUMNS = ("Bone", "Measurement", "Value", "Unit", "Note")
"""Columns that are shown; the others are in the tooltips and the files."""


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """A row: what is shown, and the whole name with definition and source."""

    cells: tuple[str, ...]
    tip: str


def measurement_rows(table_node: Any) -> list[MeasurementRow]:
    """Rows of a table node made by `scene.tables.add_table_node`."""
    table = table_node.GetTable()
    rows = []
    for index in range(table.GetNumberOfRows()):
        cells = tuple(_text(table.GetValueByName(index, name)) for name in COLUMNS)
        definition, reference = (_text(table.GetValueByName(index, name)) for name in ("Definition", "Reference"))
        rows.append(MeasurementRow(cells, "\n".join(filter(None, (cells[1], definition, reference)))))
    return rows


def measurements_csv(table_node: Any) -> str:
    """All columns of a table node as CSV; an empty cell where there is no value."""
    table = table_node.GetTable()
    names = [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in range(table.GetNumberOfRows()):
        writer.writerow([_text(table.GetValueByName(row, name), digits=6) for name in names])
    return text.getvalue()


def _text(variant: Any, *, digits: int = 4) -> str:
    if variant.IsString():
        text = str(variant.ToString())
        return "" if text == "-" else text
    value = variant.ToDouble()
    if math.isnan(value):
        return ""
    # Whole numbers from 10 000 on keep all their digits: 123456 mm3, not 1.235e+05 mm3.
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
