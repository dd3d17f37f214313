"""Ctrl-C that lets a long training end at a whole step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from MultiJointSegLib.errors import CancelledError
from MultiJointSegLib.progress import Progress


class StoppableProgress:
    """Passes reports on until it is told to stop; the next report then cancels the work with a sentence."""

    def __init__(self, progress: Progress, sentence: str) -> None:
        self._progress = progress
        self._sentence = sentence
        self.stopped = False

    def report(self, fraction: float, message: str) -> None:
        """See `Progress.report`."""
        if self.stopped:
            raise CancelledError(self._sentence)
        self._progress.report(fraction, message)


@contextmanager
def stoppable(progress: Progress, sentence: str) -> Iterator[StoppableProgress]:
    """Context in which the first Ctrl-C (or request to terminate) cancels at the next report, a second at once.

    Parameters
    ----------
    progress : Progress
    sentence : str
        What the user is told.
    """
    stopping = StoppableProgress(progress, sentence)
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if stopping.stopped:
            raise KeyboardInterrupt
        stopping.stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
