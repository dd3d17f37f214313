"""Studies ready for training: images as the network sees them, with grid, location and the planes that cross them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.canonical import NEIGHBOR_MM, PIXEL_MM
from MultiJointSegLib.imaging.intensity import CLIP_HIGH, intensity_window
from MultiJointSegLib.imaging.resampling import downsampling_matrix
from MultiJointSegLib.learning.pretext.lines import MINIMUM_ANGLE_DEG, have_line
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid
from MultiJointSegLib.learning.pretext.study import Study, StudySeries, same_planes
from MultiJointSegLib.learning.pretext.study_images import read_images
from MultiJointSegLib.learning.pretext.views import (
    VIEWS,
    rearranged_grid,
    rearranged_image,
    relative_locations,
    screen_order,
    view_of,
)
from MultiJointSegLib.progress import Progress, SilentProgress

CHANNELS = (*VIEWS, "oblique")
"""Views whose planes are looked for in others: one heat map each."""
MUCH_MORE_TILTED_DEG = 15.0


@dataclass(frozen=True, slots=True)
class PreparedSeries:
    """Images of one series.

    Parameters
    ----------
    key : str
    channel : str
        One of `CHANNELS`: which heat map would show the planes of this series.
    images : float16 ndarray of shape (slices, phases, rows, columns)
        Normalized (0 air, about 1 bright tissue), turned to the screen, at the network's pixel.
    grids : tuple of SliceGrid
        One a slice.
    locations : float64 ndarray of shape (slices,) or None
        Relative location; None for a single slice and for images cut from another stack.
    neighbor_step : int
        Slices from one to the neighbor that the network sees beside it.
    crossing : dict of str to Plane
        By channel: planes that cut these slices at a sufficient angle.
    frame_of_reference : str
        Planes and slices are related only within one.
    """

    key: str
    channel: str
    images: np.ndarray
    grids: tuple[SliceGrid, ...]
    locations: np.ndarray | None
    neighbor_step: int
    crossing: dict[str, Plane]
    frame_of_reference: str = ""

    @property
    def teaches(self) -> bool:
        """Whether there is anything to learn from it."""
        return bool(self.crossing) or self.locations is not None

    def network_image(self, index: int, phase: int = 0) -> np.ndarray:
        """Slice and its neighbors, float32 (3, rows, columns); the edge slice is repeated outside."""
        last = len(self.images) - 1
        chosen = [max(0, index - self.neighbor_step), index, min(last, index + self.neighbor_step)]
        return self.images[chosen, phase].astype(np.float32)


@dataclass(frozen=True, slots=True)
class PreparedStudy:
    """A study ready for training; see `PreparedSeries`."""

    name: str
    joint: str
    side: str | None
    series: tuple[PreparedSeries, ...]
    notes: tuple[str, ...] = ()


def channels_of(series: Sequence[StudySeries]) -> dict[str, str]:
    """Channel of every series by its key.

    The nearest anatomical plane; but of several series near one plane, those tilted by `MUCH_MORE_TILTED_DEG` more than
    the straightest are oblique, so that an additional oblique series does not pass for the standard one.
    """
    least: dict[str, float] = {}
    for one in series:
        least[one.view.nearest] = min(one.view.tilt_deg, least.get(one.view.nearest, 90.0))
    return {
        one.key: "oblique" if one.view.tilt_deg > least[one.view.nearest] + MUCH_MORE_TILTED_DEG else one.view.nearest
        for one in series
    }


def target_planes(series: Sequence[StudySeries]) -> dict[tuple[str, str], Plane]:
    """Planes to be found, by frame of reference and channel: the middle of the series with most slices of each channel.

    Localizers are no targets: they were placed before the anatomy was seen.
    """
    channels = channels_of(series)
    best: dict[tuple[str, str], StudySeries] = {}
    for one in series:
        place = (one.frame_of_reference, channels[one.key])
        if not one.localizer and (place not in best or len(one.slices) > len(best[place].slices)):
            best[place] = one
    return {place: one.middle_plane for place, one in best.items()}


def prepare_study(
    study: Study,
    *,
    pixel_mm: float = PIXEL_MM,
    minimum_angle_deg: float = MINIMUM_ANGLE_DEG,
    phases: int = 3,
    reslice: bool = False,
) -> PreparedStudy:
    """Read and prepare all series of a study.

    Parameters
    ----------
    study : Study
    pixel_mm : float
        Pixel of the network; the actual one differs by less than one pixel over the whole image.
    minimum_angle_deg : float
        Planes at less are no targets.
    phases : int
        Images of one place that are kept.
    reslice : bool
        Also cut images across even stacks, so that studies of a single view have lines too (`reslicing`).

    Raises
    ------
    InputError
        If a series cannot be decoded.
    """
    from MultiJointSegLib.learning.pretext.reslicing import cross_cuts

    channels, planes = channels_of(study.series), target_planes(study.series)
    result, notes, seen = [], list(study.notes), list[StudySeries]()
    for one in study.series:
        try:
            images = _normalized(read_images(one, phases=phases))
        except InputError as error:
            notes.append(f"Series {one.key} was left out: {error}")
            continue
        own = {channel: plane for (frame, channel), plane in planes.items() if frame == one.frame_of_reference}
        stacks = [(one.key, channels[one.key], images, tuple(s.grid for s in one.slices), True)]
        if reslice and not any(same_planes(one, other) for other in seen):
            stacks += [
                (f"{one.key} {cut.view}", cut.view, cut.images, cut.grids, False) for cut in cross_cuts(images, one)
            ]
        seen.append(one)
        for key, channel, pixels, grids, acquired in stacks:
            crossing = {
                other: plane
                for other, plane in own.items()
                if other != channel and have_line(grids[0], plane, minimum_angle_deg)
            }
            made = _series(key, channel, pixels, grids, crossing, study.side if acquired else "", pixel_mm)
            result.append(replace(made, frame_of_reference=one.frame_of_reference))
    return PreparedStudy(study.name, study.joint, study.side, tuple(result), tuple(notes))


def prepare_studies(
    studies: Sequence[Study],
    *,
    progress: Progress = SilentProgress(),  # noqa: B008
    problems: list[str] | None = None,
    **options: object,
) -> list[PreparedStudy]:
    """`prepare_study` of many, with progress; those that teach nothing are left out, with a sentence in `problems`.

    Raises
    ------
    InputError
        If nothing is left.
    """
    result = []
    for index, study in enumerate(studies):
        progress.report(index / len(studies), f"Preparing studies: {study.name}")
        prepared = prepare_study(study, **options)  # type: ignore[arg-type]
        if any(s.teaches for s in prepared.series):
            result.append(prepared)
        elif problems is not None:
            reasons = f" {' '.join(prepared.notes)}" if prepared.notes else ""
            problems.append(
                f"The study {study.name} was left out: it has neither a stack nor planes at an angle.{reasons}"
            )
    if not result:
        raise InputError(
            f"None of the {len(studies)} studies teaches anything: a stack of slices, or two planes at an angle in one "
            "frame of reference, is needed."
        )
    return result


def _normalized(images: np.ndarray) -> np.ndarray:
    low, high = intensity_window(images)
    scaled = np.clip((images - np.float32(low)) * np.float32(1 / (high - low)), 0, CLIP_HIGH)
    return scaled.astype(np.float32)


def _series(
    key: str,
    channel: str,
    images: np.ndarray,
    grids: Sequence[SliceGrid],
    crossing: dict[str, Plane],
    side: str | None,
    pixel_mm: float,
) -> PreparedSeries:
    """Turn to the screen and resample; `side` "" stands for images that have no location."""
    order = screen_order(grids[0])
    shown = rearranged_image(images, order)
    shown_grids = [rearranged_grid(g, order) for g in grids]
    spacing = shown_grids[0].pixel_mm
    shape = tuple(max(1, round(n * s / pixel_mm)) for n, s in zip(shown.shape[-2:], spacing, strict=True))
    rows, columns = downsampling_matrix(shown.shape[-2], shape[0]), downsampling_matrix(shown.shape[-1], shape[1])
    small = np.clip(rows @ np.ascontiguousarray(shown) @ columns.T, 0, CLIP_HIGH).astype(np.float16)
    normal = shown_grids[0].normal
    along = np.array([g.center_mm @ normal for g in shown_grids])
    step = float(np.median(np.abs(np.diff(along)))) if len(along) > 1 else NEIGHBOR_MM
    locations = None if side == "" else relative_locations(np.array([g.center_mm for g in shown_grids]), normal, side)
    return PreparedSeries(
        key,
        channel,
        small,
        tuple(g.resized((shape[0], shape[1])) for g in shown_grids),
        locations,
        max(1, round(NEIGHBOR_MM / max(step, 1e-3))),
        dict(crossing),
    )


def view_name(series: PreparedSeries) -> str:
    """Nearest anatomical plane of a prepared series."""
    return view_of(series.grids[0].normal).nearest
