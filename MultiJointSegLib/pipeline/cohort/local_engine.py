"""A cohort on this computer: the next examinations are read and the last ones written while one is segmented."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.inference.device import available_threads
from MultiJointSegLib.pipeline.cohort.processes import Call, Processes
from MultiJointSegLib.pipeline.cohort.state import ItemState, StopSignal, failure
from MultiJointSegLib.pipeline.cohort.work import Job, ReadJob, finish_job, read_job, segment_job
from MultiJointSegLib.pipeline.result import ExaminationSegmenter
from MultiJointSegLib.pipeline.segment_examination import load_segmenter
from MultiJointSegLib.progress import Progress

READ_AHEAD = 2
"""Examinations read before their turn: enough to hide reading, few enough for the memory."""

PATIENCE_S = 20.0
"""So long the helper processes may take to end by themselves, also after a cancel."""


def default_workers() -> int:
    """Helper processes: one per two cores, at most 8; the network itself computes in the main process."""
    return max(1, min(8, available_threads() // 2))


class LocalEngine:
    """Runs jobs in order; see `run`.

    Parameters
    ----------
    jobs
        The examinations.
    stop
        Given to the helper processes when the run is cancelled.
    workers
        Helper processes that read and write.
    on_state
        Called with every state as it becomes known.
    progress
        Told which examination is segmented; may cancel.
    segmenter
        Used instead of loading the settings' model.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        stop: StopSignal,
        workers: int,
        on_state: Callable[[ItemState], None],
        progress: Progress,
        segmenter: ExaminationSegmenter | None = None,
    ) -> None:
        self._waiting = deque(jobs)
        self._total = len(jobs)
        self._stop = stop
        self._on_state = on_state
        self._progress = progress
        self._segmenter = segmenter
        self._reading: deque[tuple[Job, Call]] = deque()
        self._finishing: list[tuple[ReadJob, Call]] = []
        self._most_finishing = workers + 1
        self._ended = 0
        self._processes = Processes(min(workers, max(1, self._total)))

    def run(self) -> None:
        """Work on all jobs.

        Raises
        ------
        CancelledError, KeyboardInterrupt
            After the helper processes have stopped. What was finished stays; nothing is left half-written.
        BundleError
            If the model cannot be loaded.
        """
        try:
            while self._waiting or self._reading:
                self._read_ahead()
                job, call = self._reading.popleft()
                self._collect()
                read = self._outcome(job, "", call)
                if isinstance(read, ReadJob):
                    self._segment(read)
                else:
                    self._end(read)
            self._collect(at_most=0)
        except BaseException:
            self._stop.give()
            raise
        finally:
            self._processes.close(patience_s=PATIENCE_S)

    def _read_ahead(self) -> None:
        while self._waiting and len(self._reading) <= READ_AHEAD:
            job = self._waiting.popleft()
            self._reading.append((job, self._processes.submit(read_job, job)))

    def _segment(self, read: ReadJob) -> None:
        settings = read.job.settings
        if self._segmenter is None:
            self._segmenter = load_segmenter(settings.model, settings.device, tta=settings.tta)
        self._read_ahead()
        title = f"{self._ended} of {self._total} done; {read.job.item.name}"
        segmented = segment_job(read, self._segmenter, _Titled(self._progress, self._fraction, title))
        if isinstance(segmented, ItemState):
            self._end(segmented)
            return
        self._collect(at_most=self._most_finishing - 1)
        self._finishing.append((read, self._processes.submit(finish_job, read, *segmented)))

    def _collect(self, at_most: int | None = None) -> None:
        """Take in finished jobs; wait until at most so many are left."""
        while self._finishing:
            ready = next((n for n, (_, call) in enumerate(self._finishing) if call.done()), None)
            if ready is None:
                if at_most is None or len(self._finishing) <= at_most:
                    return
                self._progress.report(self._fraction(0.0), f"{self._ended} of {self._total} done; writing")
                ready = 0
            read, call = self._finishing.pop(ready)
            state = self._outcome(read.job, read.key, call)
            assert isinstance(state, ItemState)
            self._end(state)

    def _outcome(self, job: Job, key: str, call: Call) -> ReadJob | ItemState:
        try:
            outcome: ReadJob | ItemState = self._processes.result(call)
        except MultiJointSegError as error:  # the steps themselves turn errors into states
            outcome = failure(job.item.name, key, error)
            job.folder.keep(outcome)
        return outcome

    def _end(self, state: ItemState) -> None:
        self._ended += 1
        self._on_state(state)
        self._progress.report(self._fraction(0.0), f"{self._ended} of {self._total} done; {state.name} {state.state}")

    def _fraction(self, of_current: float) -> float:
        return min(1.0, (self._ended + len(self._finishing) * 0.5 + of_current * 0.5) / max(1, self._total))


class _Titled:
    """Progress of one segmentation within that of the cohort."""

    def __init__(self, parent: Progress, fraction: Callable[[float], float], title: str) -> None:
        self._parent = parent
        self._fraction = fraction
        self._title = title

    def report(self, fraction: float, message: str) -> None:
        self._parent.report(self._fraction(fraction), f"{self._title}: {message}")
