"""Progress and cancel: one small protocol passed down the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from MultiJointSegLib.errors import CancelledError


class Progress(Protocol):
    """What long work calls to report and to ask whether it should go on."""

    def report(self, fraction: float, message: str) -> None:
        """Tell the fraction done (0 to 1) and what is being done; raises `CancelledError` if the user cancelled."""


class SilentProgress:
    """Reports nothing, never cancels: the default everywhere."""

    def report(self, fraction: float, message: str) -> None:
        """Do nothing."""


class CallbackProgress:
    """Progress through two callables.

    Parameters
    ----------
    on_report
        Called with (fraction, message).
    is_cancelled
        Asked at every report; when it answers True, `CancelledError` is raised.
    """

    def __init__(
        self,
        on_report: Callable[[float, str], None],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._on_report = on_report
        self._is_cancelled = is_cancelled

    def report(self, fraction: float, message: str) -> None:
        """Forward to the callables; see `Progress.report`."""
        if self._is_cancelled():
            raise CancelledError("Cancelled: nothing was written.")
        self._on_report(min(max(fraction, 0.0), 1.0), message)


class ProgressSpan:
    """A part [start, stop] of a parent progress, itself counted from 0 to 1."""

    def __init__(self, parent: Progress, start: float, stop: float) -> None:
        self._parent = parent
        self._start = start
        self._stop = stop

    def report(self, fraction: float, message: str) -> None:
        """Report the parent's fraction; see `Progress.report`."""
        self._parent.report(self._start + (self._stop - self._start) * min(max(fraction, 0.0), 1.0), message)
