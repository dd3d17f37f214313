"""Bone by graph cut in 3-D: seeds by CT number, directed boundary costs by sheetness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.continuous_cut import continuous_cut
from MultiJointSegLib.annotation.exact_cut import exact_cut
from MultiJointSegLib.annotation.grid_energy import GridEnergy, pair
from MultiJointSegLib.annotation.sheetness import sheetness, unsharp

LAMBDA = 5.0
SIGMA = 0.2
SOFT_HU = -50.0
BONE_HU = 400.0
PLATE_HU, PLATE = 210.0, 0.25
"""Thin or osteopenic cortex never reaches 400 HU on a coarse grid; it counts as bone where it is a clear plate."""
CANDIDATE_HU = 160.0
"""Bone is searched within `REACH_MM` of voxels denser than this: contrast-filled vessels may be, muscle is not."""
REACH_MM = 9.0
LARGEST_HOLE_MM2 = 2500.0
LARGEST_EXACT = 600_000
"""Problems with more free voxels go to the continuous solver."""


@dataclass(frozen=True, slots=True, eq=False)
class BoneCut:
    """Bone on the coarse grid.

    Parameters
    ----------
    bone : bool ndarray of shape (k, j, i)
        Everything that looks like bone: also other bones, calcifications and metal.
    body : bool ndarray of shape (k, j, i)
        The patient without table, clothing and air.
    solver : str
        "exact" or "continuous".
    nodes : int
        Voxels that were decided by the cut.
    """

    bone: np.ndarray
    body: np.ndarray
    solver: str
    nodes: int


def body_mask(image: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The patient: the largest piece denser than fat after thin things (table, blankets, cables) are opened away.

    Parameters
    ----------
    image : float32 ndarray of shape (k, j, i)
        HU on a coarse grid.
    spacing_mm : (3,)
        Along (k, j, i).
    """
    dense = image > -250
    # Table tops are plates of 2 to 20 mm and lie under the body in every slice.
    steps = max(1, round(10.0 / float(np.mean(spacing_mm[1:]))))
    opened = ndimage.binary_erosion(dense, _plus(), iterations=steps, border_value=1)
    pieces, count = ndimage.label(opened)
    if count == 0:
        return dense
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    core = pieces == sizes.argmax()
    grown = ndimage.binary_dilation(core, _plus(), iterations=steps + 1, mask=dense)
    return np.stack([ndimage.binary_fill_holes(part) for part in grown])


def _plus() -> np.ndarray:
    """In-plane neighbors only: what leaves the body at the ends of the scan is no border."""
    shape = np.zeros((3, 3, 3), bool)
    shape[1] = ndimage.generate_binary_structure(2, 1)
    return shape


def cut_bone(image: np.ndarray, spacing_mm: np.ndarray, *, solver: str = "auto") -> BoneCut:
    """Bone of a coarse CT.

    The energy is the one of Krcah, Szekely and Blanc 2011 (doi:10.1109/ISBI.2011.5872823), with lambda 5 and
    sigma 0.2: fat and air that hang together are background, voxels of 400 HU and more in bright plates (and of 210 HU
    and more in clear ones, our addition) are bone, and the boundary is cheap where the sheetness of the sharpened
    image falls outward.

    Parameters
    ----------
    image : float32 ndarray of shape (k, j, i)
        HU.
    spacing_mm : (3,)
        Along (k, j, i).
    solver : str
        "exact", "continuous", or "auto" by the number of voxels.
    """
    body = body_mask(image, spacing_mm)
    dense = (image > CANDIDATE_HU) & body
    steps = [max(1, round(REACH_MM / float(s))) for s in spacing_mm]
    near = _dilated(dense, steps) & body
    sharp = unsharp(image, spacing_mm)
    plates = sheetness(sharp, spacing_mm, mask=_dilated(dense, [2, 2, 2]) & body)
    # Slits of a voxel, as between the slabs of a phantom or in a fracture, are no way into the bone.
    soft = _largest(ndimage.binary_opening(image < SOFT_HU, np.ones((3, 3, 3), bool), border_value=1))
    seed = ((image >= BONE_HU) & (plates > 0)) | ((image >= PLATE_HU) & (plates > PLATE))
    seed &= dense
    free = near & ~soft & ~seed
    energy = _energy(plates, soft, seed)
    nodes = int(np.count_nonzero(free))
    exact = nodes <= LARGEST_EXACT if solver == "auto" else solver == "exact"
    bone = exact_cut(energy, free=free, labels=seed) if exact else continuous_cut(energy, free=free, labels=seed).labels
    return BoneCut(
        closed(bone & body, float(spacing_mm[1] * spacing_mm[2])), body, "exact" if exact else "continuous", nodes
    )


def _energy(plates: np.ndarray, soft: np.ndarray, seed: np.ndarray) -> GridEnergy:
    forward, backward = [], []
    for axis in range(3):
        here, after = pair(plates, axis)
        fall = np.exp(-np.abs(here - after) / SIGMA).astype(np.float32) * np.float32(LAMBDA)
        # Falling outward is cheap; rising or level costs the full price.
        forward.append(np.where(here > after, fall, np.float32(LAMBDA)))
        backward.append(np.where(after > here, fall, np.float32(LAMBDA)))
    return GridEnergy(
        soft.astype(np.float32),
        seed.astype(np.float32),
        (forward[0], forward[1], forward[2]),
        (backward[0], backward[1], backward[2]),
    )


def closed(bone: np.ndarray, pixel_mm2: float) -> np.ndarray:
    """Bone with the marrow that it encloses, in space and in each axial slice.

    In a slice only holes up to 25 cm2 are marrow: the bones of the pelvis can form a ring.
    """
    filled = ndimage.binary_fill_holes(bone)
    for k in range(len(filled)):
        pieces, count = ndimage.label(ndimage.binary_fill_holes(filled[k]) & ~filled[k])
        if count:
            small = np.bincount(pieces.ravel()) * pixel_mm2 < LARGEST_HOLE_MM2
            small[0] = False
            filled[k] |= small[pieces]
    return np.asarray(filled)


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(mask)
    if count < 2:
        return np.asarray(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(pieces == sizes.argmax())


def _dilated(mask: np.ndarray, steps: list[int]) -> np.ndarray:
    """Box dilation, axis by axis."""
    grown = mask
    for axis, count in enumerate(steps):
        grown = ndimage.maximum_filter1d(grown.view(np.uint8), 2 * count + 1, axis=axis).astype(bool)
    return grown
