"""The named stages of the main job: their share of the progress, and the time each took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from MultiJointSegLib.progress import Progress, ProgressSpan


class _StageProgress:
    """Puts the stage's title before every message."""

    def __init__(self, parent: Progress, title: str) -> None:
        self._parent = parent
        self._title = title

    def report(self, fraction: float, message: str) -> None:
        text = f"{self._title}: {message}" if message and message != self._title else self._title
        self._parent.report(fraction, text)


class StageClock:
    """Runs stages in order and keeps the wall time of each.

    Parameters
    ----------
    progress
        Where fractions and messages go; it may raise `CancelledError`.
    shares
        Title of each stage and its share of the whole, any positive scale.
    """

    def __init__(self, progress: Progress, shares: Mapping[str, float]) -> None:
        self._progress = progress
        self._shares = dict(shares)
        self._total = sum(self._shares.values())
        self._done = 0.0
        self._begin = time.perf_counter()
        self.timings_s: dict[str, float] = {}

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        """Context of one stage; yields its own progress, counted from 0 to 1."""
        start = self._done / self._total
        stop = (self._done + self._shares[title]) / self._total
        progress = _StageProgress(ProgressSpan(self._progress, start, stop), title)
        progress.report(0.0, "")
        begin = time.perf_counter()
        yield progress
        self.timings_s[title] = time.perf_counter() - begin
        self._done += self._shares[title]

    def finish(self, message: str) -> float:
        """Report the end; returns the seconds since the start."""
        self._progress.report(1.0, message)
        return time.perf_counter() - self._begin
