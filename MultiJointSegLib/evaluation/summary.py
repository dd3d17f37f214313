"""Scores of all cases put together: per bone, and one method against another."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.evaluation.bootstrap import Interval, bootstrap_interval
from MultiJointSegLib.evaluation.case import CaseScore
from MultiJointSegLib.evaluation.metrics import INVENTED, METRICS, MISSED, BoneMetrics
from MultiJointSegLib.evaluation.statistics import PairedComparison, compare_paired, corrected

ALL_BONES = ""
"""Bone key of the rows over all bones."""

COMPARED = ("dice", "hd95_mm", "assd_mm")
"""Metrics in which methods are compared; each adds to Holm's correction."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over cases: number of values, mean, standard deviation, median, and the mean's 95 % interval."""

    count: int
    mean: float
    deviation: float
    median: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One method on one bone (or `ALL_BONES`, where each subject counts once with the mean of its bones).

    `missed` and `invented` count bones, see `metrics.EMPTY_RULES`.
    """

    method: str
    bone: str
    cases: int
    missed: int
    invented: int
    metrics: dict[str, Spread]


@dataclass(frozen=True, slots=True)
class MethodComparison:
    """A method against a reference, in one metric."""

    method: str
    reference: str
    metric: str
    result: PairedComparison


def without_unlabeled(scores: Sequence[CaseScore]) -> tuple[list[CaseScore], list[str]]:
    """Scores without bones that no truth holds, and a sentence that says which these are.

    A bone that nobody labeled is not a mistake of the method that found it.
    """
    labeled = {key for s in scores for key, m in s.bones.items() if m.remark != INVENTED}
    left_out = sorted({key for s in scores for key in s.bones} - labeled)
    kept = [replace(s, bones={k: m for k, m in s.bones.items() if k in labeled}) for s in scores]
    names = ", ".join(anatomy.bone(key).name.lower() for key in left_out)
    return kept, [f"Predicted, but labeled in no truth, and so not scored: {names}."] if left_out else []


def summarize(scores: Sequence[CaseScore]) -> list[Summary]:
    """One summary per method and bone, bones in the catalog's order, `ALL_BONES` last.

    Means are over cases; intervals over subjects.
    """
    summaries = []
    for method in dict.fromkeys(s.method for s in scores):
        own = [s for s in scores if s.method == method]
        for bone in anatomy.all_bones():
            found = [(s.subject, s.bones[bone.key]) for s in own if bone.key in s.bones]
            if found:
                summaries.append(_summary(method, bone.key, found))
        everything = [(s.subject, m) for s in own for m in s.bones.values()]
        if everything:
            summaries.append(_summary(method, ALL_BONES, everything))
    return summaries


def compare_methods(
    scores: Sequence[CaseScore], pairs: Sequence[tuple[str, str]] | None = None
) -> list[MethodComparison]:
    """Methods against references in the metrics `COMPARED`, paired by subject, corrected together.

    Parameters
    ----------
    scores : sequence of CaseScore
    pairs : sequence of (str, str), optional
        Method and reference; every method against the first by default.

    Returns
    -------
    list of MethodComparison
        Empty for one method, or fewer than two subjects.
    """
    methods = list(dict.fromkeys(s.method for s in scores))
    if len({s.subject for s in scores}) < 2:
        return []
    if pairs is None:
        pairs = [(method, methods[0]) for method in methods[1:]]
    work = [(method, reference, metric) for method, reference in pairs for metric in COMPARED]
    found = [
        compare_paired(subject_means(scores, method, metric), subject_means(scores, reference, metric))
        for method, reference, metric in work
    ]
    return [
        MethodComparison(method, reference, metric, result)
        for (method, reference, metric), result in zip(work, corrected(found), strict=True)
    ]


def subject_means(scores: Sequence[CaseScore], method: str, metric: str) -> dict[str, float]:
    """Mean of a metric over a subject's bones and examinations, where it is defined."""
    values: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        if score.method == method:
            values[score.subject] += [m.value(metric) for m in score.bones.values()]
    return _means(values)


def _means(values: dict[str, list[float]]) -> dict[str, float]:
    defined = {subject: [v for v in numbers if not math.isnan(v)] for subject, numbers in values.items()}
    return {subject: float(np.mean(numbers)) for subject, numbers in defined.items() if numbers}


def _summary(method: str, bone: str, found: list[tuple[str, BoneMetrics]]) -> Summary:
    metrics = {}
    for key in METRICS:
        by_subject: dict[str, list[float]] = defaultdict(list)
        for subject, m in found:
            by_subject[subject].append(m.value(key))
        means = list(_means(by_subject).values())
        values = means if bone == ALL_BONES else [v for vs in by_subject.values() for v in vs if not math.isnan(v)]
        metrics[key] = _spread(values, means)
    remarks = [m.remark for _, m in found]
    cases = len({s for s, _ in found}) if bone == ALL_BONES else len(found)
    return Summary(method, bone, cases, remarks.count(MISSED), remarks.count(INVENTED), metrics)


def _spread(values: list[float], subject_values: list[float]) -> Spread:
    if not values:
        return Spread(0, math.nan, math.nan, math.nan, None)
    return Spread(
        len(values),
        float(np.mean(values)),
        float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        float(np.median(values)),
        bootstrap_interval(subject_values) if len(subject_values) > 1 else None,
    )
