"""A process with everything it started: Slicer's Python is a launcher, so killing it alone kills nothing of use."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import Any

LOOK_INTERVAL_S = 1.0
"""Listing the system's processes takes milliseconds, so it is not done more often."""


class ProcessTree:
    """The process and its descendants, remembered so that orphans are found after their parent is gone."""

    def __init__(self, pid: int) -> None:
        # Installed with our requirements at first use, not part of Slicer.
        import psutil

        self._psutil = psutil
        self._known: dict[int, Any] = {}
        self._looked = 0.0
        with contextlib.suppress(psutil.Error):
            self._known[pid] = psutil.Process(pid)

    def look(self, *, now: bool = False) -> None:
        """Take note of new descendants."""
        if not now and time.monotonic() - self._looked < LOOK_INTERVAL_S:
            return
        self._looked = time.monotonic()
        for process in list(self._known.values()):
            with contextlib.suppress(self._psutil.Error):
                for child in process.children(recursive=True):
                    self._known.setdefault(child.pid, child)

    def alive(self) -> list[Any]:
        """Processes of the tree that still run; a number taken over by another process does not count."""
        return [process for process in self._known.values() if self._runs(process)]

    def terminate(self) -> None:
        """Ask all to end, so that they can tidy up."""
        self.look(now=True)
        self._each(self.alive(), "terminate")

    def kill(self, *, wait_s: float = 0.0) -> None:
        """End all that are left, and wait at most so long until they are gone."""
        self.look(now=True)
        killed = self.alive()
        self._each(killed, "kill")
        if wait_s and killed:
            self._psutil.wait_procs(killed, timeout=wait_s)

    def _runs(self, process: Any) -> bool:
        try:
            return bool(process.is_running()) and process.status() != self._psutil.STATUS_ZOMBIE
        except self._psutil.Error:
            return False

    def _each(self, processes: Iterable[Any], action: str) -> None:
        for process in processes:
            with contextlib.suppress(self._psutil.Error):
                getattr(process, action)()
