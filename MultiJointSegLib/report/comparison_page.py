"""The comparison of two examinations as one HTML file without outside references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from MultiJointSegLib import anatomy
from MultiJointSegLib.morphology.change import CERTAIN, Change, ShapeChange
from MultiJointSegLib.report.change_picture import distance_pictures
from MultiJointSegLib.report.figures import data_address
from MultiJointSegLib.report.page import UNITS, format_value
from MultiJointSegLib.surface.mesh import Surface

_RANGES_MM = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
_TEMPLATE = "comparison.html.j2"


@dataclass(frozen=True, slots=True)
class _Row:
    bone: str
    name: str
    first: str
    second: str
    change: str
    error: str
    unit: str
    certain: bool
    remark: str


@dataclass(frozen=True, slots=True)
class _Shape:
    name: str
    summary: str
    pictures: list[tuple[str, str]]


def _text(value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{sign if sign == '± ' or value >= 0 else ''}{format_value(value)}"


def _rows(joint: anatomy.Joint, changes: Sequence[Change]) -> list[_Row]:
    bones = {bone.key: bone.name for bone in joint.bones}
    return [
        _Row(
            bones.get(c.bone, "Joint"),
            c.name,
            _text(c.first),
            _text(c.second),
            _text(c.change, "+"),
            "" if c.error is None else _text(c.error, "± "),
            UNITS.get(c.unit, c.unit),
            bool(c.certain),
            c.remark,
        )
        for c in changes
    ]


def write_comparison(
    path: Path,
    joint: anatomy.Joint,
    changes: Sequence[Change],
    shapes: Sequence[ShapeChange],
    laid: Mapping[str, Surface],
    distances: Mapping[str, np.ndarray],
    run: Mapping[str, object],
) -> list[str]:
    """Write the page.

    Parameters
    ----------
    path
        Ends with ``.html``; written under a temporary name, then renamed.
    joint
        What both examinations show.
    changes, shapes
        Of the measures, and of the bones.
    laid, distances
        By bone: second surface on the first (LPS mm), and the change (n,) in mm at its points.
    run
        Content of run.json.

    Returns
    -------
    list of str
        Sentences on what had to be left out; empty if nothing.
    """
    left_out: list[str] = []
    shown = []
    for shape in shapes:
        reach = max(abs(shape.low_mm), abs(shape.high_mm))
        limit = next((mm for mm in _RANGES_MM if mm >= reach), _RANGES_MM[-1])
        pictures, reason = distance_pictures(
            {shape.bone: laid[shape.bone]}, {shape.bone: distances[shape.bone]}, (-limit, limit)
        )
        left_out += [reason] if reason and reason not in left_out else []
        summary = (
            f"median {shape.median_mm:+.2f} mm, nine tenths from {shape.low_mm:+.2f} to {shape.high_mm:+.2f} mm; "
            f"{100 * shape.compared_share:.0f} % of the surface is in both"
        )
        addresses = [(data_address(png), caption) for caption, png in pictures.items()]
        shown.append(_Shape(anatomy.bone(shape.bone).name, summary, addresses))
    warnings = run.get("warnings", [])
    assert isinstance(warnings, list)
    versions = run.get("versions", {})
    assert isinstance(versions, Mapping)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    lead = "Both were measured in the same way from their label maps."
    if run.get("mirrored"):
        lead += " The second is of the other side of the body; its shape was mirrored."
    page = environment.get_template(_TEMPLATE).render(
        joint=joint.name,
        lead=lead,
        warnings=[*warnings, *left_out],
        certain=CERTAIN,
        rows=_rows(joint, changes),
        shapes=shown,
        version=versions.get("MultiJointSeg", ""),
    )
    temporary = path.with_name(f".partial-{path.name}")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return left_out
