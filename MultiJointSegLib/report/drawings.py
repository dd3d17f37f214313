"""The three-dimensional pictures of a report, begun as soon as what they show is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Self

from MultiJointSegLib import anatomy
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.report.measure_picture import MeasurePictures
from MultiJointSegLib.report.surface_picture import SurfacePicture, SurfaceRendering
from MultiJointSegLib.surface.decimation import simplified_for_pictures
from MultiJointSegLib.surface.mesh import Surface

CELL_MM = 0.8
"""Simplification of the drawn surfaces: about two pixels of the views, up to four of a landmark's picture."""


class ReportDrawings:
    """Draws the bones, then the measurements' landmarks, each by a process of its own; used as a context.

    The bones are drawn from the moment the context is entered, while the caller measures.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        LPS mm; empty surfaces are left out.
    side : str, optional
        "left" or "right", where known.
    """

    def __init__(self, surfaces: Mapping[str, Surface], *, side: str | None = None) -> None:
        self._surfaces = {key: simplified_for_pictures(surface, CELL_MM) for key, surface in surfaces.items()}
        bones = [anatomy.bone(key) for key in self._surfaces]
        self._rendering = SurfaceRendering(list(self._surfaces.values()), bones, side=side)
        self._landmarks: MeasurePictures | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._rendering)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def begin_landmarks(self, measurements: Sequence[Measurement]) -> None:
        """Begin to draw the measurements' landmarks."""
        self._landmarks = self._stack.enter_context(MeasurePictures(self._surfaces, measurements))

    def views(self) -> tuple[list[SurfacePicture], str]:
        """Wait for the views of the bones; see `surface_picture.SurfaceRendering.pictures`."""
        return self._rendering.pictures()

    def landmarks(self) -> tuple[dict[str, bytes], str]:
        """Wait for the landmarks; see `measure_picture.MeasurePictures.pictures`. Nothing if they were not begun."""
        return ({}, "") if self._landmarks is None else self._landmarks.pictures()
