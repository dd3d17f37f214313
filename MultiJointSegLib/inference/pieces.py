"""Which connected pieces of a segmented bone belong to it, and how those are joined."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from MultiJointSegLib.surface import parts, sides

_ALL_26_NEIGHBORS = np.ones((3, 3, 3), bool)

NEARBY_MM = 5.0
"""A piece of the same bone lies at most this far from the rest of it: about one thick slice that the network missed."""

LEAST_SHARE = 0.1
"""Share of the largest piece that a nearby piece must have; smaller ones are mostly wrong."""


def bone_pieces(
    mask: np.ndarray, spacing_mm: tuple[float, float, float], *, both_sides: bool = False, in_parts: bool = False
) -> np.ndarray:
    """The largest piece of a bone with the large pieces close to it, joined where a closing joins them.

    Parameters
    ----------
    mask : bool ndarray of shape (k, j, i)
        Voxels of the bone; left untouched.
    spacing_mm : tuple of 3 float
        Voxel spacing along (k, j, i).
    both_sides : bool
        Keep the other side's bone too, if it is there.
    in_parts : bool
        Keep parts that `surface.parts` takes for parts of one bone, without a bridge to them.

    Returns
    -------
    bool ndarray of the same shape
        Specks and far pieces are gone; gaps between the pieces that stay are closed.

    Notes
    -----
    Boutillon et al. 2022 (DOI 10.1016/j.media.2022.102556) keep the largest component alone. A thin bone in thick
    slices, as the scapula's blade, is often broken where one slice is missed; the part beyond, up to half of the
    bone, is kept here. Parts farther away are kept of bones for which the catalog says so: where the blade leaves the
    field of view, it and the bone's processes are seen apart.
    """
    components, number = ndimage.label(mask, _ALL_26_NEIGHBORS)
    if number <= 1:
        return np.array(mask, bool)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    first = int(order[0])
    candidates = [int(n) for n in order[1:] if sizes[n] and sizes[n] >= LEAST_SHARE * sizes[first]]
    kept: np.ndarray = components == first
    if not candidates:
        return kept
    kept = _with_nearby(kept, components, candidates, spacing_mm)
    if both_sides:
        left = [n for n in candidates if not kept[components == n].any()]
        other = _other_side(components, sizes, left, first, spacing_mm)
        if other is not None:
            left.remove(other)
            kept = kept | _with_nearby(components == other, components, left, spacing_mm)
    if in_parts:
        kept = kept | np.isin(components, parts.parts_of_bone(components, spacing_mm))
    return kept


def _with_nearby(
    kept: np.ndarray, components: np.ndarray, candidates: list[int], spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """A piece with the candidates near it, and those near these, and so on, each with a bridge."""
    waiting, grew = list(candidates), True
    while waiting and grew:
        away_mm = ndimage.distance_transform_edt(~kept, sampling=spacing_mm)
        near = [n for n in waiting if away_mm[components == n].min() <= NEARBY_MM]
        for number in near:
            kept = kept | _joined(kept, components == number, spacing_mm)
        waiting = [n for n in waiting if n not in near]
        grew = bool(near)
    return kept


def _joined(one: np.ndarray, other: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Both pieces, and what a closing with a ball of `NEARBY_MM` adds between them.

    By distances, since the ball is large, and only where both pieces are near: elsewhere such a closing would fill
    the bone's own hollows. Nothing is added beyond the array, which is no wall either.
    """
    pad = [int(2 * NEARBY_MM / s) + 2 for s in spacing_mm]
    padded = np.pad(one | other, [(n, n) for n in pad])
    grown = ndimage.distance_transform_edt(~padded, sampling=spacing_mm) <= NEARBY_MM
    inner = tuple(slice(n, n + size) for n, size in zip(pad, one.shape, strict=True))
    closed = (ndimage.distance_transform_edt(grown, sampling=spacing_mm) > NEARBY_MM)[inner]
    for piece in (one, other):
        closed &= ndimage.distance_transform_edt(~piece, sampling=spacing_mm) <= NEARBY_MM
    result: np.ndarray = closed | one | other
    return result


def _other_side(
    components: np.ndarray, sizes: np.ndarray, candidates: list[int], first: int, spacing_mm: tuple[float, float, float]
) -> int | None:
    """The largest candidate that can be the other side's bone, as `surface.sides` tells it."""
    large = [n for n in candidates if sizes[n] >= sides.LEAST_SHARE * sizes[first]]
    if not large:
        return None
    centers = np.asarray(ndimage.center_of_mass(components > 0, components, [first, *large])) * np.asarray(spacing_mm)
    apart_mm = np.linalg.norm(centers[1:] - centers[0], axis=1)
    return next((n for n, d in zip(large, apart_mm, strict=True) if d >= sides.LEAST_APART_MM), None)
