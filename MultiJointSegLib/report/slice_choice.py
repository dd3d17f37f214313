"""Which slices show a structure best."""

from __future__ import annotations

import numpy as np


def slices_through(mask: np.ndarray, axis: int, count: int) -> list[int]:
    """Indices of slices that share the structure evenly.

    Parameters
    ----------
    mask : bool ndarray of shape (k, j, i)
    axis : int
        Array axis across the slices.
    count : int
        Most slices wanted; a structure in fewer slices gives fewer.

    Returns
    -------
    list of int
        Ascending, without doubles: the centers of `count` parts of equal area.
    """
    others = tuple(a for a in range(3) if a != axis)
    area = mask.sum(axis=others).astype(float)
    holding = np.flatnonzero(area)
    if holding.size == 0:
        return []
    share = ((np.cumsum(area) - area / 2) / area.sum())[holding]
    wanted = (np.arange(count) + 0.5) / count
    return sorted({int(holding[np.abs(share - w).argmin()]) for w in wanted})
