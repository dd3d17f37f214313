"""Which slices a report shows: through the bones, and where the result is least certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    if area.sum() == 0:
        return []
    share = (np.cumsum(area) - area / 2) / area.sum()
    wanted = (np.arange(count) + 0.5) / count
    return sorted({int(np.abs(share - w).argmin()) for w in wanted})


@dataclass(frozen=True, slots=True)
class DoubtfulSlice:
    """One slice of one bone that should be looked at: index along the slice axis, uncertainty 0 to 1."""

    bone: str
    index: int
    uncertainty: float


def most_doubtful_slices(
    slice_uncertainty: Mapping[str, np.ndarray], *, count: int, distance: int = 2
) -> list[DoubtfulSlice]:
    """The `count` most uncertain slices over all bones, most uncertain first.

    Parameters
    ----------
    slice_uncertainty
        Per bone key one value 0..1 per slice; NaN and 0 mean that there is nothing to look at.
    distance
        Of the slices of one bone, those closer than this to a chosen one are passed over, since they show the same.
    """
    candidates = [
        DoubtfulSlice(bone, index, float(value))
        for bone, values in slice_uncertainty.items()
        for index, value in enumerate(values)
        if np.isfinite(value) and value > 0
    ]
    candidates.sort(key=lambda c: (-c.uncertainty, c.bone, c.index))
    chosen: list[DoubtfulSlice] = []
    for candidate in candidates:
        if len(chosen) == count:
            break
        if all(c.bone != candidate.bone or abs(c.index - candidate.index) >= distance for c in chosen):
            chosen.append(candidate)
    return chosen
