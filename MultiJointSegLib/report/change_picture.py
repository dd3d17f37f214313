"""Surfaces colored by a distance in mm, with the scale beside them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from MultiJointSegLib.report.drawing_process import DrawingProcess
from MultiJointSegLib.report.surface_picture import with_scale_bar
from MultiJointSegLib.surface.mesh import Surface

_STOPS = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))
"""From the largest loss over no change to the largest gain, or from near to far; also for the color blind."""

_UNKNOWN = (150, 150, 150)
_SIZE_PX = (356, 470)
_BAR_PX = (120, 12)
_LEGEND_PX = 44
_VIEWS: tuple[dict[str, object], ...] = (
    {"key": "anterior", "from_lps": (0.0, -1.0, 0.0), "up_lps": (0.0, 0.0, 1.0), "caption": "Anterior view"},
    {"key": "left", "from_lps": (1.0, 0.0, 0.0), "up_lps": (0.0, 0.0, 1.0), "caption": "From the patient's left"},
    {"key": "posterior", "from_lps": (0.0, 1.0, 0.0), "up_lps": (0.0, 0.0, 1.0), "caption": "Posterior view"},
    {"key": "superior", "from_lps": (0.0, 0.0, 1.0), "up_lps": (0.0, -1.0, 0.0), "caption": "From above"},
)


def distance_colors(values_mm: np.ndarray, low_mm: float, high_mm: float) -> np.ndarray:
    """Colors uint8 (n, 3) of distances (n,); gray where there is none, the end colors beyond the range."""
    share = np.clip((np.asarray(values_mm, float) - low_mm) / (high_mm - low_mm), 0.0, 1.0)
    places = np.linspace(0.0, 1.0, len(_STOPS))
    stops = np.asarray(_STOPS, float)
    known = np.isfinite(share)
    colors = np.empty((len(share), 3), np.uint8)
    colors[~known] = _UNKNOWN
    for channel in range(3):
        colors[known, channel] = np.interp(share[known], places, stops[:, channel]).round()
    return colors


def _with_legend(picture: Image.Image, low_mm: float, high_mm: float) -> bytes:
    whole = Image.new("RGB", (picture.width, picture.height + _LEGEND_PX), "white")
    whole.paste(picture)
    width, height = _BAR_PX
    left, top = (picture.width - width) // 2, picture.height + 6
    bar = distance_colors(np.linspace(low_mm, high_mm, width), low_mm, high_mm)
    whole.paste(Image.fromarray(np.repeat(bar[None], height, axis=0)), (left, top))
    draw = ImageDraw.Draw(whole)
    for share, text in ((0.0, f"{low_mm:+g}"), (0.5, f"{0.5 * (low_mm + high_mm):g}"), (1.0, f"{high_mm:+g} mm")):
        draw.text((left + share * width, top + height + 4), text, fill=(40, 40, 40), anchor="ma")
    stream = io.BytesIO()
    whole.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def distance_pictures(
    surfaces: Mapping[str, Surface],
    values_mm: Mapping[str, np.ndarray],
    range_mm: tuple[float, float],
    *,
    views: Sequence[str] = ("anterior", "left", "posterior"),
) -> tuple[dict[str, bytes], str]:
    """Draw surfaces colored by distances.

    Parameters
    ----------
    surfaces, values_mm
        By bone: LPS mm, and one distance per point (n,); not a number is drawn gray.
    range_mm
        Distances of the first and the last color; white is in the middle.
    views
        Of "anterior", "left", "posterior", "superior".

    Returns
    -------
    tuple of (dict of str to bytes, str)
        PNG by caption, and why there are none ("" if there are).
    """
    shown = {key: s for key, s in surfaces.items() if len(s.triangles) and key in values_mm}
    chosen = [view for view in _VIEWS if view["key"] in views]
    job: dict[str, object] = {
        "colors": [_UNKNOWN for _ in shown],
        "views": chosen,
        "width_px": _SIZE_PX[0],
        "height_px": _SIZE_PX[1],
    }
    arrays = {f"colors{n}": distance_colors(values_mm[key], *range_mm) for n, key in enumerate(shown)}
    module = "MultiJointSegLib.report.surface_rendering"
    with DrawingProcess(module, list(shown.values()), job, arrays) as drawing:
        if not shown:
            return {}, "There is nothing to draw."
        lengths, reason = drawing.wait()
        if reason:
            return {}, f"The distances are not drawn, since {reason}."
        return {
            str(view["caption"]): _with_legend(
                with_scale_bar(drawing.folder / f"{view['key']}.png", lengths[str(view["key"])]), *range_mm
            )
            for view in chosen
        }, ""
