"""Box plots of the metrics, and slices with the outlines of truth and prediction."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from MultiJointSegLib import anatomy
from MultiJointSegLib.evaluation.case import CaseScore
from MultiJointSegLib.evaluation.metrics import METRICS, BoneMetrics
from MultiJointSegLib.imaging.canonical import canonical_grid
from MultiJointSegLib.imaging.volume import Volume

TRUTH_COLOR, PREDICTION_COLOR = "#ffd23f", "#2ec4ff"
"""Yellow and blue differ for every kind of color vision."""

_METHOD_COLORS = ("#14558f", "#e07a1f", "#3a8f5c", "#8d5aa8", "#b23a48", "#5f6b7a")
_MARGIN_MM = 15.0
_PICTURE_PX = 300
_DPI = 100
_EDGES = {"sagittal": "SIAP", "coronal": "SIRL", "axial": "APRL"}
"""Letters at the top, bottom, left and right of a canonical slice."""


def box_plot(scores: Sequence[CaseScore], metric: str) -> str:
    """Box plot of a metric by bone and method, as the address of an SVG that a page can hold.

    Boxes reach from the first to the third quartile with the median, whiskers to the furthest value within 1.5 times
    that range; every case is a point. Bones that were missed have no distance to show and are left out of those.
    """
    methods = list(dict.fromkeys(s.method for s in scores))
    bones = [b for b in anatomy.all_bones() if any(b.key in s.bones for s in scores)]
    width = 0.8 / len(methods)
    with rc_context({"font.size": 9, "svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": metric}):
        figure = Figure(figsize=(max(3.1, 1.0 + 0.5 * len(bones) * max(1, len(methods)) ** 0.7), 3.0))
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for m, method in enumerate(methods):
            color = _METHOD_COLORS[m % len(_METHOD_COLORS)]
            for n, bone in enumerate(bones):
                found = [s.bones[bone.key] for s in scores if s.method == method and bone.key in s.bones]
                values = [m.value(metric) for m in found if _shown(m, metric)]
                if values:
                    _box(axes, values, n - 0.4 + (m + 0.5) * width, 0.8 * width, color)
            if len(methods) > 1:
                axes.plot([], [], "s", color=color, label=method)
        axes.set_xticks(range(len(bones)), [b.name for b in bones], rotation=25 if len(bones) > 4 else 0)
        axes.set_xlim(-0.6, len(bones) - 0.4)
        definition = METRICS[metric]
        name = f"|{definition.name}|" if definition.higher_is_better is None else definition.name
        axes.set_ylabel(f"{name} ({definition.unit})" if definition.unit else name)
        if definition.unit:
            axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dde3ea")
        axes.set_axisbelow(True)
        if len(methods) > 1:
            figure.legend(loc="outside upper center", ncols=min(3, len(methods)), frameon=False)
        figure.set_layout_engine("constrained")
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _shown(metrics: BoneMetrics, metric: str) -> bool:
    penalty = METRICS[metric].unit == "mm" and bool(metrics.remark)
    return not penalty and not math.isnan(metrics.value(metric))


def _box(axes: Axes, values: list[float], position: float, width: float, color: str) -> None:
    axes.boxplot(
        [values],
        positions=[position],
        widths=width,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": color, "alpha": 0.25, "edgecolor": color},
        medianprops={"color": color, "linewidth": 2},
        whiskerprops={"color": color},
        capprops={"color": color},
    )
    # Points side by side in the order of the cases: the same picture every time.
    shifts = ((np.arange(len(values)) * 0.618) % 1 - 0.5) * width * 0.6
    axes.plot(position + shifts, values, ".", color=color, markersize=4, alpha=0.7)


def outline_picture(image: Volume | None, truth: Volume, prediction: Volume, label: int) -> tuple[str, str]:
    """The slice on which truth and prediction of one bone differ most.

    Parameters
    ----------
    image : Volume or None
        On the same grid; a plain background without it.
    truth, prediction : Volume
        Label maps; at least one holds the label.
    label : int
        Of the bone.

    Returns
    -------
    str
        Address of a PNG that a page can hold.
    str
        Plane and number of the slice, counted from 1 in the order of the file.
    """
    grid = canonical_grid(truth.geometry)
    ours, theirs = (grid.orient(v.array) == label for v in (truth, prediction))
    index = int((ours ^ theirs).sum(axis=(1, 2)).argmax())
    native = grid.native_shape
    steps = [truth.spacing_mm[2 - a] for a in grid.axes]
    box = tuple(
        _around((ours | theirs).any(axis=tuple(a for a in range(3) if a != axis)), round(_MARGIN_MM / steps[axis]))
        for axis in (1, 2)
    )
    masks = ours[index][box], theirs[index][box]
    shown = None if image is None else np.asarray(grid.orient(image.array)[index][box], float)
    number = native[0] - index if grid.flips[0] else index + 1
    picture = _picture(shown, masks, (steps[1], steps[2]), _EDGES[grid.plane])
    return picture, f"{grid.plane} slice {number} of {native[0]}"


def _around(hit: np.ndarray, margin: int) -> slice:
    inside = np.flatnonzero(hit)
    return slice(max(0, int(inside[0]) - margin), min(len(hit), int(inside[-1]) + margin + 1))


def _picture(
    image: np.ndarray | None, masks: tuple[np.ndarray, np.ndarray], pixel_mm: tuple[float, float], letters: str
) -> str:
    rows, columns = masks[0].shape
    height_mm, width_mm = rows * pixel_mm[0], columns * pixel_mm[1]
    scale = _PICTURE_PX / max(height_mm, width_mm)
    size = max(120, scale * width_mm) / _DPI, max(120, scale * height_mm) / _DPI
    figure = Figure(figsize=size, dpi=_DPI, facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    if image is not None:
        low, high = np.percentile(image, (1, 99.7))
        extent = (0, width_mm, height_mm, 0)
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=extent, interpolation="bilinear")
    x_mm = (np.arange(columns) + 0.5) * pixel_mm[1]
    y_mm = (np.arange(rows) + 0.5) * pixel_mm[0]
    for mask, color in zip(masks, (TRUTH_COLOR, PREDICTION_COLOR), strict=True):
        if mask.any() and min(mask.shape) > 1:
            # A rim of zeros closes outlines that reach the edge of the picture.
            axes.contour(_beyond(x_mm), _beyond(y_mm), np.pad(mask, 1), levels=[0.5], colors=[color], linewidths=1.5)
    axes.set_xlim(0, width_mm)
    axes.set_ylim(height_mm, 0)
    axes.set_aspect("equal")
    for letter, x, y in zip(letters, (0.5, 0.5, 0.03, 0.97), (0.96, 0.04, 0.5, 0.5), strict=True):
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            color="white",
            ha="center",
            va="center",
            weight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="black")],
        )
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, facecolor="black")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _beyond(centers_mm: np.ndarray) -> np.ndarray:
    step = centers_mm[1] - centers_mm[0]
    return np.concatenate([[centers_mm[0] - step], centers_mm, [centers_mm[-1] + step]])
