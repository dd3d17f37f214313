"""What a pretrained network finds in whole studies, against what their geometry says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from MultiJointSegLib.learning.pretext.line_fit import FittedLine, LineError, fit_line, line_error
from MultiJointSegLib.learning.pretext.lines import intersection_line
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.learning.pretext.prepared import PreparedSeries, PreparedStudy
from MultiJointSegLib.learning.pretext.prescription import PlaneError, PrescribedPlane, plane_error, prescribe_plane
from MultiJointSegLib.learning.pretext.sampling import domain_of
from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid
from MultiJointSegLib.progress import Progress, SilentProgress

_MULTIPLE = 32
_BATCH = 8


@dataclass(frozen=True, slots=True)
class LineResult:
    """The line of one channel in one slice; `found` is None where the network shows none, `error` too then."""

    channel: str
    found: FittedLine | None
    error: LineError | None


@dataclass(frozen=True, slots=True)
class SliceResult:
    """What was found in one slice.

    Parameters
    ----------
    study, series : str
        Names.
    index : int
        Slice of the series.
    view : str
        Channel of the series.
    lines : tuple of LineResult
        One for each plane that cuts the slice within the image.
    location, true_location : float
        The latter is NaN where the slice has none.
    """

    study: str
    series: str
    index: int
    view: str
    lines: tuple[LineResult, ...]
    location: float
    true_location: float


@dataclass(frozen=True, slots=True)
class PlaneResult:
    """Plane of one channel, fitted to the lines in all slices of a study, and its error."""

    study: str
    channel: str
    proposed: PrescribedPlane | None
    error: PlaneError | None


@torch.no_grad()
def predict_series(
    network: PretextNetwork, series: PreparedSeries, domain: str, indices: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Heat maps float32 (n, channels, rows, columns) and locations (n,) of slices of a series (first phase)."""
    device = next(network.parameters()).device
    rows, columns = series.images.shape[-2:]
    pad = (0, -columns % _MULTIPLE, 0, -rows % _MULTIPLE)
    maps, locations = [], []
    for start in range(0, len(indices), _BATCH):
        images = np.stack([series.network_image(i) for i in indices[start : start + _BATCH]])
        heat, location = network(F.pad(torch.from_numpy(images), pad).to(device), domain)
        maps.append(heat[:, :, :rows, :columns].float().cpu().numpy())
        locations.append(location.float().cpu().numpy())
    return np.concatenate(maps), np.concatenate(locations)


def evaluate_study(
    network: PretextNetwork, study: PreparedStudy, domain_kind: str
) -> tuple[list[SliceResult], list[PlaneResult]]:
    """Lines, locations and planes of a whole study, with their errors.

    Parameters
    ----------
    network : PretextNetwork
        In evaluation mode.
    study : PreparedStudy
    domain_kind : str
        "shared", "joint" or "view", as in training.
    """
    slices: list[SliceResult] = []
    # Planes are related only within one frame of reference.
    by_plane: dict[tuple[str, str], list[tuple[SliceGrid, FittedLine]]] = {}
    true_planes = {(s.frame_of_reference, key): plane for s in study.series for key, plane in s.crossing.items()}
    for series in study.series:
        if not series.teaches:
            continue
        domain = domain_of(study, series, domain_kind)
        if domain not in network.domains:
            continue
        heat, locations = predict_series(network, series, domain, range(len(series.images)))
        for index, grid in enumerate(series.grids):
            lines = []
            for channel, plane in series.crossing.items():
                true = intersection_line(grid, plane, 0.0)
                if true is None or true.ends(grid.shape) is None:
                    continue
                found = fit_line(heat[index, network.channels.index(channel)])
                error = None if found is None else line_error(found.line, true, grid)
                lines.append(LineResult(channel, found, error))
                if found is not None:
                    by_plane.setdefault((series.frame_of_reference, channel), []).append((grid, found))
            true_location = np.nan if series.locations is None else float(series.locations[index])
            slices.append(
                SliceResult(
                    study.name, series.key, index, series.channel, tuple(lines), float(locations[index]), true_location
                )
            )
    planes = []
    for (frame, channel), plane in true_planes.items():
        proposed = prescribe_plane(by_plane.get((frame, channel), []), study.side)
        off = None if proposed is None else plane_error(proposed.plane, plane)
        planes.append(PlaneResult(study.name, channel, proposed, off))
    return slices, planes


def evaluate_studies(
    network: PretextNetwork,
    studies: Sequence[PreparedStudy],
    domain_kind: str,
    progress: Progress = SilentProgress(),  # noqa: B008
) -> tuple[list[SliceResult], list[PlaneResult]]:
    """`evaluate_study` of many."""
    slices: list[SliceResult] = []
    planes: list[PlaneResult] = []
    for index, study in enumerate(studies):
        progress.report(index / len(studies), f"Looking for planes: {study.name}")
        found = evaluate_study(network, study, domain_kind)
        slices += found[0]
        planes += found[1]
    return slices, planes


@dataclass(frozen=True, slots=True)
class Summary:
    """One row of numbers: mean, median and 90th percentile of `count` values of `total` (the others were not found)."""

    count: int
    total: int
    mean: float
    median: float
    ninetieth: float


def summarize(values: Sequence[float | None]) -> Summary:
    """Summary of values, None where there is none."""
    found = np.array([v for v in values if v is not None])
    if not len(found):
        return Summary(0, len(values), float("nan"), float("nan"), float("nan"))
    return Summary(
        len(found), len(values), float(found.mean()), float(np.median(found)), float(np.percentile(found, 90))
    )


def error_table(slices: Sequence[SliceResult], planes: Sequence[PlaneResult]) -> dict[str, dict[str, dict[str, float]]]:
    """Errors by channel ("all" together): "line_mm", "line_deg", "plane_mm", "plane_deg", and "location" by view."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    lines = [line for s in slices for line in s.lines]
    channels = list(dict.fromkeys([line.channel for line in lines]))

    def put(row: str, name: str, values: list[float | None]) -> None:
        if values:
            s = summarize(values)
            table.setdefault(row, {})[name] = {
                "count": s.count, "total": s.total, "mean": s.mean, "median": s.median, "p90": s.ninetieth
            }  # fmt: skip

    errors: tuple[tuple[str, Callable[[LineError], float]], ...] = (
        ("line_mm", lambda e: e.position_mm),
        ("line_deg", lambda e: e.angle_deg),
    )
    plane_errors: tuple[tuple[str, Callable[[PlaneError], float]], ...] = (
        ("plane_mm", lambda e: e.distance_mm),
        ("plane_deg", lambda e: e.angle_deg),
    )
    for row in ["all", *channels]:
        for name, value in errors:
            put(row, name, [None if x.error is None else value(x.error) for x in lines if row in ("all", x.channel)])
        for name, of_plane in plane_errors:
            put(
                row, name, [None if x.error is None else of_plane(x.error) for x in planes if row in ("all", x.channel)]
            )
    views = list(dict.fromkeys(s.view for s in slices))
    for row in ["all", *views]:
        known = [s for s in slices if row in ("all", s.view) and not np.isnan(s.true_location)]
        put(row, "location", [abs(s.location - s.true_location) for s in known])
    return table


def propose_planes(
    network: PretextNetwork, study: PreparedStudy, domain_kind: str, channels: Sequence[str]
) -> dict[tuple[str, str], PrescribedPlane]:
    """Standard planes of a study, from the lines that the network finds in all slices of other views.

    Parameters
    ----------
    network : PretextNetwork
        In evaluation mode.
    study : PreparedStudy
        A localizer, or any study.
    domain_kind : str
        "shared", "joint" or "view", as in training.
    channels : sequence of str
        What to look for: channels that the network has learned.

    Returns
    -------
    dict of (str, str) to PrescribedPlane
        By frame of reference and channel; planes that the lines do not hold are left out.
    """
    found: dict[tuple[str, str], list[tuple[SliceGrid, FittedLine]]] = {}
    for series in study.series:
        domain = domain_of(study, series, domain_kind)
        wanted = [c for c in channels if c != series.channel]
        if domain not in network.domains or not wanted:
            continue
        heat, _ = predict_series(network, series, domain, range(len(series.images)))
        for index, grid in enumerate(series.grids):
            for channel in wanted:
                line = fit_line(heat[index, network.channels.index(channel)])
                if line is not None:
                    found.setdefault((series.frame_of_reference, channel), []).append((grid, line))
    proposed = {place: prescribe_plane(lines, study.side) for place, lines in found.items()}
    return {place: plane for place, plane in proposed.items() if plane is not None}
