"""Parts of one bone that are seen apart."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

LEAST_SHARE = 0.25
WITHIN_MM = 25.0
"""A body is a part of a bone that is seen in parts (`anatomy.Bone.in_parts`) when it has this share of the largest
body's voxels and comes this near to it or to another such part. In masks of 60 phantoms (seeds 1 000 000 to 1 000 019
of each joint), bodies of the scapula of that size that were right lay up to 18 mm apart; wrong ones of any bone, 44."""


def parts_of_bone(components: np.ndarray, spacing_mm: tuple[float, float, float]) -> list[int]:
    """Numbers of the connected bodies that are parts of the bone, the largest first.

    Parameters
    ----------
    components : int ndarray of shape (k, j, i)
        Bodies numbered from 1, 0 elsewhere, as by `scipy.ndimage.label`.
    spacing_mm : tuple of 3 float
        Voxel spacing along (k, j, i).
    """
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    parts = [int(order[0])] if sizes.any() else []
    waiting = [int(n) for n in order[1:] if sizes[n] and sizes[n] >= LEAST_SHARE * sizes[order[0]]]
    grew = True
    while waiting and grew:
        away_mm = ndimage.distance_transform_edt(~np.isin(components, parts), sampling=spacing_mm)
        near = [n for n in waiting if away_mm[components == n].min() <= WITHIN_MM]
        parts += near
        waiting = [n for n in waiting if n not in near]
        grew = bool(near)
    return parts
