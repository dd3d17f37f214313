"""Bones of real people as signed distances, and label maps read into them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_fields import signed_distance

CLIP_MM = 10.0
"""Distances are kept within this bound."""
_UNITS_PER_MM = 1000.0
_EVALUATION_ONLY = ("label_maps_evaluation_only", "hip_mr")


@dataclass(frozen=True, slots=True)
class BoneShape:
    """One real bone as a signed distance on its own grid.

    Parameters
    ----------
    name : str
        Key of the anatomy catalog, or a name of the surroundings such as "navicular".
    label : int
        Label value of the catalog; 0 for surroundings.
    distance : int16 ndarray of shape (k, j, i)
        Signed distance to the surface in micrometers, negative inside, clipped at `CLIP_MM`. Where the bone runs
        out of its grid it is meant to go on (a cut shaft).
    geometry : Geometry
        Any direction.
    surface_mm : float32 ndarray (n, 3)
        Some hundred to some thousand points of the surface, LPS.
    """

    name: str
    label: int
    distance: np.ndarray
    geometry: Geometry
    surface_mm: np.ndarray

    def moved(self, matrix: np.ndarray, offset_mm: np.ndarray) -> BoneShape:
        """Scaled and shifted copy: p -> matrix @ p + offset, with a diagonal matrix (negative entries mirror).

        Only for grids along the patient axes.
        """
        factors = np.diag(matrix)
        size = float(np.abs(factors).mean())
        array = self.distance
        origin = np.array(self.geometry.origin_mm)
        last = origin + (np.array(self.geometry.size) - 1) * self.geometry.spacing_mm
        for axis in range(3):
            if factors[axis] < 0:
                array = np.flip(array, 2 - axis)
                origin[axis], last[axis] = last[axis], origin[axis]
        spacing = np.abs(factors) * self.geometry.spacing_mm
        geometry = Geometry(self.geometry.size, tuple(spacing), tuple(factors * origin + offset_mm))
        surface = (self.surface_mm @ matrix.T + offset_mm).astype(np.float32)
        scaled = np.clip(array * size, -CLIP_MM * _UNITS_PER_MM, CLIP_MM * _UNITS_PER_MM)
        return BoneShape(self.name, self.label, np.rint(scaled).astype(np.int16), geometry, surface)

    def sample(self, points_mm: np.ndarray) -> np.ndarray:
        """Signed distance in mm, float32 (...,), at LPS points (..., 3); beyond the grid its border goes on."""
        index = self.geometry.point_to_index(points_mm)
        return self.sample_index(np.moveaxis(index[..., ::-1], -1, 0))

    def sample_index(self, index_kji: np.ndarray) -> np.ndarray:
        """Same at continuous array indices (3, ...) in the order k, j, i."""
        values = ndimage.map_coordinates(self.distance, index_kji, output=np.float32, order=1, mode="nearest")
        return values / np.float32(_UNITS_PER_MM)


def make_shape(name: str, label: int, distance_mm: np.ndarray, geometry: Geometry) -> BoneShape:
    """Shape from a signed distance in mm, float (k, j, i)."""
    near = np.argwhere(np.abs(distance_mm) < 0.5 * min(geometry.spacing_mm))
    near = near[:: max(1, len(near) // 4000)]
    points = geometry.index_to_point(near[:, ::-1]).astype(np.float32)
    clipped = np.clip(distance_mm, -CLIP_MM, CLIP_MM) * _UNITS_PER_MM
    return BoneShape(name, label, np.rint(clipped).astype(np.int16), geometry, points)


def guard_permitted(path: Path) -> Path:
    """Return the path, unless it belongs to the data that only evaluation may read.

    Raises
    ------
    InputError
        For evaluation-only data, or if nothing is there.
    """
    if any(part in _EVALUATION_ONLY for part in path.parts):
        raise InputError(f"{path} is for evaluation only and must not enter training shapes; use another case.")
    if not path.exists():
        raise InputError(f"{path} does not exist; give the folder that holds the shape data.")
    return path


def split_fibula(mask: np.ndarray, geometry: Geometry, *, core_mm: float = 2.5) -> tuple[np.ndarray, np.ndarray | None]:
    """Tibia and fibula of a common mask.

    Cores deeper than `core_mm` are told apart in the lowest slices, where two bones lie side by side (the larger is
    the tibia), and followed upward through overlapping slices; every voxel then goes to the nearer core.

    Returns
    -------
    tibia, fibula : bool (k, j, i); fibula None if the slices show one bone only
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, ((8, 8), (0, 0), (0, 0)), mode="edge"))[8:-8]
    depth = depth * geometry.spacing_mm[0]
    fibula = np.zeros(mask.shape, bool)
    previous: np.ndarray | None = None
    for k in range(mask.shape[0]):
        parts, count = ndimage.label(mask[k] & (depth[k] > core_mm))
        if count == 0:
            continue
        sizes = np.bincount(parts.ravel())[1:]
        if previous is None:
            if count < 2 or sizes.min() < 20:
                continue
            core = parts == np.argsort(sizes)[-2] + 1
        else:
            met = np.unique(parts[previous & (parts > 0)])
            core = np.isin(parts, [n for n in met if sizes[n - 1] < 2.5 * previous.sum() + 60])
        if not core.any():
            break
        fibula[k] = core
        previous = core
    if fibula.sum() * geometry.voxel_volume_mm3 < 500.0:
        return mask, None
    tibia_core = mask & (depth > core_mm) & ~fibula
    to_fibula = ndimage.distance_transform_edt(~fibula)
    to_tibia = ndimage.distance_transform_edt(~tibia_core)
    belongs = mask & (to_fibula < to_tibia) & (to_fibula * geometry.spacing_mm[0] < 12.0)
    return mask & ~belongs, belongs


def read_labels(path: Path) -> tuple[np.ndarray, Geometry]:
    """Read a label map: uint8 (k, j, i) and its grid."""
    image = sitk.ReadImage(str(guard_permitted(path)))
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), tuple(map(tuple, direction)))
    return sitk.GetArrayFromImage(image).astype(np.uint8), geometry


def mask_to_shape(
    mask: np.ndarray, geometry: Geometry, name: str, label: int, *, spacing_mm: float = 0.8, trim_mm: float = 1.5
) -> BoneShape:
    """Signed distance of a mask by shape-based interpolation (signed distances of slices, linear between them).

    Parameters
    ----------
    mask : bool (k, j, i) on `geometry`
    trim_mm : float
        Taken off where the bone touches the border of the field of view, so that a ragged last slice is not
        prolonged.

    References
    ----------
    S. P. Raya, J. K. Udupa, Shape-based interpolation, IEEE TMI 9, 1990, doi:10.1109/42.52980.
    """
    mask = _largest_part(mask)
    spacing = np.array(geometry.spacing_mm[::-1])
    where = np.argwhere(mask)
    margin = np.ceil(CLIP_MM / spacing).astype(int)
    low = np.maximum(where.min(0) - margin, 0)
    high = np.minimum(where.max(0) + margin + 1, mask.shape)
    # Labels of a scan end one or two slices before the image does; take those as cut as well.
    touch_low, touch_high = where.min(0) <= 2, where.max(0) >= np.array(mask.shape) - 3
    trim = np.ceil(trim_mm / spacing).astype(int)
    low = np.where(touch_low, where.min(0) + trim, low)
    high = np.where(touch_high, where.max(0) + 1 - trim, high)
    cropped = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    origin = geometry.index_to_point(low[::-1])
    fine_shape = np.maximum(np.rint((np.array(cropped.shape) - 1) * spacing / spacing_mm).astype(int) + 1, 2)
    thick = int(np.argmax(spacing))
    if spacing[thick] > 2.0 * spacing.min():
        rough = np.stack(
            [_slice_distance(s, np.delete(spacing, thick)) for s in np.moveaxis(cropped, thick, 0)], axis=thick
        )
    else:
        rough = signed_distance(np.pad(cropped, 8, mode="edge"), tuple(spacing))[8:-8, 8:-8, 8:-8]
    axes = [np.linspace(0, n - 1, m) for n, m in zip(cropped.shape, fine_shape, strict=True)]
    fine = rough
    for axis, positions in enumerate(axes):
        fine = _interpolate_axis(fine, positions, axis)
    smoothing = 0.35 * spacing.max() / spacing_mm if spacing[thick] > 2.0 * spacing.min() else 0.9
    fine = ndimage.gaussian_filter(fine, np.clip(smoothing, 0.6, 1.6), mode="nearest")
    padded = np.pad(fine < 0, 12, mode="edge")
    far = signed_distance(padded, spacing_mm)[12:-12, 12:-12, 12:-12]
    if spacing[thick] > 2.0 * spacing.min():
        distance = ndimage.gaussian_filter(far, 0.8, mode="nearest")
    else:
        distance = np.where(np.abs(far) < 2.0, np.clip(fine, -3, 3), far)
    steps = (np.array(cropped.shape) - 1) * spacing / (fine_shape - 1)
    grid = Geometry(tuple(fine_shape[::-1]), tuple(steps[::-1]), tuple(origin), geometry.direction)
    return make_shape(name, label, distance, grid)


def _largest_part(mask: np.ndarray) -> np.ndarray:
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    found, count = ndimage.label(mask[box])
    if count <= 1:
        return mask
    result = np.zeros_like(mask)
    result[box] = found == np.argmax(np.bincount(found.ravel())[1:]) + 1
    return result


def _slice_distance(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """2-D signed distance; empty slices lie a fixed distance outside so that ends close between two slices."""
    if not mask.any():
        return np.full(mask.shape, 4.0, np.float32)
    outside = ndimage.distance_transform_edt(~mask, sampling=tuple(spacing))
    inside = ndimage.distance_transform_edt(mask, sampling=tuple(spacing))
    return np.clip(outside - inside, -15, 15).astype(np.float32)


def _interpolate_axis(array: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    low = np.clip(np.floor(positions).astype(int), 0, max(array.shape[axis] - 2, 0))
    high = np.minimum(low + 1, array.shape[axis] - 1)
    weight_shape = [1, 1, 1]
    weight_shape[axis] = -1
    t = (positions - low).astype(np.float32).reshape(weight_shape)
    return (1 - t) * np.take(array, low, axis) + t * np.take(array, high, axis)
