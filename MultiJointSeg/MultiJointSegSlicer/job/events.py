"""What the child says: events among the lines that libraries print."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "@multijointseg "
"""Begins the lines that are events; the same as in `MultiJointSegLib.cli.terminal`."""


@dataclass(slots=True)
class Output:
    """Reads the file that the child writes its output to, while it is being written.

    A file and not a pipe: nothing blocks, no thread is needed, and a grandchild that survives its parent keeps nothing
    waiting.
    """

    path: Path
    _offset: int = 0
    _rest: bytes = b""
    finished: dict[str, Any] | None = field(default=None)
    """The result that the child stated."""
    reason: str = ""
    """Why it failed, in the child's own words."""

    def read(self, *, ended: bool = False) -> tuple[list[dict[str, Any]], list[str]]:
        """Progress events and other lines since the last call; a line that is not whole yet waits unless `ended`."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except OSError:
            return [], []
        self._offset += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        if ended and self._rest:
            whole.append(self._rest)
            self._rest = b""
        progress: list[dict[str, Any]] = []
        lines: list[str] = []
        for raw in whole:
            line = raw.decode("utf-8", "replace").rstrip("\r")
            event = _event(line)
            if event is None:
                lines.append(line)
            elif event["event"] == "progress":
                progress.append(event)
            elif event["event"] == "finished":
                self.finished = event.get("data") or {}
            elif event["event"] == "failed":
                self.reason = str(event.get("error", ""))
        return progress, lines


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith(PREFIX):
        return None
    try:
        event = json.loads(line.removeprefix(PREFIX))
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
