"""One picture per measurement: its landmarks on the bones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, ImageDraw

from MultiJointSegLib import anatomy
from MultiJointSegLib.morphology.congruence import tibiotalar_distance_mm
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.report.change_picture import distance_pictures
from MultiJointSegLib.report.drawing_process import DrawingProcess
from MultiJointSegLib.report.surface_picture import palette_png, with_scale_bar
from MultiJointSegLib.surface.mesh import Surface

PALETTE = ((206, 32, 41), (22, 96, 178), (20, 128, 60), (132, 60, 170), (214, 106, 0), (0, 140, 150))
"""Color of a measurement's first, second, ... landmark."""

CONGRUENCE_KEY = "ankle_tibiotalar_distance_mean"
"""The measure that the distance map belongs to."""

_SIZE_PX = (300, 300)
_LEGEND_PX = 18


def drawable(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Measurements that have more landmarks worth a picture than points and the planes they are seen in."""
    return [
        m
        for m in measurements
        if m.value is not None and any(entry["type"] in ("line", "sphere") for entry in m.geometry.values())
    ]


def legend(measurement: Measurement) -> list[tuple[str, tuple[int, int, int]]]:
    """Name and color of each landmark that is drawn."""
    names = [name for name, entry in measurement.geometry.items() if entry["type"] != "plane"]
    return [(name.replace("_", " "), PALETTE[n % len(PALETTE)]) for n, name in enumerate(names)]


def _with_legend(picture: Image.Image, measurement: Measurement) -> bytes:
    lines: list[list[tuple[str, tuple[int, int, int], float]]] = [[]]
    x = 6.0
    draw = ImageDraw.Draw(picture)
    for name, color in legend(measurement):
        width = draw.textlength(name)
        if x + width > picture.width - 6 and lines[-1]:
            lines.append([])
            x = 6.0
        lines[-1].append((name, color, x))
        x += width + 12
    whole = Image.new("RGB", (picture.width, picture.height + _LEGEND_PX * len(lines)), "white")
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for n, row in enumerate(lines):
        for name, color, left in row:
            draw.text((left, picture.height + n * _LEGEND_PX + 2), name, fill=color)
    return palette_png(whole)


class MeasurePictures:
    """Pictures of measurements, drawn by a process of its own; used as a context.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        LPS mm.
    measurements : sequence of Measurement
        Those of `drawable` are drawn.
    """

    def __init__(self, surfaces: Mapping[str, Surface], measurements: Sequence[Measurement]) -> None:
        shown = {key: s for key, s in surfaces.items() if len(s.triangles)}
        self._measurements = drawable(measurements) if shown else []
        job: dict[str, object] = {
            "colors": {key: anatomy.bone(key).color for key in shown},
            "measurements": [
                {"key": m.key, "bone": m.bone, "geometry": m.geometry} for m in self._measurements
            ],
            "palette": PALETTE,
            "width_px": _SIZE_PX[0],
            "height_px": _SIZE_PX[1],
        }  # fmt: skip
        drawn = list(shown.values()) if self._measurements else []
        self._drawing = DrawingProcess("MultiJointSegLib.report.measure_rendering", drawn, job)

    def __enter__(self) -> Self:
        self._drawing.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._drawing.__exit__()

    def pictures(self) -> tuple[dict[str, bytes], str]:
        """Wait for the pictures.

        Returns
        -------
        pictures : dict of str to bytes
            PNG by measurement key, in the order of the measurements.
        reason : str
            One sentence why there are none; "" if there are, or nothing was to be drawn.
        """
        if not self._measurements:
            return {}, ""
        lengths, reason = self._drawing.wait()
        if reason:
            return {}, f"The landmarks of the measurements are not drawn, since {reason}."
        folder = self._drawing.folder
        return {
            m.key: _with_legend(with_scale_bar(folder / f"{m.key}.png", lengths[m.key]), m)
            for m in self._measurements
            if m.key in lengths
        }, ""


def congruence_pictures(
    surfaces: Mapping[str, Surface], measurements: Sequence[Measurement]
) -> tuple[dict[str, bytes], str]:
    """Talus colored by its distance to the tibia: PNG by caption, and why there is none ("" if there is no ankle)."""
    mean = next((m.value for m in measurements if m.key == CONGRUENCE_KEY), None)
    if mean is None:
        return {}, ""
    values = tibiotalar_distance_mm(surfaces, mean)
    limit = float(np.ceil(2.0 * mean))
    pictures, reason = distance_pictures(
        {"talus": surfaces["talus"]}, {"talus": values}, (0.0, limit), views=("superior", "anterior")
    )
    return {f"Distance to the tibia, {caption.lower()}": png for caption, png in pictures.items()}, reason


def write_measure_pictures(
    folder: Path, surfaces: Mapping[str, Surface], measurements: Sequence[Measurement]
) -> tuple[list[Path], str]:
    """Write ``<key>.png`` for every measurement that has landmarks, and the distance map of an ankle.

    Parameters
    ----------
    folder
        Is made if there are pictures.
    surfaces, measurements
        As in `MeasurePictures`.

    Returns
    -------
    tuple of (list of Path, str)
        The files, and why there are none ("" if there are).
    """
    with MeasurePictures(surfaces, measurements) as drawing:
        pictures, reason = drawing.pictures()
    paths = []
    for key, png in pictures.items():
        folder.mkdir(exist_ok=True)
        paths.append(folder / f"{key}.png")
        paths[-1].write_bytes(png)
    maps, no_map = congruence_pictures(surfaces, measurements)
    for number, png in enumerate(maps.values(), 1):
        folder.mkdir(exist_ok=True)
        paths.append(folder / f"{CONGRUENCE_KEY.removesuffix('_mean')}_map_{number}.png")
        paths[-1].write_bytes(png)
    reason = reason or no_map
    return paths, reason
