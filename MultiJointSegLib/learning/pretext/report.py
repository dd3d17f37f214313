"""What a pretraining learned, as one HTML file without outside references."""

from __future__ import annotations

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import MultiJointSegLib
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.pretext.pictures import CHANNEL_COLORS, location_picture, loss_picture, study_picture
from MultiJointSegLib.learning.pretext.pretraining import Pretraining
from MultiJointSegLib.learning.pretext.training import LOG_FILE
from MultiJointSegLib.progress import Progress, SilentProgress

REPORT_FILE = "report.html"
SHOWN_STUDIES = 6
_TEMPLATE = "pretraining.html.j2"
_COLUMNS = (
    ("line_mm", "Line position (mm)", 2),
    ("line_deg", "Line angle (°)", 2),
    ("plane_mm", "Plane distance (mm)", 2),
    ("plane_deg", "Plane angle (°)", 2),
    ("location", "Location", 3),
)


def write_report(result: Pretraining, progress: Progress = SilentProgress()) -> Path:  # noqa: B008
    """Write report.html into the folder of a pretraining, whole or not at all; returns its path."""
    config = result.record["config"]
    kind = config["network"]["domains"]
    shown = result.held_back[:SHOWN_STUDIES]
    pictures = []
    for index, study in enumerate(shown):
        progress.report(index / len(shown), "Writing the report")
        pictures.append((study.name, study_picture(result.network, study, result.slices, kind)))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(_TEMPLATE).render(
        columns=[name for _, name, _ in _COLUMNS],
        rows=[
            ("All views" if row == "all" else row.capitalize(), row == "all", [_cell(cells, *c) for c in _COLUMNS])
            for row, cells in result.record["errors"].items()
        ],
        train=result.record["studies"]["train"],
        held_back=result.record["studies"]["held_back"],
        pictures=pictures,
        colors=CHANNEL_COLORS,
        locations=location_picture(result.slices),
        losses=loss_picture(result.folder / LOG_FILE),
        notes=result.record["notes"],
        config=config,
        version=MultiJointSegLib.__version__,
    )
    path = result.folder / REPORT_FILE
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _cell(cells: dict[str, dict[str, float]], key: str, _name: str, digits: int) -> tuple[str, str, str]:
    """Mean; median and 90th percentile; how many of how many."""
    if key not in cells:
        return "–", "", ""
    values = cells[key]
    counted = f"{values['count']} of {values['total']}" if key != "location" else f"{values['count']} slices"
    if math.isnan(values["mean"]):
        return "–", "", counted
    return (
        f"{values['mean']:.{digits}f}",
        f"median {values['median']:.{digits}f}, 90 % below {values['p90']:.{digits}f}",
        counted,
    )
