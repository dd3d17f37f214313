"""Helper processes that survive the death of one of them."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from MultiJointSegLib.errors import MultiJointSegError


class ProcessDiedError(MultiJointSegError):
    """The helper process that worked on something died, twice."""


@dataclass(slots=True)
class Call:
    """A call handed to a helper process."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    future: Future[Any]

    def done(self) -> bool:
        """Whether `Processes.result` would return at once."""
        return self.future.done()


class Processes:
    """A pool of processes.

    When one dies (out of memory, or a crash in a library), every call that was under way is repeated alone in a
    fresh process, so that only the call that kills its process fails.

    Parameters
    ----------
    count
        Number of processes.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = _new_pool(count)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Call:
        """Hand over a call; function and arguments must be picklable."""
        try:
            future = self._pool.submit(function, *arguments)
        except BrokenProcessPool:
            self._renew()
            future = self._pool.submit(function, *arguments)
        return Call(function, arguments, future)

    def result(self, call: Call) -> Any:
        """Wait for a call.

        Raises
        ------
        ProcessDiedError
            If its process died both times.
        Exception
            What the call raised.
        """
        try:
            return call.future.result()
        except BrokenProcessPool:
            self._renew()
        with _new_pool(1) as alone:
            try:
                return alone.submit(call.function, *call.arguments).result()
            except BrokenProcessPool:
                raise ProcessDiedError(
                    "The process that worked on it died twice: the memory may not be enough, or a library crashed."
                ) from None

    def close(self, *, patience_s: float = 10.0) -> None:
        """End all processes; those still busy after `patience_s` are terminated, then killed."""
        processes = _processes_of(self._pool)
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + patience_s
        for end in ("", "terminate", "kill"):
            for process in processes:
                with suppress(ValueError, OSError):
                    if end and process.is_alive():
                        getattr(process, end)()
            for process in processes:
                with suppress(ValueError, OSError, AssertionError):
                    process.join(max(0.1, deadline - time.monotonic()))
            deadline = time.monotonic() + 3.0

    def _renew(self) -> None:
        """Replace the pool if it is broken; calls of the old one fail and are repeated by `result`."""
        try:
            self._pool.submit(_nothing)
        except BrokenProcessPool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = _new_pool(self._count)


def _new_pool(count: int) -> ProcessPoolExecutor:
    # Spawned, not forked: a forked copy of a process with threads of OpenVINO, torch or CUDA may hang.
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)


def _processes_of(pool: ProcessPoolExecutor) -> list[Any]:
    return list((getattr(pool, "_processes", None) or {}).values())


def _begin() -> None:
    """A Ctrl-C reaches all processes of a terminal; only the main one decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end(_signal: int, _frame: object) -> None:
        raise SystemExit(1)  # lets `staged_folder` tidy up

    signal.signal(signal.SIGTERM, end)


def _nothing() -> None:
    pass
