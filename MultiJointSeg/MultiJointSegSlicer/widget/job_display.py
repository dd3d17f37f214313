"""How a section of the window shows its job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MultiJointSegSlicer.job.job import Job
from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.strings import tr as _

PROGRESS_STEPS = 1000


class JobDisplay:
    """Writes what a job says onto a label and, if there is one, a progress bar.

    Parameters
    ----------
    job
        Watched until `close`.
    label
        Shows what is done, and in the end the job's sentence.
    log
        Takes a line for the log.
    on_changed
        Called with the state after every change.
    bar
        Visible while the job runs.
    starting
        Shown before the job has said what it does; "Starting ..." if None.
    ending
        Shown when all is done but the job has not ended; as `starting` if None.
    timed
        Whether the time is shown.
    keeps_last
        Whether the last words stay where a job ends without a sentence.
    """

    def __init__(
        self,
        job: Job,
        label: Any,
        log: Callable[[str], None],
        on_changed: Callable[[JobState], None],
        *,
        bar: Any = None,
        starting: str | None = None,
        ending: str | None = None,
        timed: bool = True,
        keeps_last: bool = True,
    ) -> None:
        self._job = job
        self._label = label
        self._on_changed = on_changed
        self._bar = bar
        self._starting = _("Starting ...") if starting is None else starting
        self._ending = self._starting if ending is None else ending
        self._timed = timed
        self._keeps_last = keeps_last
        job.state_changed.connect(self._show_state)
        job.progressed.connect(self._show_progress)
        job.logged.connect(log)

    def show(self) -> None:
        """Show where the job stands."""
        self._show_state(self._job.state, self._job.sentence)

    def close(self) -> None:
        """Let go of the job; it is not ended by this."""
        for signal in (self._job.state_changed, self._job.progressed, self._job.logged):
            signal.disconnect()

    def _show_progress(self, fraction: float, message: str, elapsed_s: float) -> None:
        if self._bar is not None:
            self._bar.value = round(PROGRESS_STEPS * fraction)
        minutes, seconds = divmod(int(elapsed_s), 60)
        words = message or (self._starting if fraction < 1 else self._ending)
        self._label.text = f"{words}  ({minutes}:{seconds:02d})" if self._timed else words

    def _show_state(self, state: JobState, sentence: str) -> None:
        if self._bar is not None:
            self._bar.visible = state.busy
            if state is JobState.RUNNING:
                self._bar.value = 0
        if sentence or not (state.busy or self._keeps_last):
            prefix = _("Failed: ") if state is JobState.FAILED else ""
            self._label.text = f"{prefix}{sentence}"
        self._on_changed(state)
