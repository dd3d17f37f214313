"""A slice with the outlines of the bones, as PNG."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.report.display_view import DisplayView

MARGIN_MM = 25.0
"""Surroundings of the bones that are shown."""

_DPI = 100
_SMALLEST_PX = 60
_TEXT: dict[str, Any] = {
    "color": "white",
    "fontsize": 11,
    "fontweight": "bold",
    "path_effects": [withStroke(linewidth=2.5, foreground="black")],
}


def gray_window(volume: Volume) -> tuple[float, float]:
    """Intensities shown black and white: percentiles 0.5 of all voxels and 99.7 of those above it."""
    sample = volume.array[:: max(1, volume.array.shape[0] // 40), ::2, ::2]
    low = float(np.percentile(sample, 0.5))
    above = sample[sample > low]
    high = float(np.percentile(above, 99.7)) if above.size else low + 1.0
    return low, max(high, low + 1e-6)


def crop_box(labels: Volume, view: DisplayView) -> tuple[slice, slice]:
    """Rows and columns on the screen that hold every labeled voxel and `MARGIN_MM` around it; all if there is none."""
    bounds = []
    for axis, flipped, spacing in (
        (view.row_axis, view.flip_rows, view.row_mm),
        (view.column_axis, view.flip_columns, view.column_mm),
    ):
        size = labels.array.shape[axis]
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero((labels.array > 0).any(axis=others))
        if hit.size == 0:
            bounds.append(slice(0, size))
            continue
        margin = round(MARGIN_MM / spacing)
        first, last = max(0, int(hit[0]) - margin), min(size, int(hit[-1]) + margin + 1)
        bounds.append(slice(size - last, size - first) if flipped else slice(first, last))
    return bounds[0], bounds[1]


def outline_color(bone: Bone) -> tuple[float, float, float]:
    """The bone's color, bright and saturated enough for a thin line on gray; red, green, blue, 0 to 1."""
    hue, lightness, _ = colorsys.rgb_to_hls(*(value / 255 for value in bone.color))
    return colorsys.hls_to_rgb(hue, min(max(lightness, 0.6), 0.7), 1.0)


def _letters(axes: Axes, view: DisplayView) -> None:
    place: dict[str, Any] = {"transform": axes.transAxes, **_TEXT}
    axes.text(0.015, 0.5, view.left, ha="left", va="center", **place)
    axes.text(0.985, 0.5, view.right, ha="right", va="center", **place)
    axes.text(0.5, 0.985, view.top, ha="center", va="top", **place)
    axes.text(0.5, 0.015, view.bottom, ha="center", va="bottom", **place)


def slice_picture(
    volume: Volume,
    labels: Volume,
    bones: Sequence[Bone],
    view: DisplayView,
    index: int,
    *,
    window: tuple[float, float],
    box: tuple[slice, slice],
    emphasis: Bone | None = None,
    limit_px: tuple[int, int] = (372, 330),
) -> bytes:
    """One slice with the bones' outlines and the letters of its edges.

    Parameters
    ----------
    volume, labels
        Intensities and label values on the same grid (k, j, i).
    view, index
        Which slices, and which of them.
    window
        Intensities shown black and white.
    box
        Rows and columns on the screen; see `crop_box`.
    emphasis
        The bone whose outline is drawn strongest; all alike if None.
    limit_px
        Largest width and height; the picture's own follow from the spacing, so that a millimeter is as long in both
        directions.

    Returns
    -------
    bytes
        PNG of at most 256 colors.
    """
    image = view.slice(volume.array, index)[box]
    marks = view.slice(labels.array, index)[box]
    rows, columns = image.shape
    height_mm, width_mm = rows * view.row_mm, columns * view.column_mm
    scale = min(limit_px[0] / width_mm, limit_px[1] / height_mm)
    width_px, height_px = max(_SMALLEST_PX, round(scale * width_mm)), max(_SMALLEST_PX, round(scale * height_mm))
    figure = Figure(figsize=(width_px / _DPI, height_px / _DPI), dpi=_DPI, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    # Millimeters on both axes: matplotlib keeps them equal and letterboxes what remains.
    axes.imshow(
        image,
        cmap="gray",
        vmin=window[0],
        vmax=window[1],
        extent=(0, width_mm, height_mm, 0),
        interpolation="bilinear",
        aspect="equal",
    )
    x_mm = (np.arange(columns) + 0.5) * view.column_mm
    y_mm = (np.arange(rows) + 0.5) * view.row_mm
    for bone in bones:
        mask = marks == bone.label
        if mask.any() and min(mask.shape) > 1:
            strong = emphasis is None or emphasis.key == bone.key
            axes.contour(
                x_mm, y_mm, mask, levels=[0.5], colors=[outline_color(bone)], linewidths=1.6 if strong else 0.8
            )
    axes.set_xlim(0, width_mm)
    axes.set_ylim(height_mm, 0)
    _letters(axes, view)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    stream = io.BytesIO()
    picture.quantize(colors=256, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()
