"""The whole evaluation: score the cases, compare the methods, write tables and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.about import About
from MultiJointSegLib.evaluation.case import Case, CaseScore, score_case
from MultiJointSegLib.evaluation.figures import outline_picture
from MultiJointSegLib.evaluation.page import WorstCase, case_caption, write_page
from MultiJointSegLib.evaluation.summary import (
    MethodComparison,
    Summary,
    compare_methods,
    summarize,
    without_unlabeled,
)
from MultiJointSegLib.evaluation.surface_distances import Definition
from MultiJointSegLib.evaluation.tables import write_csv, write_json
from MultiJointSegLib.progress import Progress, SilentProgress

REPORT_NAME, CSV_NAME, JSON_NAME = "report.html", "scores.csv", "evaluation.json"
WORST_SHOWN = 8
_SCORING = 0.8


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found."""

    scores: list[CaseScore]
    summaries: list[Summary]
    comparisons: list[MethodComparison]
    warnings: list[str]


def evaluate(
    methods: Mapping[str, Sequence[Case]],
    folder: Path,
    *,
    definition: Definition = "border",
    warnings: Sequence[str] = (),
    pairs: Sequence[tuple[str, str]] | None = None,
    about: About | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score methods on cases and write `REPORT_NAME`, `CSV_NAME` and `JSON_NAME`.

    Parameters
    ----------
    methods : mapping of str to sequence of Case
        By the method's name; the first is the reference of the comparisons.
    folder : Path
        Exists.
    definition : "border" or "surfel"
        What a surface is; see `surface_distances.DEFINITIONS`.
    warnings : sequence of str
        Sentences for the report, besides its own.
    pairs : sequence of (str, str), optional
        Methods and references to compare; every method with the first by default.
    about : About, optional
        What the report and the JSON file say about where the predictions come from.
    progress : Progress, optional
        Told of each case; may cancel.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If there is no case, a case cannot be scored, or no bone is in any of them.
    """
    progress = progress or SilentProgress()
    work = [(method, case) for method, cases in methods.items() for case in cases]
    scores = []
    for number, (method, case) in enumerate(work):
        progress.report(_SCORING * number / len(work), f"Scoring: {method}, {case.name}")
        scores.append(score_case(case, method, definition))
    scores, left_out = without_unlabeled(scores)
    if not any(s.bones for s in scores):
        raise InputError("There is nothing to score: no truth holds a bone.")
    found = Evaluation(scores, summarize(scores), compare_methods(scores, pairs), [*warnings, *left_out])
    progress.report(_SCORING, "Drawing the worst cases")
    worst = worst_cases(methods, scores)
    progress.report(0.95, "Writing the report")
    shared = {
        "scores": scores,
        "summaries": found.summaries,
        "comparisons": found.comparisons,
        "definition": definition,
        "warnings": found.warnings,
    }
    write_csv(scores, folder / CSV_NAME)
    write_json(folder / JSON_NAME, about=about, **shared)  # type: ignore[arg-type]
    write_page(folder / REPORT_NAME, worst=worst, about=about, **shared)  # type: ignore[arg-type]
    progress.report(1.0, "Done")
    return found


def worst_cases(methods: Mapping[str, Sequence[Case]], scores: Sequence[CaseScore]) -> list[WorstCase]:
    """Pictures of the bones with the lowest Dice, lowest first, of each method as many; reads the volumes once more."""
    ranked = sorted(
        ((m.dice, -m.mssd_mm, s.method, s.case, key, m) for s in scores for key, m in s.bones.items()),
        key=lambda entry: entry[:5],
    )
    turns: Counter[str] = Counter()
    chosen = []
    for rank, entry in enumerate(ranked):  # a method that misses a bone everywhere must not hide the others' mistakes
        turns[entry[2]] += 1
        chosen.append((turns[entry[2]], rank, entry))
    first = sorted(chosen, key=lambda c: c[:2])[:WORST_SHOWN]
    shown = sorted(((rank, entry) for _, rank, entry in first), key=lambda c: c[0])
    cases = {(method, case.name): case for method, listed in methods.items() for case in listed}
    pictures = []
    for _, (*_, method, name, key, metrics) in shown:
        case, bone = cases[method, name], anatomy.bone(key)
        image = None if case.image is None else case.image()
        truth = case.truth()
        if image is not None and not image.geometry.same_grid(truth.geometry):
            image = None
        source, place = outline_picture(image, truth, case.prediction(), bone.label)
        title = f"{bone.name}, {name}" + (f", {method}" if len(methods) > 1 else "")
        pictures.append(WorstCase(source, title, f"{case_caption(metrics)}; {place}"))
    return pictures


def mean_dice(evaluation: Evaluation) -> dict[str, float]:
    """Mean Dice over bones and cases, by method; for a line in a terminal."""
    return {
        method: float(np.mean([m.dice for s in evaluation.scores if s.method == method for m in s.bones.values()]))
        for method in dict.fromkeys(s.method for s in evaluation.scores)
    }
