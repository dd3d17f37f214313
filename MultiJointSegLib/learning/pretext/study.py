"""A study as the pretext tasks see it: series of slices, each with its place in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from MultiJointSegLib.imaging.dicom_headers import DicomFrame
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid, vector
from MultiJointSegLib.learning.pretext.views import SAME_PLACE_MM, View, described_view, stack_direction, view_of

PARALLEL_DEG = 1.0
SHORT_SERIES = 3
"""Series with fewer places than this are joined with parallel ones: some protocols store every slice as a series."""


@dataclass(frozen=True, slots=True)
class FileSlice:
    """One slice of a volume in a file: along the array axis `axis` (0 k, 1 j, 2 i) the one at `index`."""

    path: Path
    axis: int
    index: int


ImageSource = DicomFrame | FileSlice


@dataclass(frozen=True, slots=True)
class StudySlice:
    """One place in the patient, imaged once or several times (phases, echoes).

    Parameters
    ----------
    grid : SliceGrid
        Where the pixels lie.
    images : tuple of DicomFrame or FileSlice
        At least one.
    """

    grid: SliceGrid
    images: tuple[ImageSource, ...]


@dataclass(frozen=True, slots=True)
class StudySeries:
    """Parallel slices of one series, or of several series of few slices.

    Parameters
    ----------
    key : str
        Series number or file name; joined by "+" where several series were joined.
    description : str
        What the source calls it. Never used to tell the view.
    view : View
        From the geometry.
    frame_of_reference : str
        Planes are comparable only within one.
    slices : tuple of StudySlice
        In the direction of `views.stack_direction`, each place once.
    localizer : bool
        Its planes were placed before the anatomy was seen, so they are never targets; its images may be inputs.
    """

    key: str
    description: str
    view: View
    frame_of_reference: str
    slices: tuple[StudySlice, ...]
    localizer: bool = False

    @property
    def normal(self) -> np.ndarray:
        """Unit normal (3,) of the slices."""
        return self.slices[0].grid.normal

    @property
    def centers_mm(self) -> np.ndarray:
        """Middle of every slice, float64 (slices, 3), LPS."""
        return np.array([s.grid.center_mm for s in self.slices])

    @property
    def middle_plane(self) -> Plane:
        """Plane halfway between the first and the last slice: what the technologist centered on the anatomy."""
        middle = (self.slices[0].grid.center_mm + self.slices[-1].grid.center_mm) / 2
        return Plane(vector(middle), vector(self.normal))

    @property
    def extent_mm(self) -> float:
        """Distance of the first and the last slice."""
        return float(np.ptp(self.centers_mm @ self.normal))

    @property
    def phases(self) -> int:
        """Largest number of images of one place."""
        return max(len(s.images) for s in self.slices)

    def __str__(self) -> str:
        count = len(self.slices)
        text = f"{self.key}: {self.view}, {count} slice{'s' * (count != 1)}"
        text += f" over {self.extent_mm:.0f} mm" if count > 1 else ""
        text += f", {self.phases} images each" if self.phases > 1 else ""
        return text + (", localizer" if self.localizer else "")


@dataclass(frozen=True, slots=True)
class Study:
    """One examination with all its usable series.

    Parameters
    ----------
    name : str
        Of the folder or file; never from the patient's data.
    series : tuple of StudySeries
    joint : str
        Joint key where it is known, else "".
    side : str or None
        "left" or "right" where it is known.
    notes : tuple of str
        Sentences on what was left out, joined, or contradicts itself.
    """

    name: str
    series: tuple[StudySeries, ...]
    joint: str = ""
    side: str | None = None
    notes: tuple[str, ...] = field(default=())


def sorted_slices(
    slices: Sequence[tuple[SliceGrid, ImageSource]], side: str | None
) -> tuple[tuple[StudySlice, ...], int]:
    """Put parallel images in order and join those of one place.

    Returns
    -------
    slices : tuple of StudySlice
    repeated : int
        Places that were imaged more than once.
    """
    direction = stack_direction(slices[0][0].normal, side)
    order = sorted(slices, key=lambda pair: float(pair[0].center_mm @ direction))
    places: list[StudySlice] = []
    for grid, image in order:
        if places and _same_place(places[-1].grid, grid, direction):
            places[-1] = replace(places[-1], images=(*places[-1].images, image))
        else:
            places.append(StudySlice(grid, (image,)))
    return tuple(places), sum(len(p.images) > 1 for p in places)


def _same_place(first: SliceGrid, second: SliceGrid, direction: np.ndarray) -> bool:
    return abs(float((first.center_mm - second.center_mm) @ direction)) < SAME_PLACE_MM


def join_short_series(series: Sequence[StudySeries], side: str | None) -> tuple[list[StudySeries], list[str]]:
    """Join series of one or two slices that are parallel, alike in size and share a frame of reference.

    Returns
    -------
    series : list of StudySeries
    notes : list of str
        One sentence for every join.
    """
    result: list[StudySeries] = []
    groups: list[list[StudySeries]] = []
    for one in series:
        if len(one.slices) >= SHORT_SERIES or one.localizer:
            result.append(one)
            continue
        fitting = (g for g in groups if _alike(g[0], one))
        group = next(fitting, None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    notes = []
    for group in groups:
        if len(group) == 1:
            result.append(group[0])
            continue
        pairs = [(s.grid, image) for one in group for s in one.slices for image in s.images]
        slices, _ = sorted_slices(pairs, side)
        keys = "+".join(one.key for one in group)
        result.append(replace(group[0], key=keys, slices=slices))
        notes.append(f"The {len(group)} series {keys.replace('+', ', ')} are parallel and were joined to one stack.")
    order = {one.key: index for index, one in enumerate(series)}
    return sorted(result, key=lambda one: order[one.key.split("+")[0]]), notes


def _alike(first: StudySeries, second: StudySeries) -> bool:
    a, b = first.slices[0].grid, second.slices[0].grid
    return (
        first.frame_of_reference == second.frame_of_reference
        and a.plane.angle_deg(b.plane) < PARALLEL_DEG
        and a.shape == b.shape
        and np.allclose(a.pixel_mm, b.pixel_mm, rtol=1e-3)
        and np.allclose(a.row_step_mm, b.row_step_mm, atol=0.02 * max(a.pixel_mm))
    )


def same_planes(first: StudySeries, second: StudySeries) -> bool:
    """Whether two series show exactly the same slices."""
    return (
        first.frame_of_reference == second.frame_of_reference
        and len(first.slices) == len(second.slices)
        and all(
            a.grid.shape == b.grid.shape
            and np.allclose(a.grid.origin_mm, b.grid.origin_mm, atol=SAME_PLACE_MM)
            and np.allclose(a.grid.column_step_mm, b.grid.column_step_mm, atol=1e-3)
            and np.allclose(a.grid.row_step_mm, b.grid.row_step_mm, atol=1e-3)
            for a, b in zip(first.slices, second.slices, strict=True)
        )
    )


def contradiction(series: StudySeries) -> str:
    """Sentence where a series' description names another view than its geometry has; "" otherwise."""
    described = described_view(series.description)
    if described is None or series.view.oblique or described == series.view.nearest:
        return ""
    return (
        f"Series {series.key} is described as '{series.description}' but lies {series.view}; the geometry is believed."
    )


def make_series(
    key: str,
    description: str,
    slices: Sequence[tuple[SliceGrid, ImageSource]],
    frame_of_reference: str,
    *,
    side: str | None,
    localizer: bool = False,
) -> StudySeries:
    """Series of parallel images in any order; see `StudySeries`."""
    ordered, _ = sorted_slices(slices, side)
    return StudySeries(key, description, view_of(ordered[0].grid.normal), frame_of_reference, ordered, localizer)
