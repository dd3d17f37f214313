"""Scores as CSV and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from MultiJointSegLib.evaluation.about import About
from MultiJointSegLib.evaluation.case import CaseScore
from MultiJointSegLib.evaluation.metrics import EMPTY_RULES, METRICS
from MultiJointSegLib.evaluation.statistics import DEFINITION
from MultiJointSegLib.evaluation.summary import MethodComparison, Summary
from MultiJointSegLib.evaluation.surface_distances import DEFINITIONS, Definition
from MultiJointSegLib.imaging.atomic import atomic_write

_VALUES = (*METRICS, "truth_ml", "prediction_ml")


def score_rows(scores: Sequence[CaseScore]) -> list[dict[str, Any]]:
    """One dict per method, case and bone; an undefined metric is None."""
    return [
        {"method": s.method, "case": s.case, "subject": s.subject, "bone": bone}
        | {key: _number(getattr(m, key)) for key in _VALUES}
        | {"remark": m.remark}
        for s in scores
        for bone, m in s.bones.items()
    ]


def write_csv(scores: Sequence[CaseScore], path: Path) -> None:
    """Write the scores of every bone, comma-separated; undefined metrics are empty. Whole or not at all."""
    fields = ["method", "case", "subject", "bone", *_VALUES, "remark"]
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, fields)
        table.writeheader()
        table.writerows(score_rows(scores))


def write_json(
    path: Path,
    *,
    scores: Sequence[CaseScore],
    summaries: Sequence[Summary],
    comparisons: Sequence[MethodComparison],
    definition: Definition,
    warnings: Sequence[str],
    about: About | None = None,
) -> None:
    """Write definitions, scores, summaries and comparisons; undefined numbers are null. Whole or not at all."""
    content = {
        **({} if about is None else {"title": about.title, **about.facts}),
        "surface_definition": {"key": definition, "text": DEFINITIONS[definition]},
        "metrics": {key: {"name": m.name, "unit": m.unit, "definition": m.definition} for key, m in METRICS.items()},
        "empty_masks": EMPTY_RULES,
        "statistics": DEFINITION,
        "warnings": list(warnings),
        "summaries": [asdict(s) for s in summaries],
        "comparisons": [asdict(c) for c in comparisons],
        "scores": score_rows(scores),
    }
    with atomic_write(path) as temporary:
        text = json.dumps(_clean(content), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _clean(value: Any) -> Any:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value
