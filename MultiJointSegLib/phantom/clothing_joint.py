"""Between the bones: articular cartilage, joint fluid, and at the knee menisci, ligaments and the fat pad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.tissue_map import BoneField

FAR_MM = 12.0


@dataclass(frozen=True, slots=True)
class Neighbors:
    """For every voxel the nearest and second nearest bone.

    Parameters
    ----------
    first_mm, second_mm : float32 (k, j, i)
        Signed distance to them, at most `FAR_MM`.
    owner, other : uint8 (k, j, i)
        Their number in the sequence of bones plus 1; 0 where none is within `FAR_MM`.
    """

    first_mm: np.ndarray
    second_mm: np.ndarray
    owner: np.ndarray
    other: np.ndarray


def find_neighbors(bones: Sequence[BoneField], shape: tuple[int, int, int]) -> Neighbors:
    """Nearest and second nearest bone of every voxel."""
    first = np.full(shape, FAR_MM, np.float32)
    second = first.copy()
    owner = np.zeros(shape, np.uint8)
    other = np.zeros(shape, np.uint8)
    for number, bone in enumerate(bones, 1):
        box = _box_below(bone.distance_mm, FAR_MM)
        if box is None:
            continue
        d = bone.distance_mm[box]
        f, s, o, p = first[box], second[box], owner[box], other[box]
        nearer = d < f
        between = ~nearer & (d < s)
        s[nearer], p[nearer] = f[nearer], o[nearer]
        f[nearer], o[nearer] = d[nearer], number
        s[between], p[between] = d[between], number
    return Neighbors(first, second, owner, other)


def _box_below(distance_mm: np.ndarray, limit_mm: float) -> tuple[slice, slice, slice] | None:
    ranges = []
    low = distance_mm[::4, ::4, ::4] < limit_mm + 4.0
    for axis in range(3):
        hits = np.nonzero(low.any(axis=tuple(a for a in range(3) if a != axis)))[0]
        if not len(hits):
            return None
        ranges.append(slice(max(int(hits[0]) * 4 - 4, 0), min(int(hits[-1]) * 4 + 5, distance_mm.shape[axis])))
    return ranges[0], ranges[1], ranges[2]


def cartilage_mask(bones: Sequence[BoneField], near: Neighbors, geometry: Geometry, gap_mm: float) -> np.ndarray:
    """Voxels of articular cartilage: close to one bone while another bone of the joint lies close behind the gap.

    Parameters
    ----------
    gap_mm : float
        Widest gap between two bones that still counts as a joint space.
    """
    thickness = np.array([0.0] + [b.cartilage_mm for b in bones], np.float32)
    facing = (near.first_mm > 0) & (near.first_mm + near.second_mm < gap_mm) & (near.other > 0)
    return facing & (near.first_mm <= thickness[near.owner])


def fluid_mask(near: Neighbors, gap_mm: float) -> np.ndarray:
    """Voxels of the thin joint space between facing bones."""
    return (near.first_mm > 0) & (near.first_mm + near.second_mm < gap_mm) & (near.other > 0)
