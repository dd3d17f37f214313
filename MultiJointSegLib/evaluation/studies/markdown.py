"""The result of a study as Markdown tables."""

from __future__ import annotations

import math
from pathlib import Path

from MultiJointSegLib import anatomy
from MultiJointSegLib.evaluation.about import About
from MultiJointSegLib.evaluation.metrics import METRICS
from MultiJointSegLib.evaluation.run import Evaluation
from MultiJointSegLib.evaluation.statistics import DEFINITION
from MultiJointSegLib.evaluation.studies.verdicts import verdicts
from MultiJointSegLib.evaluation.summary import ALL_BONES, Spread
from MultiJointSegLib.imaging.atomic import atomic_write

SHOWN = ("dice", "sensitivity", "mssd_mm", "hd95_mm", "assd_mm", "ravd_percent")


def write_markdown(path: Path, about: About, evaluation: Evaluation) -> None:
    """Write notes, scores per bone and comparisons, whole or not at all."""
    lines = [f"# {about.title}", ""]
    for term, text in about.notes:
        lines += [f"**{term}.** {text}", ""]
    found = verdicts(evaluation.comparisons)
    if found:
        reference = found[0].reference.partition(",")[0]
        lines += [
            f"## Is `{reference}` better?",
            "",
            "Mean Dice over subjects; p corrected for all comparisons below.",
            "",
        ]
        lines += _header([f"{reference} against", "subjects", "gain in Dice", "p corrected", "better?"])
        for v in found:
            lines.append(_row([v.method, str(v.subjects), f"{v.gain:+.4f}", f"{v.p_corrected:.3g}", v.word]))
        lines.append("")
    lines += ["## Per bone", "", "Mean ± standard deviation over cases; all bones: over subjects.", ""]
    names = [f"{METRICS[key].name}{f' ({METRICS[key].unit})' if METRICS[key].unit else ''}" for key in SHOWN]
    lines += _header(["method", "bone", "cases", *names, "missed"])
    for row in evaluation.summaries:
        bone = "**all bones**" if row.bone == ALL_BONES else anatomy.bone(row.bone).name.lower()
        cells = [_spread(row.metrics[key], METRICS[key].decimals) for key in SHOWN]
        lines.append(_row([row.method, bone, str(row.cases), *cells, str(row.missed)]))
    if evaluation.comparisons:
        lines += ["", "## Compared", ""]
        head = ["method − reference", "metric", "subjects", "mean difference", "95 % interval", "p", "p corrected"]
        lines += _header([*head, "rank-biserial", "Cohen's dz"])
        for entry in evaluation.comparisons:
            r, d = entry.result, METRICS[entry.metric]
            interval = f"[{r.interval.low:+.{d.decimals}f}, {r.interval.high:+.{d.decimals}f}]"
            cells = [f"{entry.method} − {entry.reference}", d.name, str(r.pairs)]
            cells += [f"{r.mean_difference:+.{d.decimals}f}", interval, f"{r.p_value:.3g}", f"{r.p_corrected:.3g}"]
            cells += [f"{r.rank_biserial:+.2f}", "–" if math.isnan(r.cohens_dz) else f"{r.cohens_dz:+.2f}"]
            lines.append(_row(cells))
        lines += ["", DEFINITION]
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _spread(spread: Spread, decimals: int) -> str:
    if not spread.count:
        return "–"
    deviation = "" if math.isnan(spread.deviation) else f" ± {spread.deviation:.{decimals}f}"
    return f"{spread.mean:.{decimals}f}{deviation}"


def _header(names: list[str]) -> list[str]:
    return [_row(names), _row(["---"] * len(names))]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
