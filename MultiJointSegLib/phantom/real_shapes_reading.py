"""Read bones of real people, as meshes or label maps, into signed distances."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import vtk
from scipy import ndimage
from vtk.util import numpy_support

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


def _make_shape(name: str, label: int, distance_mm: np.ndarray, geometry: Geometry) -> BoneShape:
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


def read_mesh(path: Path) -> vtk.vtkPolyData:
    """Read an STL or PLY mesh (mm, LPS) as triangles with merged points."""
    guard_permitted(path)
    reader = vtk.vtkSTLReader() if path.suffix.lower() == ".stl" else vtk.vtkPLYReader()
    reader.SetFileName(str(path))
    clean = vtk.vtkCleanPolyData()
    clean.SetInputConnection(reader.GetOutputPort())
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputConnection(clean.GetOutputPort())
    triangles.Update()
    mesh = triangles.GetOutput()
    if mesh.GetNumberOfCells() == 0:
        raise InputError(f"{path} holds no triangles; a closed surface mesh in STL or PLY is needed.")
    return mesh


def mesh_points(mesh: vtk.vtkPolyData) -> np.ndarray:
    """Vertices (n, 3), float64 copy."""
    return numpy_support.vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)


def transform_mesh(mesh: vtk.vtkPolyData, matrix: np.ndarray) -> vtk.vtkPolyData:
    """Mesh with a 4x4 matrix applied to its points (orientation of triangles is mended for mirrors)."""
    transform = vtk.vtkTransform()
    transform.SetMatrix(np.asarray(matrix, float).ravel())
    apply = vtk.vtkTransformPolyDataFilter()
    apply.SetInputData(mesh)
    apply.SetTransform(transform)
    if np.linalg.det(np.asarray(matrix, float)[:3, :3]) > 0:
        apply.Update()
        return apply.GetOutput()
    reverse = vtk.vtkReverseSense()
    reverse.SetInputConnection(apply.GetOutputPort())
    reverse.ReverseCellsOn()
    reverse.Update()
    return reverse.GetOutput()


def mesh_components(mesh: vtk.vtkPolyData, *, minimum_fraction: float = 0.01) -> list[vtk.vtkPolyData]:
    """Connected parts, largest first, specks (fewer than that fraction of the triangles) left out."""
    connect = vtk.vtkPolyDataConnectivityFilter()
    connect.SetInputData(mesh)
    connect.SetExtractionModeToSpecifiedRegions()
    count_filter = vtk.vtkPolyDataConnectivityFilter()
    count_filter.SetInputData(mesh)
    count_filter.SetExtractionModeToAllRegions()
    count_filter.Update()
    parts = []
    for region in range(count_filter.GetNumberOfExtractedRegions()):
        connect.InitializeSpecifiedRegionList()
        connect.AddSpecifiedRegion(region)
        clean = vtk.vtkCleanPolyData()
        clean.SetInputConnection(connect.GetOutputPort())
        clean.Update()
        part = vtk.vtkPolyData()
        part.DeepCopy(clean.GetOutput())
        parts.append(part)
    parts.sort(key=lambda p: -p.GetNumberOfCells())
    return [p for p in parts if p.GetNumberOfCells() >= minimum_fraction * mesh.GetNumberOfCells()]


def mesh_to_shape(
    mesh: vtk.vtkPolyData,
    name: str,
    label: int,
    *,
    box_mm: tuple[np.ndarray, np.ndarray] | None = None,
    spacing_mm: float = 0.8,
) -> BoneShape:
    """Signed distance of a closed mesh: exact within 2 mm of the surface, to the voxel beyond.

    Parameters
    ----------
    box_mm : (low, high), LPS corners, optional
        Part of space that is kept; a bone that leaves it counts as continuing.
    """
    bounds = np.array(mesh.GetBounds()).reshape(3, 2)
    margin = CLIP_MM
    low, high = bounds[:, 0] - margin, bounds[:, 1] + margin
    if box_mm is not None:
        low, high = np.maximum(low, box_mm[0]), np.minimum(high, box_mm[1])
    size = np.maximum(np.ceil((high - low) / spacing_mm).astype(int) + 1, 4)
    geometry = Geometry(tuple(size), (spacing_mm,) * 3, tuple(low))
    inside = _voxelize(mesh, geometry)
    # A border plane that cuts the bone must not look like its end: distances are taken with the border repeated.
    padded = np.pad(inside, 12, mode="edge")
    distance = signed_distance(padded, spacing_mm)[12:-12, 12:-12, 12:-12]
    band = np.argwhere(np.abs(distance) < 2.0)
    implicit = vtk.vtkImplicitPolyDataDistance()
    implicit.SetInput(mesh)
    points = geometry.index_to_point(band[:, ::-1])
    result = vtk.vtkDoubleArray()
    implicit.FunctionValue(numpy_support.numpy_to_vtk(np.ascontiguousarray(points)), result)
    exact = numpy_support.vtk_to_numpy(result)
    distance[tuple(band.T)] = np.clip(exact, -4, 4)
    return _make_shape(name, label, distance, geometry)


def _voxelize(mesh: vtk.vtkPolyData, geometry: Geometry) -> np.ndarray:
    stencil = vtk.vtkPolyDataToImageStencil()
    stencil.SetInputData(mesh)
    stencil.SetOutputOrigin(geometry.origin_mm)
    stencil.SetOutputSpacing(geometry.spacing_mm)
    stencil.SetOutputWholeExtent(0, geometry.size[0] - 1, 0, geometry.size[1] - 1, 0, geometry.size[2] - 1)
    convert = vtk.vtkImageStencilToImage()
    convert.SetInputConnection(stencil.GetOutputPort())
    convert.SetInsideValue(1)
    convert.SetOutsideValue(0)
    convert.SetOutputScalarTypeToUnsignedChar()
    convert.Update()
    scalars = convert.GetOutput().GetPointData().GetScalars()
    return numpy_support.vtk_to_numpy(scalars).reshape(geometry.array_shape).astype(bool)


def filled_mask(
    mesh: vtk.vtkPolyData, *, cut_high: bool, spacing_mm: float = 0.8, closing_mm: float = 3.0
) -> tuple[np.ndarray, Geometry]:
    """Solid voxels of a bone whose mesh leaves the marrow space open.

    The voxels are closed with a ball and holes are filled in every slice of all three directions.

    Parameters
    ----------
    cut_high : bool
        Whether the shaft is cut at the upper end (femur) or at the lower one; the grid ends there with the mesh.

    Returns
    -------
    bool (k, j, i) and its grid
    """
    bounds = np.array(mesh.GetBounds()).reshape(3, 2)
    size = np.ceil((bounds[:, 1] - bounds[:, 0]) / spacing_mm).astype(int) + 1
    below, above = np.array([14, 14, 0 if not cut_high else 14]), np.array([14, 14, 0 if cut_high else 14])
    low = bounds[:, 0] - below * spacing_mm
    geometry = Geometry(tuple(size + below + above), (spacing_mm,) * 3, tuple(low))
    mask = np.pad(_voxelize(mesh, geometry), 8, mode="edge")
    reach = ndimage.distance_transform_edt(~mask) * spacing_mm < closing_mm
    mask |= ndimage.distance_transform_edt(reach) * spacing_mm > closing_mm
    for axis in range(3):
        for n in range(mask.shape[axis]):
            at = tuple(n if a == axis else slice(None) for a in range(3))
            mask[at] = ndimage.binary_fill_holes(mask[at])
    return mask[8:-8, 8:-8, 8:-8], geometry


def split_fibula(
    mask: np.ndarray, geometry: Geometry, *, side: str, core_mm: float = 2.5
) -> tuple[np.ndarray, np.ndarray | None]:
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
            names = np.unique(parts[previous & (parts > 0)])
            names = [n for n in names if sizes[n - 1] < 2.5 * previous.sum() + 60]
            core = np.isin(parts, names) if len(names) else np.zeros_like(previous)
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
    found = ndimage.label(mask)[0]
    if found.max() > 1:
        mask = found == np.argmax(np.bincount(found.ravel())[1:]) + 1
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
    return _make_shape(name, label, distance, grid)


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
