"""The pictures of a report, grouped as the page shows them."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.anatomy.catalog import Bone, Code
from MultiJointSegLib.anatomy.catalog import bone as bone_of
from MultiJointSegLib.inference.uncertainty import slices_to_review
from MultiJointSegLib.progress import Progress
from MultiJointSegLib.report.content import ReportContent
from MultiJointSegLib.report.display_view import DisplayView, display_views, view_across
from MultiJointSegLib.report.slice_choice import slices_through
from MultiJointSegLib.report.slice_picture import crop_box, gray_window, slice_picture

SLICES_PER_BONE = 4
SLICES_PER_OTHER_PLANE = 3
DOUBTFUL_SLICES = 6
_LARGE_PX = (372, 330)
_SMALL_PX = (372, 255)
"""Largest width and height of a slice: three or more fit in a row."""

OBLIQUE_FROM_DEG = 5.0
"""Tilt of a grid axis from which a plane is called oblique."""


_MASK = Bone("mask", "Mask", 1, (255, 190, 0), Code("", "", ""), paired=False)
"""How the network's input mask is drawn."""

_SOURCES = {
    "skin": "outline of the body",
    "bone": "all bones together, from a first pass or a threshold",
    "organ": "outline of the parent organ, given with the examination",
    "oracle": "union of the true labels: an experiment, not a result",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG as a data address, with what stands under it."""

    source: str
    caption: str


@dataclass(frozen=True, slots=True)
class PictureRow:
    """Pictures under one heading."""

    title: str
    note: str
    pictures: list[Picture]


def data_address(png: bytes) -> str:
    """PNG as an address that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def plane_title(view: DisplayView) -> str:
    """Name of the plane, with its tilt for an oblique grid: "Sagittal, tilted by 12°"."""
    title = view.plane.capitalize()
    return f"{title}, tilted by {view.tilt_deg:.0f}°" if view.tilt_deg >= OBLIQUE_FROM_DEG else title


def _numbering(view: DisplayView) -> str:
    return f"slices every {view.slice_mm:.2f} mm, numbered from {view.first} to {view.last}"


class FigureMaker:
    """Draws slices of one examination, all with the same gray window.

    Parameters
    ----------
    content
        What the report shows.
    """

    def __init__(self, content: ReportContent) -> None:
        self._content = content
        self._views = display_views(content.volume.geometry)
        self._acquired = view_across(self._views, content.segmentation.slice_axis)
        self._window = gray_window(content.volume)
        self._boxes = {plane: crop_box(content.labels, view) for plane, view in self._views.items()}

    @property
    def acquired_view(self) -> DisplayView:
        """The plane whose slices the network saw."""
        return self._acquired

    def _picture(
        self, view: DisplayView, index: int, caption: str, emphasis: Bone | None, limit_px: tuple[int, int]
    ) -> Picture:
        png = slice_picture(
            self._content.volume,
            self._content.labels,
            self._content.joint.bones,
            view,
            index,
            window=self._window,
            box=self._boxes[view.plane],
            emphasis=emphasis,
            limit_px=limit_px,
        )
        return Picture(data_address(png), caption)

    def planes(self) -> list[PictureRow]:
        """Three slices through the bones in each of the three planes; the acquired plane comes first."""
        rows = []
        found = self._content.labels.array > 0
        order = sorted(self._views.values(), key=lambda view: view is not self._acquired)
        for view in order:
            count = self._content.labels.array.shape[view.slice_axis]
            indices = slices_through(found, view.slice_axis, SLICES_PER_OTHER_PLANE) or [count // 2]
            kind = "acquired plane" if view is self._acquired else "reformatted"
            note = f"{kind}, pixel {view.column_mm:.2f} × {view.row_mm:.2f} mm, {_numbering(view)}"
            pictures = [self._picture(view, i, f"slice {i + 1} of {count}", None, _LARGE_PX) for i in indices]
            rows.append(PictureRow(plane_title(view), note, pictures))
        return rows

    def input_mask(self) -> PictureRow | None:
        """Three slices with the mask that the network saw; None where it saw none."""
        mask = self._content.segmentation.input_mask
        if mask is None:
            return None
        view = self._acquired
        count = mask.volume.array.shape[view.slice_axis]
        box = (slice(None), slice(None))
        pictures = []
        for index in slices_through(mask.volume.array > 0, view.slice_axis, SLICES_PER_OTHER_PLANE):
            png = slice_picture(
                self._content.volume,
                mask.volume,
                [_MASK],
                view,
                index,
                window=self._window,
                box=box,
                limit_px=_SMALL_PX,
            )
            pictures.append(Picture(data_address(png), f"slice {index + 1} of {count}"))
        return PictureRow(mask.source.capitalize(), _SOURCES[mask.source], pictures)

    def bones(self, progress: Progress) -> list[PictureRow]:
        """Slices through each bone in the acquired plane."""
        rows = []
        view = self._acquired
        count = self._content.labels.array.shape[view.slice_axis]
        bones = self._content.joint.bones
        for number, bone in enumerate(bones):
            progress.report(number / len(bones), f"slices through the {bone.name.lower()}")
            mask = self._content.labels.array == bone.label
            indices = slices_through(mask, view.slice_axis, SLICES_PER_BONE)
            note = "" if indices else "not found in this examination"
            pictures = [self._picture(view, i, f"slice {i + 1} of {count}", bone, _SMALL_PX) for i in indices]
            rows.append(PictureRow(bone.name, note, pictures))
        return rows

    def doubtful(self) -> list[Picture]:
        """The slices most in need of a look, most uncertain first."""
        count = self._content.labels.array.shape[self._acquired.slice_axis]
        pictures = []
        worst = slices_to_review(self._content.segmentation.slice_uncertainty, count=DOUBTFUL_SLICES)
        for key, index, uncertainty in worst:
            bone = bone_of(key)
            caption = f"{bone.name}, slice {index + 1} of {count}: uncertainty {uncertainty:.2f}"
            pictures.append(self._picture(self._acquired, index, caption, bone, _SMALL_PX))
        return pictures


def bars(values: np.ndarray, *, width_px: int = 240, height_px: int = 36) -> list[tuple[float, float, float, float]]:
    """Rectangles (x, y, width, height) of a bar chart of values 0..1, top left origin; NaN gives no bar."""
    step = width_px / max(1, len(values))
    clean = np.nan_to_num(np.clip(np.asarray(values, float), 0, 1))
    return [
        (
            round(n * step, 2),
            round(height_px * (1 - float(v)), 2),
            round(step * 0.85, 2),
            round(height_px * float(v), 2),
        )
        for n, v in enumerate(clean)
        if v > 0
    ]
