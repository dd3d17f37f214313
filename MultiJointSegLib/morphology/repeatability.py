"""By how much a measure changes when every outline is drawn one pixel wider or narrower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress
from MultiJointSegLib.surface.extraction import bone_surfaces

_IN_PLANE = 1.5
"""Array axes whose spacing is at most this many times the finest one count as in-plane: outlines are drawn there."""


def shifted_outlines(labels: Volume, joint: str, pixels: int) -> Volume:
    """The label map with every bone grown (+1, +2, ...) or shrunk (-1, ...) by pixels within the slices.

    A growing bone takes background only. A bone that would vanish stays as it was.
    """
    spacing = np.asarray(labels.geometry.spacing_mm)[::-1]
    element = np.zeros((3, 3, 3), bool)
    element[1, 1, 1] = True
    for axis in np.flatnonzero(spacing <= _IN_PLANE * spacing.min()):
        place: list[int | slice] = [1, 1, 1]
        place[axis] = slice(None)
        element[tuple(place)] = True
    array = labels.array.copy()
    for bone in catalog.joint(joint).bones:
        mask = labels.array == bone.label
        if pixels > 0:
            grown = ndimage.binary_dilation(mask, element, iterations=pixels)
            array[grown & (array == 0)] = bone.label
        elif mask.any():
            # Beyond the edge of the field of view the bone goes on.
            kept = ndimage.binary_erosion(mask, element, iterations=-pixels, border_value=1)
            if kept.any():
                array[mask & ~kept] = 0
    return labels.with_array(array)


def with_pixel_error(
    measurements: Sequence[Measurement],
    labels: Volume,
    joint: str,
    *,
    side: str | None = None,
    progress: Progress | None = None,
) -> list[Measurement]:
    """The measurements with errors that contain an unsure outline.

    Everything is measured twice more, with all outlines one pixel wider and one pixel narrower. Half the difference is
    what one pixel means for a measure; it is added to its error estimate as an independent error (root of the sum of
    squares), or becomes it where there was none.

    Parameters
    ----------
    measurements : sequence of Measurement
        Made from `labels`.
    labels : Volume
        Label map with the catalog's values.
    joint : str
        Joint key.
    side : str, optional
        As the measurements were made.
    progress : Progress, optional
        Told of both rounds.

    Returns
    -------
    list of Measurement
        In the same order; those that cannot be given with both outlines keep their error and say so in their note.
    """
    progress = progress or SilentProgress()
    rounds: list[dict[str, Measurement]] = []
    for n, pixels in enumerate((1, -1)):
        changed = shifted_outlines(labels, joint, pixels)
        span = ProgressSpan(progress, 0.5 * n, 0.5 * n + 0.4)
        surfaces = bone_surfaces(changed, catalog.joint(joint).bones, progress=span)
        rounds.append({m.key: m for m in measure_surfaces(surfaces, joint=joint, labels=labels, side=side)})
    progress.report(1.0, "")
    return [_combined(m, rounds[0].get(m.key), rounds[1].get(m.key)) for m in measurements]


def _combined(m: Measurement, wide: Measurement | None, narrow: Measurement | None) -> Measurement:
    if m.value is None:
        return m
    if wide is None or narrow is None or wide.value is None or narrow.value is None:
        note = f"{m.note} With outlines one pixel wider or narrower it cannot be given.".strip()
        return replace(m, note=note)
    half = 0.5 * abs(wide.value - narrow.value)
    return replace(m, error_estimate=float(np.hypot(half, m.error_estimate or 0.0)))
