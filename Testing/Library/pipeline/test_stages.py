"""Stages share the progress and keep their times."""

from __future__ import annotations

import pytest

from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.progress import CallbackProgress


def test_fractions_rise_and_messages_name_the_stage():
    seen = []
    clock = StageClock(CallbackProgress(lambda f, m: seen.append((round(f, 6), m))), {"Reading": 1, "Measuring": 3})
    with clock.stage("Reading"):
        pass
    with clock.stage("Measuring") as progress:
        progress.report(0.5, "the femur")
    clock.finish("Done")
    assert seen == [(0.0, "Reading"), (0.25, "Measuring"), (0.625, "Measuring: the femur"), (1.0, "Done")]
    assert list(clock.timings_s) == ["Reading", "Measuring"]
    assert all(seconds >= 0 for seconds in clock.timings_s.values())


def test_unknown_stage_is_a_defect():
    with pytest.raises(KeyError), StageClock(CallbackProgress(lambda *_: None), {"Reading": 1}).stage("Other"):
        pass
