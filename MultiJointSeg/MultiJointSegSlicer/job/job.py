"""One child process at a time: started, watched by a timer, cancelled with all it started, tidied up after."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from types import GeneratorType
from typing import Any, Protocol

from MultiJointSegSlicer.job.child import Child
from MultiJointSegSlicer.job.exit_codes import sentence_of_exit
from MultiJointSegSlicer.job.failures import sentence_of_error
from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.strings import tr as _

POLL_INTERVAL_MS = 100
STEP_INTERVAL_MS = 5
"""Pause between the steps of finishing, in which the window works."""

GRACE_S = 3.0
"""How long a cancelled child may tidy up before it is killed."""

Prepare = Callable[[Path], Sequence[str]]
"""Writes the input into the folder; returns the child's arguments."""

Steps = Generator[None, None, str]
"""Work in steps that are short enough to leave the window alive in between; returns a sentence for the user."""

Finish = Callable[[Path, Mapping[str, Any]], str | Steps]
"""Takes the result out of the folder, given what the child stated; returns a sentence for the user, or the steps
that lead to one. A cancel closes the steps, which then undo what they did."""


class Timer(Protocol):
    """What is asked of a timer; qt.QTimer is one."""

    timeout: Any

    def start(self, interval_ms: int) -> None:
        """Emit `timeout` every so many milliseconds."""

    def stop(self) -> None:
        """Emit no more."""


class Job:
    """Runs the library in a child process, with input and output in a temporary folder that goes in every case.

    Parameters
    ----------
    timer
        Drives everything: nothing here waits, and no thread is used.
    command
        The program and its first arguments; `Prepare` gives the others.
    environment
        Variables that the child gets beside those of this process.
    temporary
        Folder for temporary folders; the system's own if None.

    Notes
    -----
    Signals: `state_changed` (JobState, sentence), `logged` (line), and while running, at every tick of the timer,
    `progressed` (fraction, message, elapsed seconds).
    """

    def __init__(
        self,
        timer: Timer,
        command: Callable[[], Sequence[str]],
        *,
        environment: Mapping[str, str] | None = None,
        temporary: Path | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self.state_changed = Signal()
        self.progressed = Signal()
        self.logged = Signal()
        self.state = JobState.IDLE
        self.sentence = ""
        self._timer = timer
        self._timer.timeout.connect(self._tick)
        self._command = command
        self._environment = dict(environment or {})
        self._temporary = temporary
        self._grace_s = grace_s
        self._child: Child | None = None
        self._forget()

    def _forget(self) -> None:
        self._finish: Finish = lambda _folder, _data: ""
        self._unwanted: Callable[[], str] = lambda: ""
        self._fraction, self._message = 0.0, ""
        self._began = self._deadline = 0.0
        self._farewell = ""
        self._fails = False
        self._steps: Steps | None = None

    def enter_installing(self) -> None:
        """Say that packages are being checked and installed; not while a child runs."""
        self._set(JobState.INSTALLING, _("Checking and installing what is needed ..."))

    def fail(self, sentence: str) -> None:
        """End in the failed state, with a sentence on what to do; not while a child runs."""
        self._set(JobState.FAILED, sentence)

    def start(self, prepare: Prepare, finish: Finish, *, unwanted: Callable[[], str] = lambda: "") -> bool:
        """Start a child.

        Parameters
        ----------
        prepare, finish
            Before and after the child, in this process. What they raise becomes the sentence of the failure.
        unwanted
            Asked at every tick; a sentence ends the child, because nobody wants its result any more.

        Returns
        -------
        bool
            False if another one is running, or it could not be started; `sentence` says why.
        """
        if self._is_taken():
            return False
        self._forget()
        try:
            child = self._child = Child(self._temporary)
            arguments = [*self._command(), *prepare(child.folder)]
            child.start(arguments, self._environment)
        except Exception as error:
            sentence = self._sentence_of(error)
            self.close()
            self.fail(sentence)
            return False
        self._finish, self._unwanted = finish, unwanted
        self._began = time.monotonic()
        self.logged.emit("$ " + subprocess.list2cmdline(arguments))
        self._set(JobState.RUNNING, "")
        self._timer.start(POLL_INTERVAL_MS)
        return True

    def start_steps(self, make_steps: Callable[[], Steps]) -> bool:
        """Do work in steps without a child; returns False if something is running already."""
        if self._is_taken():
            return False
        self._forget()
        self._steps = make_steps()
        self._began = time.monotonic()
        self._set(JobState.RUNNING, "")
        self._timer.start(STEP_INTERVAL_MS)
        return True

    def cancel(self, sentence: str = "", *, failed: bool = False) -> None:
        """End the child and all it started; without waiting, the state tells when it is done.

        Parameters
        ----------
        sentence
            What the user reads at the end.
        failed
            End in the failed state instead of the idle one.
        """
        if self.state is not JobState.RUNNING:
            return
        self._farewell, self._fails = sentence or _("Cancelled; nothing was changed."), failed
        if self._steps is not None:
            self._stop_steps()
            return
        assert self._child is not None
        self._deadline = time.monotonic() + self._grace_s
        self._child.terminate()
        self._set(JobState.CANCELLING, _("Cancelling ..."))

    def close(self) -> None:
        """End everything at once and wait for it: the window or the application goes."""
        self._timer.stop()
        if self._steps is not None:
            self._steps.close()
        if self._child is not None:
            self._child.close()
        self._clean()
        self.state = JobState.IDLE

    def _tick(self) -> None:
        if self._steps is not None:
            self._go_on_finishing()
            return
        if self._child is None:
            self._timer.stop()
            return
        exit_code = self._child.exit_code
        self._look(self._child, ended=exit_code is not None)
        if self.state is JobState.CANCELLING:
            self._go_on_cancelling()
        elif exit_code is not None:
            self._timer.stop()
            self._child.kill()
            self._end(self._child, exit_code)
        elif sentence := self._unwanted():
            self.cancel(sentence, failed=True)

    def _go_on_cancelling(self) -> None:
        assert self._child is not None
        if self._child.alive():
            if time.monotonic() > self._deadline:
                self._child.kill()
            return
        self._timer.stop()
        state, sentence = JobState.FAILED if self._fails else JobState.IDLE, self._farewell
        self._clean()
        self._set(state, sentence)

    def _end(self, child: Child, exit_code: int) -> None:
        data = child.finished
        try:
            if exit_code != 0 or data is None:
                sentence, state = sentence_of_exit(exit_code, child.reason), JobState.FAILED
            else:
                sentence, state = self._unwanted(), JobState.FAILED
                if not sentence:
                    finished = self._finish(child.folder, data)
                    if isinstance(finished, GeneratorType):
                        self._steps = finished
                        self._timer.start(STEP_INTERVAL_MS)
                        return
                    sentence, state = str(finished), JobState.FINISHED
        except Exception as error:
            sentence, state = self._sentence_of(error), JobState.FAILED
        self._clean()
        self._set(state, sentence)

    def _go_on_finishing(self) -> None:
        assert self._steps is not None
        if sentence := self._unwanted():
            self._farewell, self._fails = sentence, True
            self._stop_steps()
            return
        try:
            next(self._steps)
            self.progressed.emit(1.0, "", time.monotonic() - self._began)
            return
        except StopIteration as stop:
            sentence, state = stop.value, JobState.FINISHED
        except Exception as error:
            sentence, state = self._sentence_of(error), JobState.FAILED
        self._timer.stop()
        self._clean()
        self._set(state, sentence)

    def _stop_steps(self) -> None:
        assert self._steps is not None
        self._timer.stop()
        self._steps.close()
        state, sentence = JobState.FAILED if self._fails else JobState.IDLE, self._farewell
        self._clean()
        self._set(state, sentence)

    def _look(self, child: Child, *, ended: bool) -> None:
        events, lines = child.look(ended=ended)
        for line in lines:
            self.logged.emit(line)
        for event in events:
            self._fraction = min(max(float(event.get("fraction", 0.0)), 0.0), 1.0)
            self._message = str(event.get("message", ""))
        if self.state is JobState.RUNNING:
            self.progressed.emit(self._fraction, self._message, time.monotonic() - self._began)

    def _clean(self) -> None:
        if self._child is not None:
            self._child.remove_folder()
        self._child = None
        self._forget()

    def _set(self, state: JobState, sentence: str) -> None:
        self.state, self.sentence = state, sentence
        if sentence and not state.busy:
            self.logged.emit(sentence)
        self.state_changed.emit(state, sentence)

    def _is_taken(self) -> bool:
        taken = self._child is not None or self._steps is not None
        if taken:
            self.logged.emit(_("Something is running already; wait for it or cancel it."))
        return taken

    def _sentence_of(self, error: Exception) -> str:
        return sentence_of_error(error, self._temporary, self.logged.emit)
