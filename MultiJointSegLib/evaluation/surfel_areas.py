"""Area of the surface inside a cell of 2 x 2 x 2 voxel centers, for each of the 256 ways to fill its corners."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

# Corner c of the cell lies at (c >> 2 & 1, c >> 1 & 1, c & 1) along the array axes.
_CORNERS = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(8)])
# The 6 faces as corners in turn around them.
_FACES = [
    [sum(bit << (2 - a) for a, bit in zip((axis, *rest), (side, *uv), strict=True)) for uv in ring]
    for axis in range(3)
    for side in (0, 1)
    for rest in [[a for a in range(3) if a != axis]]
    for ring in [((0, 0), (0, 1), (1, 1), (1, 0))]
]
_Edge = tuple[int, int]


def _segments(code: int) -> list[tuple[_Edge, _Edge]]:
    """Lines in which the surface cuts the cell's faces, each between two cut edges.

    A face with two filled corners across from each other is ambiguous: there each filled corner is cut off for
    itself. Neighboring cells share the face and so the choice; the whole surface is closed.
    """
    filled = [bool(code >> c & 1) for c in range(8)]
    lines = []
    for face in _FACES:
        # In turn around the face: edges where a run of filled corners begins and ends.
        begins, ends = [], []
        for n in range(4):
            before, after = face[n], face[(n + 1) % 4]
            edge = (min(before, after), max(before, after))
            if filled[after] and not filled[before]:
                begins.append((n, edge))
            elif filled[before] and not filled[after]:
                ends.append((n, edge))
        for n, edge in begins:
            stop = min(ends, key=lambda end: (end[0] - n) % 4)
            lines.append((edge, stop[1]))
    return lines


def _polygons(code: int) -> list[list[_Edge]]:
    """Closed polygons of the surface; each corner is the middle of a cut edge."""
    neighbors: dict[_Edge, list[_Edge]] = {}
    for one, other in _segments(code):
        neighbors.setdefault(one, []).append(other)
        neighbors.setdefault(other, []).append(one)
    left = set(neighbors)
    polygons = []
    while left:
        start = min(left)
        polygon = [start]
        left.remove(start)
        while following := [e for e in neighbors[polygon[-1]] if e in left]:
            polygon.append(following[0])
            left.remove(following[0])
        polygons.append(polygon)
    return polygons


_POLYGONS = [_polygons(code) for code in range(256)]


@lru_cache(maxsize=32)
def _areas_mm2(steps_mm: tuple[float, float, float]) -> np.ndarray:
    areas = np.zeros(256)
    for code, polygons in enumerate(_POLYGONS):
        for polygon in polygons:
            corners = np.array([(_CORNERS[a] + _CORNERS[b]) / 2 for a, b in polygon]) * steps_mm
            spokes = corners - corners.mean(axis=0)
            areas[code] += np.linalg.norm(np.cross(spokes, np.roll(spokes, -1, axis=0)), axis=1).sum() / 2
    areas.setflags(write=False)
    return areas


def surfels(mask: np.ndarray, steps_mm: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Surface of a mask as small pieces, one per cell of 2 x 2 x 2 voxel centers that it passes through.

    Parameters
    ----------
    mask : bool ndarray of shape (k, j, i)
        Everything outside the array counts as empty.
    steps_mm : tuple of 3 float
        Voxel spacing along the array's own axes.

    Returns
    -------
    cells : bool ndarray of shape (k + 1, j + 1, i + 1)
        Where the surface passes. Cell (0, 0, 0) lies half a voxel before voxel (0, 0, 0) along each axis.
    areas_mm2 : float64 ndarray of shape (n,)
        Area in each of those cells, in the order of the array: the polygons through the middles of the cut edges,
        as in marching cubes (Lorensen and Cline, 1987, doi:10.1145/37401.37422).
    """
    padded = np.pad(mask, 1).view(np.uint8)
    last = tuple(n - 1 for n in padded.shape)
    code = np.zeros(last, np.uint8)
    for c, corner in enumerate(itertools.product((0, 1), repeat=3)):
        window = tuple(slice(o, o + n) for o, n in zip(corner, last, strict=True))
        code |= padded[window] << np.uint8(c)
    cells = (code != 0) & (code != 255)
    return cells, _areas_mm2(tuple(map(float, steps_mm)))[code[cells]]
