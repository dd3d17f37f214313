"""Left and right bone of one label: both are kept where an examination shows both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.surface.mesh import Surface

LEAST_SHARE = 0.25
LEAST_APART_MM = 60.0
"""A second piece is the other side's bone when it has this share of the voxels and lies this far to the side."""


def split_sides(mask: Volume) -> list[Volume]:
    """The mask itself, or left and right bone apart where it holds both, the larger one first.

    Parameters
    ----------
    mask : Volume
        Array (k, j, i), not 0 inside.
    """
    boxes = ndimage.find_objects((mask.array != 0).astype(np.uint8))
    if not boxes:
        return [mask]
    box = boxes[0]
    pieces, count = ndimage.label(mask.array[box])
    if count < 2:
        return [mask]
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes)[:2]
    if sizes[order[1]] < LEAST_SHARE * sizes[order[0]]:
        return [mask]
    first = np.array([part.start for part in box])
    at = [
        mask.geometry.index_to_point((np.asarray(c) + first)[::-1])
        for c in ndimage.center_of_mass(pieces > 0, pieces, order)
    ]
    if abs(at[0][0] - at[1][0]) < LEAST_APART_MM:
        return [mask]
    sides = []
    for number in order:
        array = np.zeros(mask.array.shape, bool)
        array[box] = pieces == number
        sides.append(mask.with_array(array))
    return sides


def joined_surfaces(surfaces: Sequence[Surface]) -> Surface:
    """All surfaces as one, which then has several connected components."""
    if len(surfaces) == 1:
        return surfaces[0]
    first = np.cumsum([0, *(len(s.points_mm) for s in surfaces[:-1])])
    return Surface(
        np.concatenate([s.points_mm for s in surfaces]),
        np.concatenate([s.triangles + n for s, n in zip(surfaces, first, strict=True)]),
    )
