"""A process of its own that draws surfaces while the caller does something else.

It needs no display, and a broken graphics driver ends only that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np

from MultiJointSegLib.surface.mesh import Surface

RENDERING_TIMEOUT_S = 120.0
"""Software rendering of a million triangles takes a few seconds; a hung driver must not hold up the result."""

_ROOT = Path(__file__).resolve().parents[2]


class DrawingProcess:
    """Runs a drawing program of this package on surfaces.

    Used as a context, so that an interrupted caller leaves neither the process nor its files.

    Parameters
    ----------
    module
        Module whose program reads ``job.json`` and ``surfaces.npz`` (``points0``, ``triangles0``, ...) in the folder it
        is given, and writes pictures and ``done.json``.
    surfaces
        LPS mm.
    job
        Content of ``job.json``; without surfaces nothing is run.
    arrays
        More arrays for ``surfaces.npz``.
    """

    def __init__(
        self,
        module: str,
        surfaces: Sequence[Surface],
        job: dict[str, object],
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._module, self._surfaces, self._job = module, surfaces, job
        self._arrays = dict(arrays or {})
        self._folder = tempfile.TemporaryDirectory(prefix="multijointseg-", ignore_cleanup_errors=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Where the pictures are."""
        return Path(self._folder.name)

    def __enter__(self) -> Self:
        if self._surfaces:
            arrays = self._arrays
            for number, surface in enumerate(self._surfaces):
                arrays[f"points{number}"] = surface.points_mm
                arrays[f"triangles{number}"] = surface.triangles
            np.savez(self.folder / "surfaces.npz", allow_pickle=False, **arrays)
            (self.folder / "job.json").write_text(json.dumps(self._job), encoding="utf-8")
            command = [sys.executable, "-m", self._module, str(self.folder)]
            with suppress(OSError):
                self.process = subprocess.Popen(
                    command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()

    def wait(self) -> tuple[dict[str, float], str]:
        """Content of ``done.json`` (length of a pixel in mm, by picture) and "", or nothing and why not."""
        try:
            if self.process is None or self.process.wait(RENDERING_TIMEOUT_S) != 0:
                return {}, "this machine could not draw surfaces without a display"
            return json.loads((self.folder / "done.json").read_text(encoding="utf-8")), ""
        except subprocess.TimeoutExpired:
            return {}, f"drawing it took longer than {RENDERING_TIMEOUT_S:.0f} s"
