"""From the most probable class of every voxel to bones in one piece."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MultiJointSegLib.inference.closing import close_mask
from MultiJointSegLib.inference.pieces import bone_pieces

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class CleanedClasses:
    """Result of `clean_classes`.

    Parameters
    ----------
    classes : uint8 ndarray of shape (k, j, i)
        Class per voxel, 0 background.
    boxes : dict of int to tuple of 3 slice
        Bounding box of each class that is not empty.
    removed_voxels, added_voxels : dict of int to int
        Per class: voxels of smaller components taken away; voxels of bridges, closed gaps and filled holes.
    """

    classes: np.ndarray
    boxes: dict[int, Box]
    removed_voxels: dict[int, int]
    added_voxels: dict[int, int]


def clean_classes(
    classes: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    count: int,
    closing_radius_mm: float,
    both_sides: bool = False,
    in_parts: Collection[int] = (),
) -> CleanedClasses:
    """Keep the largest component of each class with the large ones near it, close gaps and fill holes.

    Parameters
    ----------
    classes : uint8 ndarray of shape (k, j, i)
        Class per voxel, 0 background; left untouched.
    spacing_mm : tuple of 3 float
        Voxel spacing along (k, j, i).
    count : int
        Number of classes 1..count.
    closing_radius_mm : float
        Radius of the closing ball; 0 for none.
    both_sides : bool
        Keep the other side's bone as well (see `bone_pieces`).
    in_parts : collection of int
        Classes of bones that are seen in parts (see `bone_pieces`).

    Returns
    -------
    CleanedClasses

    Notes
    -----
    Components are 26-connected, so that a thin plate such as the scapula's blade stays in one piece. Gaps, also those
    between the pieces that are kept, and holes are filled from the background only: a bone never takes voxels of
    another, and what two bones claim stays background, so that the order of the classes does not matter. The largest
    component, then closing with a ball, follows Boutillon et al. 2022, DOI 10.1016/j.media.2022.102556; the pieces near
    it, and the radius in millimeters for voxels that are not cubes, are our own choice.
    """
    largest, removed = np.zeros_like(classes), {}
    boxes: dict[int, Box] = {}
    bridges: dict[int, np.ndarray] = {}
    for index, box in enumerate(ndimage.find_objects(classes, max_label=count), start=1):
        removed[index] = 0
        if box is None:
            continue
        mask = classes[box] == index
        kept = bone_pieces(mask, spacing_mm, both_sides=both_sides, in_parts=index in in_parts)
        removed[index] = int(np.count_nonzero(mask & ~kept))
        largest[box][kept & mask] = index
        tight = ndimage.find_objects(kept.view(np.uint8))[0]
        bridges[index] = (kept & ~mask)[tight]
        k, j, i = (slice(o.start + t.start, o.start + t.stop) for o, t in zip(box, tight, strict=True))
        boxes[index] = (k, j, i)

    added: dict[int, np.ndarray] = {}
    claims = np.zeros(classes.shape, np.uint8)
    for index, box in boxes.items():
        mask = largest[box] == index
        filled = fill_holes(close_mask(mask | bridges[index], closing_radius_mm, spacing_mm)) & (largest[box] == 0)
        claims[box] += filled
        added[index] = filled
    result = largest.copy()
    added_voxels = dict.fromkeys(removed, 0)
    for index, filled in added.items():
        box = boxes[index]
        own = filled & (claims[box] == 1)
        result[box][own] = index
        added_voxels[index] = int(np.count_nonzero(own))
    return CleanedClasses(result, boxes, removed, added_voxels)


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Mask (k, j, i) with the background that it encloses; background is 6-connected.

    A hole that touches a face of the array is not enclosed.
    """
    components, number = ndimage.label(np.pad(~mask, 1, constant_values=True))
    inner = components[1:-1, 1:-1, 1:-1]
    return np.array(mask, bool) if number <= 1 else inner != components[0, 0, 0]
