"""What the command line shows: progress, results, one sentence on an error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class LineProgress:
    """Plain lines, one per stage: for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage = ""

    def report(self, fraction: float, message: str) -> None:
        """Print a line when the stage changes."""
        stage = message.split(":", 1)[0]
        if stage and stage != self._stage:
            self._stage = stage
            _write(self._stream, f"[{100 * fraction:3.0f} %] {stage}")


class BarProgress:
    """A bar with the name of the stage: for terminals."""

    def __init__(self, bar: RichProgress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def report(self, fraction: float, message: str) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=fraction, description=message)


EVENT_PREFIX = "@multijointseg "
"""Begins every line meant for a program that runs the command, since libraries print lines of their own."""


class EventProgress:
    """One JSON object per line: for a program that runs the command and shows its progress."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def report(self, fraction: float, message: str) -> None:
        """Write the event."""
        write_event(self._stream, event="progress", fraction=round(fraction, 4), message=message)


def write_event(stream: TextIO, **event: object) -> None:
    """Write one event as a line of ASCII, so that no terminal encoding can spoil it."""
    stream.write(f"{EVENT_PREFIX}{json.dumps(event)}\n")
    stream.flush()


class Terminal:
    """Standard output and error of one command.

    Parameters
    ----------
    quiet
        Show nothing but errors.
    as_json
        Show one JSON object on standard output, and nothing else there.
    events
        Also write progress and outcome as lines that begin with `EVENT_PREFIX`, on standard error.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, events: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self.events = events

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Context of a progress display on standard error: a bar on a terminal, plain lines otherwise."""
        if self.events:
            yield EventProgress(sys.stderr)
        elif self.quiet or self.as_json:
            yield SilentProgress()
        elif not sys.stderr.isatty():
            yield LineProgress(sys.stderr)
        else:
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress
            from rich.table import Column

            columns = (
                BarColumn(bar_width=28),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn(
                    "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
                ),
            )
            with RichProgress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
                yield BarProgress(bar, bar.add_task("", total=1.0))

    def note(self, sentence: str) -> None:
        """Print a line on standard error, unless only errors or an object are to be shown."""
        if not (self.quiet or self.as_json):
            _write(sys.stderr, sentence)

    def show(self, lines: list[str], data: dict[str, object]) -> None:
        """Print a result: the object with ``--json``, nothing with ``--quiet``, the lines otherwise."""
        if self.events:
            write_event(sys.stderr, event="finished", data=data)
        if self.as_json:
            _write(sys.stdout, json.dumps(data, indent=2, ensure_ascii=False))
        elif not self.quiet and lines:
            _write(sys.stdout, "\n".join(lines))

    def fail(self, sentence: str, exit_code: int) -> None:
        """Print one sentence on standard error, and with ``--json`` an object on standard output."""
        sentence = " ".join(sentence.split())
        if self.events:
            write_event(sys.stderr, event="failed", exit_code=exit_code, error=sentence)
        if self.as_json:
            _write(sys.stdout, json.dumps({"exit_code": exit_code, "error": sentence}, ensure_ascii=False))
        _write(sys.stderr, f"multijointseg: {sentence}")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text + "\n")
    except UnicodeEncodeError:  # a terminal of another encoding
        stream.write(text.encode("ascii", "replace").decode("ascii") + "\n")
    stream.flush()


@contextmanager
def stray_output_to_stderr() -> Iterator[None]:
    """Context in which what C++ libraries print to standard output goes to standard error.

    Standard output then holds the result alone. Works on file descriptors, below Python's streams.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # no standard output at all, as in a windowed program
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
