"""Time that a training has taken, over all the times it was stopped and went on."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Stopwatch:
    """Counts seconds by the clock and of the process's CPU time (all its threads), from its making on.

    On a machine that does other work too, the CPU time of a training says more about its cost than the clock.
    """

    def __init__(self) -> None:
        self._clock, self._cpu = time.monotonic(), time.process_time()
        self._before = (0.0, 0.0)

    def add(self, spent: Mapping[str, float]) -> None:
        """Count what an earlier part of the training spent, see `spent`."""
        clock, cpu = self._before
        self._before = (clock + spent.get("clock_s", 0.0), cpu + spent.get("cpu_s", 0.0))

    def spent(self) -> dict[str, float]:
        """Seconds so far: "clock_s" and "cpu_s"."""
        clock, cpu = self._before
        return {
            "clock_s": clock + time.monotonic() - self._clock,
            "cpu_s": cpu + time.process_time() - self._cpu,
        }
