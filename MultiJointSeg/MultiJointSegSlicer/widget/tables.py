"""Filling a QTableWidget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from MultiJointSegSlicer.widget.tools import Tools

ROW_HEIGHT = 24
"""In pixels; Qt's own rows are taller than their text needs."""

WIDEST_COLUMN = 150
"""In pixels: with longer names the values would stand outside of Slicer's narrow panel. Tooltips hold the rest."""


def fill_table(table: Any, tools: Tools, rows: Sequence[Sequence[str]], tips: Sequence[str] = ()) -> None:
    """Replace the rows of a table; `tips` are tooltips of whole rows."""
    table.clearContents()
    table.rowCount = len(rows)
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            item = tools.make_item(text)
            if r < len(tips):
                item.setToolTip(tips[r])
            table.setItem(r, c, item)
    table.verticalHeader().defaultSectionSize = ROW_HEIGHT
    # The last column takes the rest of the width only when this is switched on after the others got theirs.
    table.horizontalHeader().stretchLastSection = False
    table.resizeColumnsToContents()
    for column in range(table.columnCount - 1):
        table.setColumnWidth(column, min(table.columnWidth(column), WIDEST_COLUMN))
    table.horizontalHeader().stretchLastSection = True


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as text with tabs, which spreadsheets take from the clipboard."""
    return "\n".join("\t".join(" ".join(cell.split()) for cell in row) for row in (header, *rows)) + "\n"
