"""The summary of a cohort as one HTML file without outside references."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.cohort.state import FAILED, FINISHED, REFUSED
from MultiJointSegLib.pipeline.cohort.tables import Distribution, ExaminationRow
from MultiJointSegLib.report.page import format_value

_TEMPLATE = "cohort.html.j2"
_UNITS = {"mm2": "mm²", "mm3": "mm³", "deg": "°", "1": ""}
_PLOT_WIDTH = 180.0
_PLACE = "_centroid_"
"""In the keys of coordinates, which depend on the patient's position and mean nothing over a cohort."""


def write_page(
    path: Path, rows: Sequence[ExaminationRow], found: Sequence[Distribution], left_out: Sequence[str]
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path
        In the cohort's output folder: the links to the reports are relative to it.
    rows
        All examinations. What needs a look comes first: failed, refused, then the least sure.
    found
        Distributions of the measurements; coordinates are not shown.
    left_out
        Sentences on files that were passed over.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    bones = {bone.key: bone.name for bone in anatomy.all_bones()}
    shown = [d for d in found if _PLACE not in d.key]
    text = environment.get_template(_TEMPLATE).render(
        counts=[(state, sum(row.state == state for row in rows)) for state in (FINISHED, REFUSED, FAILED)],
        total=len(rows),
        rows=sorted(rows, key=_urgency),
        link=lambda row: urllib.parse.quote(f"{row.examination}/{names.REPORT_NAME}"),
        bones=bones,
        tables=[
            (anatomy.joint(joint).name, sum(row.joint == joint for row in rows), [d for d in shown if d.joint == joint])
            for joint in dict.fromkeys(d.joint for d in shown)
        ],
        number=lambda value: "–" if value is None else format_value(value),
        units=_UNITS,
        places=_places,
        plot_width=_PLOT_WIDTH,
        left_out=left_out,
    )
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _urgency(row: ExaminationRow) -> tuple[int, float, str]:
    order = {FAILED: 0, REFUSED: 1, FINISHED: 2}
    return order[row.state], row.least_bone_confidence or 0.0, row.examination


def _places(distribution: Distribution) -> list[float]:
    """Horizontal places of the values in a plot of `_PLOT_WIDTH`."""
    low, high = distribution.minimum, distribution.maximum
    if low is None or high is None or low == high:
        return [_PLOT_WIDTH / 2 for _ in distribution.values]
    return [round(5 + (value - low) / (high - low) * (_PLOT_WIDTH - 10), 1) for value in distribution.values]
