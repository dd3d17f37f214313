"""Read bone meshes into signed distances or masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import vtk
from scipy import ndimage
from vtk.util import numpy_support

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_fields import signed_distance
from MultiJointSegLib.phantom.real_shapes_reading import CLIP_MM, BoneShape, guard_permitted, make_shape


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
    return make_shape(name, label, distance, geometry)


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
