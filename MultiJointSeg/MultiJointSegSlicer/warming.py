"""Loads what the first click needs while the person looks at the form: a package at a time, so that nothing blocks."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence

from MultiJointSegSlicer.job.job import Timer

NAMES = (
    "psutil",
    "pydicom",
    "SimpleITK",
    "MultiJointSegLib.imaging.reading",
    "MultiJointSegLib.imaging.writing",
    "MultiJointSegLib.imaging.checks",
    "MultiJointSegLib.annotation.refinement.project",
    "MultiJointSegLib.morphology.writing",
    "MultiJointSegLib.surface.writing",
    "MultiJointSegSlicer.scene.building",
    "MultiJointSegSlicer.scene.updating",
    "MultiJointSegSlicer.scene.views",
)
PAUSE_MS = 50
"""Between two packages: the window works meanwhile."""


class Warming:
    """Imports modules, one each time that the timer goes off; those that are not installed yet are left out."""

    def __init__(self, timer: Timer, names: Sequence[str] = NAMES) -> None:
        self._timer = timer
        self._left = list(names)
        self._timer.timeout.connect(self._import_next)

    def start(self) -> None:
        """Begin."""
        self._timer.start(PAUSE_MS)

    def stop(self) -> None:
        """Load no more."""
        self._timer.stop()

    def _import_next(self) -> None:
        if not self._left:
            self._timer.stop()
            return
        with contextlib.suppress(ImportError):
            importlib.import_module(self._left.pop(0))
