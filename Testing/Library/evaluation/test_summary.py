"""Means are over cases, statistics over subjects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from MultiJointSegLib.evaluation.metrics import INVENTED, MISSED
from MultiJointSegLib.evaluation.summary import (
    ALL_BONES,
    COMPARED,
    compare_methods,
    subject_means,
    summarize,
    without_unlabeled,
)


def test_summary_by_hand(a_score) -> None:
    scores = [
        a_score("m", "1", "x", femur=0.8, tibia=0.6),
        a_score("m", "2", "x", femur=0.9),
        a_score("m", "3", "y", femur=1),
    ]
    femur, tibia, together = summarize(scores)
    assert (femur.bone, tibia.bone, together.bone) == ("femur", "tibia", ALL_BONES)
    assert femur.metrics["dice"].mean == pytest.approx(0.9) and femur.metrics["dice"].deviation == pytest.approx(0.1)
    assert femur.metrics["ravd_percent"].mean == pytest.approx(10)  # of absolute values
    assert (femur.cases, tibia.cases, together.cases) == (3, 1, 2)
    assert tibia.metrics["dice"].interval is None  # one subject
    # Subject x: mean of 0.8, 0.6, 0.9; subject y: 1.
    assert together.metrics["dice"].mean == pytest.approx(((0.8 + 0.6 + 0.9) / 3 + 1) / 2)
    assert subject_means(scores, "m", "dice") == pytest.approx({"x": 2.3 / 3, "y": 1.0})


def test_missed_and_invented_bones_are_counted(a_score) -> None:
    scores = [a_score("m", str(n), str(n), femur=0.5, patella=0.5) for n in range(3)]
    scores[0].bones["femur"] = replace(scores[0].bones["femur"], remark=MISSED)
    scores[1].bones["femur"] = replace(scores[1].bones["femur"], remark=INVENTED)
    summaries = {s.bone: s for s in summarize(scores)}
    assert [(summaries[b].missed, summaries[b].invented) for b in ("femur", "patella", ALL_BONES)] == [
        (1, 1),
        (0, 0),
        (1, 1),
    ]


def test_bones_that_nobody_labeled_are_not_scored(a_score) -> None:
    score = a_score("m", "1", "1", femur=0.5, fibula=0.0)
    score.bones["fibula"] = replace(score.bones["fibula"], remark=INVENTED)
    kept, notes = without_unlabeled([score])
    assert list(kept[0].bones) == ["femur"]
    assert notes == ["Predicted, but labeled in no truth, and so not scored: fibula."]
    assert without_unlabeled(kept) == (kept, [])


def test_comparison_with_the_first_method(a_score) -> None:
    """6 subjects, always better: p = 2/64 each; six comparisons (2 methods, 3 metrics), the better ones corrected."""
    scores = [a_score("base", f"{n}", f"{n}", femur=0.8 + 0.01 * n) for n in range(6)]
    scores += [a_score("better", f"{n}", f"{n}", femur=0.85 + 0.012 * n) for n in range(6)]
    scores += [replace(s, method="same") for s in scores[:6]]
    found = compare_methods(scores)
    assert [(c.method, c.metric) for c in found] == [(m, k) for m in ("better", "same") for k in COMPARED]
    better, same = found[0].result, found[3].result
    assert better.p_value == pytest.approx(2 / 64) and better.p_corrected == pytest.approx(6 * 2 / 64)
    assert better.mean_difference == pytest.approx(0.055)
    assert same.p_corrected == 1 and same.rank_biserial == 0
    assert compare_methods(scores[:6]) == [] and compare_methods([scores[0], scores[6]]) == []
