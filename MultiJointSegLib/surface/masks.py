"""Small operations on binary arrays that prepare them for meshing."""

from __future__ import annotations

import numpy as np

_CORNERS = tuple((n >> 2 & 1, n >> 1 & 1, n & 1) for n in range(8))
_CORNER_BITS = tuple(1 << n for n in range(8))


def _is_one_piece(corners: list[int]) -> bool:
    """Whether corners of a cube, given as 0..7 with one bit per axis, are connected along its edges."""
    if not corners:
        return True
    seen, front = {corners[0]}, [corners[0]]
    while front:
        corner = front.pop()
        for other in (corner ^ 1, corner ^ 2, corner ^ 4):
            if other in corners and other not in seen:
                seen.add(other)
                front.append(other)
    return len(seen) == len(corners)


# Faces of the cube as corner sets: a checkerboard face makes four sheets meet in one mesh edge.
_FACES = tuple(tuple(n for n in range(8) if (n >> axis) & 1 == side) for axis in range(3) for side in (0, 1))


def _filled(code: int) -> int:
    """Block code after filling what keeps the boundary inside the block from being a manifold."""
    inside = {n for n in range(8) if code & _CORNER_BITS[n]}
    fill: set[int] = set()
    for face in _FACES:
        here = [n for n in face if n in inside]
        if len(here) == 2 and bin(here[0] ^ here[1]).count("1") == 2:
            fill |= set(face)
    if not fill and not (_is_one_piece(sorted(inside)) and _is_one_piece(sorted(set(range(8)) - inside))):
        fill = set(range(8))
    return sum(_CORNER_BITS[n] for n in inside | fill)


_FILLED = np.array([_filled(code) for code in range(256)], np.uint8)
_CRITICAL = np.arange(256) != _FILLED


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """Smallest box of array slices that holds every nonzero voxel of a (k, j, i) array; None if there is none."""
    flat = np.asarray(mask.any(axis=2))
    spans = []
    for line in (flat.any(axis=1), flat.any(axis=0)):
        where = np.flatnonzero(line)
        if not len(where):
            return None
        spans.append(slice(int(where[0]), int(where[-1]) + 1))
    where = np.flatnonzero(mask[spans[0], spans[1]].any(axis=(0, 1)))
    return spans[0], spans[1], slice(int(where[0]), int(where[-1]) + 1)


def well_composed(mask: np.ndarray) -> np.ndarray:
    """Fill the few voxels because of which the boundary of a mask would not be a manifold.

    Parameters
    ----------
    mask : uint8 ndarray of shape (k, j, i), values 0 and 1
        With a rim of zeros.

    Returns
    -------
    uint8 ndarray of the same shape
        The same array if nothing had to be done. Otherwise a copy in which no 2x2x2 block holds two foreground
        parts that touch only along an edge or at a corner, nor two such background parts
        (Latecki 1997, doi:10.1006/gmip.1997.0422). Voxels are only added, alike in all directions.
    """
    while True:
        code = np.zeros(tuple(n - 1 for n in mask.shape), np.uint8)
        for (a, b, c), bit in zip(_CORNERS, _CORNER_BITS, strict=True):
            view = mask[a : a + code.shape[0], b : b + code.shape[1], c : c + code.shape[2]]
            code += view * np.uint8(bit)
        blocks = np.argwhere(_CRITICAL[code])
        if not len(blocks):
            return mask
        filled = _FILLED[code[tuple(blocks.T)]]
        mask = mask.copy()
        for corner, bit in zip(_CORNERS, _CORNER_BITS, strict=True):
            mask[tuple((blocks[(filled & bit) != 0] + corner).T)] = 1
