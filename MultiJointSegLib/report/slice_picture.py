"""A slice with the outlines of the bones, as PNG."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from contourpy import contour_generator
from PIL import Image, ImageDraw, ImageFont

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.report.display_view import DisplayView

MARGIN_MM = 25.0
"""Surroundings of the bones that are shown."""

_SMALLEST_PX = 60
_FINER = 4
"""Outlines are drawn on so many pixels per pixel and side, then averaged: Pillow's lines have hard edges."""
_STRONG_PX, _WEAK_PX = 2.2, 1.1
_LETTER_PX, _LETTER_BORDER_PX, _LETTER_PLACE = 15, 2, 0.015
_GRAYS = 128
"""Of the 256 colors of a picture; the others are the mixtures of the bones' colors with gray."""
_MIXED_GRAYS = 6


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


def _letters(picture: Image.Image, view: DisplayView) -> None:
    """Write the letters of the edges, white with a black border, onto a gray picture."""
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_LETTER_PX)
    width, height = picture.size
    near, far = _LETTER_PLACE, 1 - _LETTER_PLACE
    for text, x, y, anchor in (
        (view.left, near, 0.5, "lm"),
        (view.right, far, 0.5, "rm"),
        (view.top, 0.5, near, "mt"),
        (view.bottom, 0.5, far, "mb"),
    ):
        place = (x * width, y * height)
        draw.text(place, text, 255, font=font, anchor=anchor, stroke_width=_LETTER_BORDER_PX, stroke_fill=0)


def _outline(mask: np.ndarray, size_px: tuple[int, int], width_px: float) -> np.ndarray:
    """How much of each pixel the line around a mask covers, 0..255, uint8 of the picture's shape."""
    rows, columns = mask.shape
    canvas = Image.new("L", (size_px[0] * _FINER, size_px[1] * _FINER))
    draw = ImageDraw.Draw(canvas)
    per_voxel = np.array([canvas.width / columns, canvas.height / rows])
    for line in contour_generator(z=np.pad(mask.astype(np.float32), 1), name="serial").lines(0.5):
        # Voxel centers lie half a voxel inside; the frame of one voxel is taken off.
        points = (np.asarray(line) - 0.5) * per_voxel
        draw.line([(float(x), float(y)) for x, y in points], 255, round(width_px * _FINER), joint="curve")
    return np.asarray(canvas.reduce(_FINER))


def _palette(bones: Sequence[Bone], shares: int) -> np.ndarray:
    """Colors uint8 (256, 3): grays, then for each bone and share of its color the mixtures with some grays."""
    grays = np.round(np.arange(_GRAYS) * 255 / (_GRAYS - 1))
    palette = [np.repeat(grays[:, None], 3, axis=1)]
    under = np.linspace(0, 255, _MIXED_GRAYS)[:, None]
    for bone in bones:
        color = np.asarray(outline_color(bone)) * 255
        palette += [under * (1 - n / shares) + color * n / shares for n in range(1, shares + 1)]
    colors = np.concatenate(palette)
    return np.pad(np.round(colors), ((0, 256 - len(colors)), (0, 0))).astype(np.uint8)


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
    size_px = (max(1, round(scale * width_mm)), max(1, round(scale * height_mm)))
    low, high = window
    gray = np.clip((image.astype(np.float32) - low) * np.float32(255 / (high - low)), 0, 255)
    slice_shown = Image.fromarray(np.ascontiguousarray(gray)).resize(size_px, Image.Resampling.BILINEAR).convert("L")
    # Few rows or columns would leave no room for the letters: black on both sides.
    picture = Image.new("L", (max(_SMALLEST_PX, size_px[0]), max(_SMALLEST_PX, size_px[1])))
    left, top = (picture.width - size_px[0]) // 2, (picture.height - size_px[1]) // 2
    picture.paste(slice_shown, (left, top))
    _letters(picture, view)
    inner = (slice(top, top + size_px[1]), slice(left, left + size_px[0]))
    shown = [bone for bone in bones if (marks == bone.label).any()]
    shares = (256 - _GRAYS) // (_MIXED_GRAYS * max(1, len(shown)))
    lit = np.asarray(picture)
    colors = lit // 2
    under = np.rint(lit[inner] * ((_MIXED_GRAYS - 1) / 255)).astype(int)
    for number, bone in enumerate(shown):
        strong = emphasis is None or emphasis.key == bone.key
        cover = _outline(marks == bone.label, size_px, _STRONG_PX if strong else _WEAK_PX)
        share = np.rint(cover * (shares / 255)).astype(int)
        mixed = _GRAYS + (number * shares + share - 1) * _MIXED_GRAYS + under
        colors[inner] = np.where(share > 0, mixed, colors[inner])
    whole = Image.fromarray(colors)
    whole.putpalette(_palette(shown, shares).tobytes())
    stream = io.BytesIO()
    whole.save(stream, "PNG")
    return stream.getvalue()
