"""Shapes of voxels measured in millimeters: what is thinner than a ball, holes, pieces."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt, label

from MultiJointSegLib.imaging.geometry import Geometry

SMALL_HOLE_MM2 = 1500.0
_ALL_NEIGHBORS = np.ones((3, 3, 3), bool)


def depth_mm(mask: np.ndarray, spacing_kji_mm: tuple[float, float, float]) -> np.ndarray:
    """Distance of each voxel of a mask to the nearest voxel outside it, float32 (k, j, i) in mm; 0 outside.

    The border of the field of view is no outline: a mask that goes on there is as deep as if it did.
    """
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    return np.asarray(distance_transform_edt(mask, sampling=spacing_kji_mm), np.float32)


def pieces(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connected pieces (26 neighbors): int32 (k, j, i) from 1, largest first, and their numbers of voxels."""
    labels, count = label(mask, _ALL_NEIGHBORS)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    rank = np.zeros(count + 1, np.int32)
    rank[order + 1] = np.arange(1, count + 1)
    return rank[labels], sizes[order]


def regrown(core: np.ndarray, mask: np.ndarray, radius_mm: float, spacing_kji_mm: tuple[float, ...]) -> np.ndarray:
    """Voxels of a mask within a distance of its eroded core."""
    near = np.asarray(distance_transform_edt(~core, sampling=spacing_kji_mm)) <= radius_mm
    return near & mask


def filled(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Mask without holes, also without those that are closed in one plane only.

    Marrow cavities, airways, lungs and bowel leave the field of view at its ends, so that they are open in space and
    closed in the slices across. In axial slices every hole is filled; in the acquired ones, if others, those up to
    `SMALL_HOLE_MM2`, because the air between arm and trunk is closed there too.
    """
    result = np.asarray(binary_fill_holes(mask))
    spacing = geometry.spacing_mm[::-1]
    axial = 2 - int(np.abs(np.asarray(geometry.direction)[2]).argmax())
    for axis in {axial, int(np.argmax(spacing))}:
        pixel_mm2 = float(np.prod(spacing)) / spacing[axis]
        slices = np.moveaxis(result, axis, 0)  # a view
        for index in range(len(slices)):
            plain = slices[index]
            if plain.any() and not plain.all():
                holes = binary_fill_holes(plain) & ~plain
                if axis != axial and holes.any():
                    labels, count = label(holes)
                    area_mm2 = np.bincount(labels.ravel(), minlength=count + 1) * pixel_mm2
                    holes = (area_mm2 <= SMALL_HOLE_MM2)[labels] & holes
                slices[index] = plain | holes
    return result


def without_specks(mask: np.ndarray, least_voxels: float) -> np.ndarray:
    """Mask without pieces of fewer voxels."""
    labels, sizes = pieces(mask)
    return (labels > 0) & (labels <= np.count_nonzero(sizes >= least_voxels))
