"""Lines along a long bone, from its joint on, with the image's signal and the depth in the bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.frames import LandmarkMissing, unit

BESIDE_MM = 3.0
"""What is compared with a plate lies so far beside it."""
LINE_STEP_MM = 0.5
_STEP_MM = 1.5
_DEPTH_MM = 2.5
"""Cortex, and what the mask's edge takes in, is left out."""
_LEAST_VIEW = 0.5
_SLAB = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class BoneLines:
    """Lines along a bone: `x`, `y` (n,) across it in mm, signal and depth in the bone (n, steps) from the joint on."""

    x: np.ndarray
    y: np.ndarray
    signal: np.ndarray
    inside: np.ndarray
    origin_mm: np.ndarray
    axes: np.ndarray
    """Rows: both directions across the bone, and along it away from the joint."""


def bone_lines(image: Volume, labels: Volume, bone: Bone, neighbor: Bone) -> tuple[BoneLines, float]:
    """Image and depth along lines in the bone's end at the joint.

    Parameters
    ----------
    image, labels : Volume
        The examination and its label map, at the same place (LPS mm).
    bone, neighbor : Bone
        The long bone, and the one at whose side the lines begin.

    Returns
    -------
    tuple of (BoneLines, float)
        The lines, and the image's resolution along them in mm.

    Raises
    ------
    LandmarkMissing
        If a bone is missing, too little of it is in view, or it is too thin.
    """
    indices, others = (np.flatnonzero(labels.array == b.label) for b in (bone, neighbor))
    if len(indices) < 100 or not len(others):
        raise LandmarkMissing(f"{bone.name} and {neighbor.name.lower()} must be segmented for this.")
    some = _points(labels, indices[:: max(1, len(indices) // 20000)])
    gap, _ = cKDTree(_points(labels, others[:: max(1, len(others) // 20000)])).query(some)
    offset = some - some[gap <= np.quantile(gap, 0.05)].mean(axis=0)
    away = np.linalg.norm(offset, axis=1)
    along = unit(offset[away >= np.quantile(away, 0.9)].mean(axis=0))
    height = _heights(labels, indices, along)
    low = float(np.quantile(height, 0.002))
    voxel_mm3 = labels.geometry.voxel_volume_mm3
    sections = np.histogram(height - low, np.arange(0.0, 80.0, 4.0))[0] * voxel_mm3 / 4.0
    scale = float(np.sqrt(sections.max()))
    reach = min(scale, float(height.max()) - low - BESIDE_MM)
    if reach < _LEAST_VIEW * scale:
        raise LandmarkMissing(f"Only {height.max() - low:.0f} mm of the {bone.name.lower()} are in view.")
    first = unit(np.cross(along, np.eye(3)[np.argmin(np.abs(along))]))
    axes = np.stack([first, np.cross(along, first), along])
    end = np.unravel_index(indices[height - low < scale], labels.array.shape)
    middle = labels.geometry.index_to_point(np.array([[axis.mean() for axis in end[::-1]]]))[0]
    origin = middle + (low - middle @ along) * along
    across = np.arange(-0.75 * scale, 0.75 * scale, _STEP_MM)
    grid = np.stack(np.meshgrid(across, across, np.arange(0.0, reach, LINE_STEP_MM), indexing="ij"), axis=-1)
    places = (origin + grid @ axes).reshape(-1, 3)
    index = _array_index(labels, places)
    inside = _depth(labels, bone, index).reshape(grid.shape[:3]) > _DEPTH_MM
    if inside.sum() < 200:
        raise LandmarkMissing(f"The {bone.name.lower()} is too thin to look inside.")
    if image.geometry != labels.geometry:
        index = _array_index(image, places)
    box, start = _box(image, index, 1)
    signal = _sampled(image.array[box].astype(np.float32), index, start).reshape(grid.shape[:3])
    weight = inside.astype(np.float32)
    blur = (1.5 / _STEP_MM, 1.5 / _STEP_MM, 0.4 / LINE_STEP_MM)
    smooth = ndimage.gaussian_filter(signal * weight, blur) / np.maximum(ndimage.gaussian_filter(weight, blur), 0.05)
    used = inside.any(axis=-1)
    slices = np.asarray(image.geometry.direction).T @ along * image.geometry.spacing_mm
    made = BoneLines(grid[..., 0, 0][used], grid[..., 0, 1][used], smooth[used], inside[used], origin, axes)
    return made, float(np.linalg.norm(slices))


def _points(labels: Volume, indices: np.ndarray) -> np.ndarray:
    """Places (n, 3) in LPS mm of flat voxel indices."""
    kji = np.stack(np.unravel_index(indices, labels.array.shape), axis=1)
    return np.asarray(labels.geometry.index_to_point(kji[:, ::-1].astype(float)))


def _heights(labels: Volume, indices: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Places of flat voxel indices along a direction, in mm, slab by slab: all points would take half a gigabyte."""
    steps = np.asarray(labels.geometry.direction).T @ along * labels.geometry.spacing_mm
    origin = float(np.asarray(labels.geometry.index_to_point(np.zeros((1, 3))))[0] @ along)
    height = np.empty(len(indices))
    for start in range(0, len(indices), _SLAB):
        k, j, i = np.unravel_index(indices[start : start + _SLAB], labels.array.shape)
        height[start : start + _SLAB] = origin + k * steps[2] + j * steps[1] + i * steps[0]
    return height


def _array_index(volume: Volume, places_mm: np.ndarray) -> np.ndarray:
    """Continuous array indices (3, n) along (k, j, i) of places (n, 3)."""
    return np.ascontiguousarray(volume.geometry.point_to_index(places_mm).T[::-1])


def _depth(labels: Volume, bone: Bone, index: np.ndarray) -> np.ndarray:
    """Distance in mm to the bone's border at indices (3, n); where it exceeds `_DEPTH_MM`, at least that; 0 outside."""
    spacing = np.asarray(labels.geometry.spacing_mm)
    # So far around the places that what is cut off changes no distance up to the one asked for.
    margin = int(np.ceil((_DEPTH_MM + 2 * np.linalg.norm(spacing)) / spacing.min())) + 1
    box, start = _box(labels, index, margin)
    mask = labels.array[box] == bone.label
    extent = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not all(len(hit) for hit in extent):
        return np.zeros(index.shape[1], np.float32)
    inner = tuple(slice(max(0, int(hit[0]) - 1), int(hit[-1]) + 2) for hit in extent)
    depth = ndimage.distance_transform_edt(mask[inner], sampling=spacing[::-1]).astype(np.float32)
    return _sampled(depth, index, start + [part.start for part in inner])


def _box(volume: Volume, index: np.ndarray, margin: int) -> tuple[tuple[slice, ...], np.ndarray]:
    """Part of the array (k, j, i) around indices (3, n) and its first index; empty where they lie beside the grid."""
    size = np.asarray(volume.array.shape)
    start = np.clip(np.floor(index.min(axis=1)).astype(int) - margin, 0, size)
    stop = np.clip(np.ceil(index.max(axis=1)).astype(int) + margin + 1, start, size)
    return tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True)), start


def _sampled(array: np.ndarray, index: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Linear interpolation of a part of a grid that begins at index `start`, at indices (3, n); 0 outside."""
    if 0 in array.shape:
        return np.zeros(index.shape[1], array.dtype)
    shifted = index - np.asarray(start)[:, None]
    return np.asarray(ndimage.map_coordinates(array, shifted, order=1, mode="constant", cval=0.0))
