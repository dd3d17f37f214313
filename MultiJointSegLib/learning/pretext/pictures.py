"""Pictures of the pretext tasks: slices with true and predicted lines, locations, the course of the losses."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from MultiJointSegLib.learning.pretext.lines import PixelLine, intersection_line
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.learning.pretext.prediction import SliceResult, predict_series
from MultiJointSegLib.learning.pretext.prepared import CHANNELS, PreparedSeries, PreparedStudy
from MultiJointSegLib.learning.pretext.sampling import domain_of
from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid

CHANNEL_COLORS = dict(zip(CHANNELS, ("#ffd23f", "#2ec4ff", "#ff7a9a", "#7be495"), strict=True))
"""Bright enough on black, and apart for every common kind of color vision when line styles are added."""
_DPI = 100


def draw_line(axes: Axes, line: PixelLine, grid: SliceGrid, color: str, style: str = "-", width: float = 1.6) -> None:
    """Draw a line over a slice shown with `imshow`; nothing where it passes by."""
    ends = line.ends(grid.shape)
    if ends is not None:
        edge = [withStroke(linewidth=width + 1.4, foreground="black")]
        axes.plot(ends[:, 0], ends[:, 1], style, color=color, linewidth=width, path_effects=edge)


def show_slice(axes: Axes, image: np.ndarray, grid: SliceGrid, title: str = "") -> None:
    """Show an image (rows, columns) with the shape of its pixels, black at the first percentile."""
    low, high = np.percentile(image, (1, 99.5))
    rows, columns = image.shape
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=grid.pixel_mm[0] / grid.pixel_mm[1])
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_axis_off()
    if title:
        axes.set_title(title, color="white", fontsize=8, pad=3)


def png_source(figure: Figure) -> str:
    """The figure as the address of a PNG that a page can hold."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, facecolor=figure.get_facecolor())
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def black_figure(rows: int, columns: int, size: float = 2.4) -> tuple[Figure, np.ndarray]:
    """Black figure with a grid of axes (rows, columns)."""
    figure = Figure(figsize=(columns * size, rows * size), dpi=_DPI, facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.93, 0.03, 0.12)
    for one in axes.flat:
        one.set_axis_off()
    return figure, axes


def study_picture(network: PretextNetwork, study: PreparedStudy, results: Sequence[SliceResult], kind: str) -> str:
    """Three slices of each view of a study, a row for each, and beside them their strongest heat maps.

    True lines are drawn through, predicted ones dashed; the title gives the predicted location, and the true one.
    """
    shown: dict[str, PreparedSeries] = {}
    for series in study.series:
        if series.teaches and domain_of(study, series, kind) in network.domains:
            shown.setdefault(series.channel, series)
    by_slice = {(r.series, r.index): r for r in results if r.study == study.name}
    figure, axes = black_figure(len(shown), 6, 2.1)
    for row, series in enumerate(shown.values()):
        count = len(series.images)
        for place, share in enumerate((0.25, 0.5, 0.75)):
            index = min(count - 1, int(share * count))
            heat, _ = predict_series(network, series, domain_of(study, series, kind), [index])
            image = series.images[index, 0].astype(np.float32)
            result = by_slice[series.key, index]
            where = "" if np.isnan(result.true_location) else f" {result.location:.2f} ({result.true_location:.2f})"
            lines, maps = axes[row, place], axes[row, 3 + place]
            grid = series.grids[index]
            show_slice(lines, image, grid, f"{series.channel}{where}")
            found = {line.channel: line.found for line in result.lines}
            for channel, plane in series.crossing.items():
                line = intersection_line(grid, plane, 0.0)
                if line is not None:
                    draw_line(lines, line, grid, CHANNEL_COLORS[channel], width=1.2)
                fitted = found.get(channel)
                if fitted is not None:
                    draw_line(lines, fitted.line, grid, CHANNEL_COLORS[channel], "--", 2.0)
            present = [network.channels.index(c) for c in series.crossing]
            show_slice(maps, image, grid)
            if present:
                maps.imshow(heat[0, present].max(0), cmap="inferno", alpha=0.6, vmin=0, vmax=1)
    return png_source(figure)


def location_picture(results: Sequence[SliceResult]) -> str:
    """Predicted against true locations, by view."""
    figure = Figure(figsize=(4.2, 3.8), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#5d6b7a", linewidth=1)
    marks = dict(zip(CHANNELS, "osD^", strict=True))
    colors = dict(zip(CHANNELS, ("#b07d00", "#14558f", "#b23a48", "#3a8f5c"), strict=True))
    for view in CHANNELS:
        known = [r for r in results if r.view == view and not np.isnan(r.true_location)]
        if known:
            axes.plot([r.true_location for r in known], [r.location for r in known], marks[view], color=colors[view],
                      markersize=3, alpha=0.6, label=view)  # fmt: skip
    axes.set(xlabel="true location", ylabel="predicted location", xlim=(-0.05, 1.05), ylim=(-0.25, 1.25))
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.set_layout_engine("constrained")
    return png_source(figure)


def loss_picture(log: Path) -> str | None:
    """Losses of training and of held-back studies over the steps; None where nothing was logged."""
    if not log.exists():
        return None
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    if not rows:
        return None
    figure = Figure(figsize=(6.4, 3.8), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for key, name, color in (("line", "lines", "#14558f"), ("location", "location", "#b23a48")):
        axes.plot([r["step"] for r in rows], [r[key] for r in rows], ":", color=color, label=f"{name}, training batch")
        axes.plot([r["step"] for r in rows], [r[f"validation_{key}"] for r in rows], "-", color=color,
                  label=f"{name}, held-back studies")  # fmt: skip
    axes.set(xlabel="step", ylabel="mean squared error", yscale="log")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.set_layout_engine("constrained")
    return png_source(figure)
