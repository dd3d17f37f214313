"""Silence for the image libraries, which print warnings where our own messages belong."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import SimpleITK as sitk

_LOCK = threading.RLock()
_nested: list[bool] = []


@contextmanager
def silent_native_output() -> Iterator[None]:
    """Send what C and C++ code writes to the standard error to nowhere, for the time of the block.

    Python's own standard error is flushed before and works again afterwards. Blocks may be nested; keep them short,
    because the redirection holds for the whole process.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    with _LOCK:
        if _nested:
            yield
            return
        with suppress(Exception):
            sys.stderr.flush()
        try:
            saved = os.dup(2)
        except OSError:  # no standard error at all, for example in a windowed application
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            _nested.append(True)
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(nowhere)
            os.close(saved)
            _nested.pop()
