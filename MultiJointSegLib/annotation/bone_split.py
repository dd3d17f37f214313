"""Touching bones apart: minimum cuts through the mask of all bones, cheap where it is dark and narrow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.exact_cut import exact_cut
from MultiJointSegLib.annotation.grid_energy import GridEnergy, pair
from MultiJointSegLib.errors import MultiJointSegError

LEAST_EDGE = 0.03


def split_bones(
    mask: np.ndarray, seeds: Sequence[np.ndarray], solid: np.ndarray | None = None, factor: np.ndarray | None = None
) -> np.ndarray:
    """Divide a mask among seeds, each part by a minimum cut against all other seeds.

    Parameters
    ----------
    mask : bool ndarray of shape (k, j, i)
        Bone.
    seeds : sequence of bool ndarray of shape (k, j, i)
        One per part; only inside the mask they count. They must not overlap.
    solid : float32 ndarray of shape (k, j, i), optional
        0 to 1: an edge costs as little as its less solid end. Without it all edges cost the same, as in Krcah, Szekely
        and Blanc 2011 (doi:10.1109/ISBI.2011.5872823).
    factor : float32 ndarray of shape (k, j, i), optional
        Multiplies the cost of the edges at a voxel, at most 1: where a boundary is expected.

    Returns
    -------
    uint8 ndarray of shape (k, j, i)
        n for the part of the n-th seed (from 1); 0 outside the mask and for pieces without any seed.
    """
    inner = [seed & mask for seed in seeds]
    if len(inner) > 1 and np.add.reduce([s.astype(np.uint8) for s in inner]).max() > 1:
        raise MultiJointSegError("Seeds of two bones overlap.")
    edges = _edges(mask, solid, factor)
    result = np.zeros(mask.shape, np.uint8)
    pieces, _ = ndimage.label(mask)
    owners = [np.unique(pieces[s]) for s in inner]
    for number, seed in enumerate(inner, 1):
        if not seed.any():
            continue
        others = np.logical_or.reduce([s for n, s in enumerate(inner, 1) if n != number] or [np.zeros_like(mask)])
        mine = np.isin(pieces, owners[number - 1])
        if others[mine].any():
            energy = GridEnergy(np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32), edges, edges)
            part = exact_cut(energy, free=mine & ~seed & ~others, labels=seed)
        else:
            part = mine
        result[part & (result == 0) & mask] = number
    return _rest(result, mask, pieces, inner)


def _rest(result: np.ndarray, mask: np.ndarray, pieces: np.ndarray, seeds: list[np.ndarray]) -> np.ndarray:
    """What no cut claimed, in pieces that hold a seed, goes to the nearest part."""
    claimed = np.unique(pieces[np.logical_or.reduce(seeds)])
    rest = mask & (result == 0) & np.isin(pieces, claimed[claimed > 0])
    if rest.any() and result.any():
        nearest = ndimage.distance_transform_edt(result == 0, return_distances=False, return_indices=True)
        result[rest] = result[tuple(nearest[:, rest])]
    return result


def _edges(
    mask: np.ndarray, solid: np.ndarray | None, factor: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    edges = []
    for axis in range(3):
        here, after = pair(mask, axis)
        cost = (here & after).astype(np.float32)
        if solid is not None:
            cost *= np.maximum(np.minimum(*pair(solid, axis)), np.float32(LEAST_EDGE))
        if factor is not None:
            cost *= np.minimum(*pair(factor, axis))
        edges.append(cost)
    return edges[0], edges[1], edges[2]


def separate_touching(mask: np.ndarray, steps: int = 3) -> np.ndarray:
    """Pieces of a mask that hang together only by necks, as numbers from 1.

    The mask is eroded by a ball; where a piece falls apart, its cores are the seeds of a minimum cut with equal costs.

    Parameters
    ----------
    mask : bool ndarray of shape (k, j, i)
        Any.
    steps : int
        Radius of the ball in voxels.
    """
    ball = np.sqrt(sum(g.astype(float) ** 2 for g in np.ogrid[tuple(slice(-steps, steps + 1) for _ in range(3))]))
    cores, count = ndimage.label(ndimage.binary_erosion(mask, ball <= steps + 0.1))
    pieces, pieces_count = ndimage.label(mask)
    result = pieces.astype(np.uint8)
    following = pieces_count
    for piece in range(1, pieces_count + 1):
        inside = np.unique(cores[pieces == piece])
        inside = inside[inside > 0]
        if count < 2 or len(inside) < 2:
            continue
        parts = split_bones(pieces == piece, [cores == c for c in inside])
        for number in range(2, len(inside) + 1):
            following += 1
            result[parts == number] = following
    return result
