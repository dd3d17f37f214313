"""Time over interruptions."""

from __future__ import annotations

import time

import pytest

from MultiJointSegLib.learning.stopwatch import Stopwatch


def test_clock_and_processor_are_told_apart() -> None:
    watch = Stopwatch()
    time.sleep(0.05)
    spent = watch.spent()
    assert 0.05 <= spent["clock_s"] < 5 and spent["cpu_s"] < spent["clock_s"]


def test_earlier_parts_count() -> None:
    watch = Stopwatch()
    watch.add({"clock_s": 100.0, "cpu_s": 40.0})
    watch.add({"clock_s": 20.0, "cpu_s": 2.0})
    watch.add({})  # a checkpoint of before there was a stopwatch
    assert watch.spent() == {"clock_s": pytest.approx(120, abs=1), "cpu_s": pytest.approx(42, abs=1)}
