"""The evaluation as one HTML file without outside references."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import MultiJointSegLib
from MultiJointSegLib import anatomy
from MultiJointSegLib.evaluation.about import About
from MultiJointSegLib.evaluation.bootstrap import Interval
from MultiJointSegLib.evaluation.case import CaseScore
from MultiJointSegLib.evaluation.figures import PREDICTION_COLOR, TRUTH_COLOR, box_plot
from MultiJointSegLib.evaluation.metrics import EMPTY_RULES, METRICS, BoneMetrics, MetricDefinition
from MultiJointSegLib.evaluation.statistics import DEFINITION, SIGNIFICANCE
from MultiJointSegLib.evaluation.summary import ALL_BONES, MethodComparison, Spread, Summary
from MultiJointSegLib.evaluation.surface_distances import DEFINITIONS, Definition
from MultiJointSegLib.imaging.atomic import atomic_write

PLOTTED = ("dice", "hd95_mm", "assd_mm", "ravd_percent")
_TEMPLATE = "evaluation.html.j2"
_UNDEFINED = "–"


@dataclass(frozen=True, slots=True)
class WorstCase:
    """Picture of a bone that went badly: address of a PNG, what it shows, and its numbers."""

    source: str
    title: str
    caption: str


def write_page(
    path: Path,
    *,
    scores: Sequence[CaseScore],
    summaries: Sequence[Summary],
    comparisons: Sequence[MethodComparison],
    worst: Sequence[WorstCase],
    definition: Definition,
    warnings: Sequence[str],
    about: About | None = None,
) -> None:
    """Write the report, whole or not at all."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scored = [(s, key, m) for s in scores for key, m in s.bones.items()]
    page = environment.get_template(_TEMPLATE).render(
        methods=list(dict.fromkeys(s.method for s in scores)),
        cases=len({s.case for s in scores}),
        subjects=len({s.subject for s in scores}),
        metrics=list(METRICS.values()),
        summary_rows=[_summary_row(s) for s in summaries],
        comparison_rows=[_comparison_row(c) for c in comparisons],
        significance=SIGNIFICANCE,
        plots=[(METRICS[key].name, box_plot(scores, key)) for key in PLOTTED] if scored else [],
        worst=worst,
        score_rows=[
            (s.method, s.case, anatomy.bone(key).name, [_value(m, d) for d in METRICS.values()], m.remark)
            for s, key, m in scored
        ],
        truth_color=TRUTH_COLOR,
        prediction_color=PREDICTION_COLOR,
        definition=definition,
        surface_text=DEFINITIONS[definition],
        empty_rules=EMPTY_RULES,
        statistics_text=DEFINITION,
        warnings=warnings,
        about=about,
        version=MultiJointSegLib.__version__,
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def case_caption(metrics: BoneMetrics) -> str:
    """Dice, HD95 and ASSD, or why there are none, as a caption says them."""
    parts = [f"{METRICS[k].name} {_value(metrics, METRICS[k])} {METRICS[k].unit}".strip() for k in PLOTTED[:3]]
    return metrics.remark or ", ".join(parts)


def _value(metrics: BoneMetrics, definition: MetricDefinition) -> str:
    return _text(getattr(metrics, definition.key), definition.decimals)


def _text(value: float, decimals: int, *, sign: bool = False) -> str:
    if math.isnan(value):
        return _UNDEFINED
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("-", "\u2212")


def _summary_row(summary: Summary) -> dict[str, object]:
    spreads = [(d, summary.metrics[key]) for key, d in METRICS.items()]
    return {
        "method": summary.method,
        "bone": "All bones" if summary.bone == ALL_BONES else anatomy.bone(summary.bone).name,
        "total": summary.bone == ALL_BONES,
        "cases": summary.cases,
        "cells": [_spread_texts(spread, d) for d, spread in spreads],
        "missed": summary.missed,
        "invented": summary.invented,
    }


def _spread_texts(spread: Spread, definition: MetricDefinition) -> tuple[str, str, str]:
    """Mean and deviation; interval; median."""
    if not spread.count:
        return _UNDEFINED, "", ""
    n = definition.decimals
    deviation = "" if math.isnan(spread.deviation) else f" ± {_text(spread.deviation, n)}"
    interval = _interval(spread.interval, n) if spread.interval else ""
    return _text(spread.mean, n) + deviation, interval, f"median {_text(spread.median, n)}"


def _interval(interval: Interval, decimals: int, *, sign: bool = False) -> str:
    return f"[{_text(interval.low, decimals, sign=sign)}, {_text(interval.high, decimals, sign=sign)}]"


def _comparison_row(comparison: MethodComparison) -> dict[str, object]:
    d, result = METRICS[comparison.metric], comparison.result
    gain = result.mean_difference if d.higher_is_better else -result.mean_difference
    verdict = "no significant difference"
    if result.p_corrected < SIGNIFICANCE and gain:
        verdict = f"{comparison.method if gain > 0 else comparison.reference} is better"
    return {
        "pair": f"{comparison.method} − {comparison.reference}",
        "metric": f"{d.name} ({d.unit})" if d.unit else d.name,
        "pairs": result.pairs,
        "difference": _text(result.mean_difference, d.decimals, sign=True),
        "interval": _interval(result.interval, d.decimals, sign=True),
        "p": _p_text(result.p_value),
        "p_corrected": _p_text(result.p_corrected),
        "rank_biserial": _text(result.rank_biserial, 2, sign=True),
        "cohens_dz": _text(result.cohens_dz, 2, sign=True),
        "verdict": verdict,
    }


def _p_text(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}" if p < 0.001 else f"{p:.3f}"
