"""Tables over a cohort: one line per examination, one line per measurement, and their distribution."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.cohort.state import FINISHED, ItemState

OUTLIER_SCORE = 3.5
OUTLIER_MINIMUM = 5
"""A value is conspicuous among at least five when its modified z-score 0.6745 |x - median| / MAD exceeds 3.5.
B. Iglewicz, D. C. Hoaglin, How to Detect and Handle Outliers, ASQC Quality Press, 1993."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationRow:
    """A line of cohort.csv; what a refused or failed examination lacks is empty."""

    examination: str
    state: str
    joint: str = ""
    side: str = ""
    detection_confidence: float | None = None
    mean_bone_confidence: float | None = None
    least_bone_confidence: float | None = None
    least_sure_bone: str = ""
    size_ijk: str = ""
    spacing_mm: str = ""
    total_s: float | None = None
    peak_memory_mib: float | None = None
    device: str = ""
    model: str = ""
    input_sha256: str = ""
    warnings: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow:
    """A line of measurements.csv: one value of one examination ("tidy")."""

    examination: str
    joint: str
    side: str
    key: str
    bone: str
    name: str
    value: float | None
    unit: str
    error_estimate: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Values of one measurement over the examinations of a joint; `conspicuous` are examination and value."""

    joint: str
    key: str
    bone: str
    name: str
    unit: str
    missing: int
    values: tuple[float, ...]
    mean: float | None
    standard_deviation: float | None
    median: float | None
    minimum: float | None
    maximum: float | None
    conspicuous: tuple[tuple[str, float], ...]


def examination_row(state: ItemState, output: Path) -> ExaminationRow:
    """Line of one examination, from its state and its run.json."""
    if state.state != FINISHED:
        return ExaminationRow(examination=state.name, state=state.state, reason=state.sentence)
    run = json.loads((output / state.name / names.RUN_NAME).read_text(encoding="utf-8"))
    confidence: dict[str, float] = run["bone_confidence"]
    least = min(confidence, key=lambda key: confidence[key]) if confidence else ""
    return ExaminationRow(
        examination=state.name,
        state=state.state,
        joint=run["joint"],
        side=state.side,
        detection_confidence=round(run["detection"]["confidence"], 4),
        mean_bone_confidence=round(statistics.fmean(confidence.values()), 4) if confidence else None,
        least_bone_confidence=confidence.get(least),
        least_sure_bone=least,
        size_ijk="x".join(str(n) for n in run["image"]["size"]),
        spacing_mm="x".join(f"{s:.4g}" for s in run["image"]["spacing_mm"]),
        total_s=round(run["total_s"], 2),
        peak_memory_mib=None if run["peak_memory_mib"] is None else round(run["peak_memory_mib"]),
        device=f"{run['device']['device']} {run['device']['runtime']}",
        model=f"{run['model']['name']} {run['model']['version']}".strip(),
        input_sha256=run["input"]["sha256"],
        warnings=" ".join(run["warnings"]),
    )


def measurement_rows(row: ExaminationRow, output: Path) -> list[MeasurementRow]:
    """Lines of one finished examination, from its measurements.json."""
    from MultiJointSegLib.morphology.writing import read_measurements

    found = read_measurements(output / row.examination / names.MEASUREMENTS_JSON_NAME)
    return [
        MeasurementRow(
            examination=row.examination,
            joint=row.joint,
            side=row.side,
            key=m.key,
            bone=m.bone,
            name=m.name,
            value=m.value,
            unit=m.unit,
            error_estimate=m.error_estimate,
            reason=m.reason,
        )
        for m in found
    ]


def distributions(rows: Sequence[MeasurementRow]) -> list[Distribution]:
    """Distribution of every measurement of every joint, in the order of first appearance within the joint."""
    groups: dict[tuple[str, str], list[MeasurementRow]] = defaultdict(list)
    for row in rows:
        groups[row.joint, row.key].append(row)
    joints = sorted({row.joint for row in rows})
    return [_distribution(group) for joint in joints for (of, _), group in groups.items() if of == joint]


def _distribution(group: Sequence[MeasurementRow]) -> Distribution:
    first = group[0]
    given = [(row.examination, row.value) for row in group if row.value is not None]
    values = [value for _, value in given]
    median = statistics.median(values) if values else None
    conspicuous: list[tuple[str, float]] = []
    if median is not None and len(values) >= OUTLIER_MINIMUM:
        deviation = statistics.median(abs(value - median) for value in values)
        if deviation > 0:
            conspicuous = [(e, v) for e, v in given if 0.6745 * abs(v - median) / deviation > OUTLIER_SCORE]
    return Distribution(
        joint=first.joint,
        key=first.key,
        bone=first.bone,
        name=first.name,
        unit=first.unit,
        missing=len(group) - len(values),
        values=tuple(values),
        mean=statistics.fmean(values) if values else None,
        standard_deviation=statistics.stdev(values) if len(values) > 1 else None,
        median=median,
        minimum=min(values, default=None),
        maximum=max(values, default=None),
        conspicuous=tuple(conspicuous),
    )


def write_csv(path: Path, kind: type, rows: Sequence[ExaminationRow] | Sequence[MeasurementRow]) -> None:
    """Write rows of a dataclass as CSV (UTF-8, comma, header line), whole or not at all."""
    columns = [field.name for field in fields(kind)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in asdict(row).items()})
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write an object as JSON, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _cell(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
