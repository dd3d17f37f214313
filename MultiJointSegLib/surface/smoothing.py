"""Smoothing that removes voxel steps and keeps the size."""

from __future__ import annotations

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkSMPTools
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

from MultiJointSegLib.surface.mesh import Surface, to_polydata

PASS_BAND = 0.01
ITERATIONS = 20
VOLUME_TOLERANCE = 5e-4
"""Relative loss of volume by smoothing above which it is given back."""


def use_threads() -> None:
    """Let VTK's filters run in threads: the wheels start with the sequential backend."""
    if vtkSMPTools.GetBackend() != "STDThread":
        vtkSMPTools.SetBackend("STDThread")


def windowed_sinc(
    surface: Surface, *, pass_band: float = PASS_BAND, iterations: int = ITERATIONS, quads: bool = False
) -> Surface:
    """Low-pass filter the point positions (Taubin, Zhang, Golub 1996, doi:10.1007/BFb0015544), as VTK does it.

    The filter is linear in the positions, so it gives the same in index space and in millimeters. Unlike repeated
    averaging it leaves the lowest frequencies alone, so a sphere keeps its volume.

    Parameters
    ----------
    surface : Surface
        Closed mesh.
    pass_band : float
        Share of the mesh's frequency range that is kept, 0 to 2. Lower is smoother.
    iterations : int
        Degree of the Chebyshev polynomial.
    quads : bool
        Triangles 2n and 2n + 1 are the halves of a quadrilateral, cut from its first corner. Their common edge is
        then left out of the filter, which keeps it symmetric: the cut would make it depend on the direction.
    """
    use_threads()
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(_quad_polydata(surface) if quads else to_polydata(surface))
    smoother.SetPassBand(pass_band)
    smoother.SetNumberOfIterations(iterations)
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    smoother.Update()
    return Surface(vtk_to_numpy(smoother.GetOutput().GetPoints().GetData()), surface.triangles)


def _quad_polydata(surface: Surface) -> vtkPolyData:
    pairs = surface.triangles.reshape(-1, 6)
    polydata = to_polydata(surface)
    cells = vtkCellArray()
    cells.SetData(4, numpy_to_vtkIdTypeArray(np.ascontiguousarray(pairs[:, [0, 1, 2, 5]]).ravel(), deep=True))
    polydata.SetPolys(cells)
    return polydata


def cut_along_shorter_diagonal(surface: Surface) -> Surface:
    """Halve the quadrilaterals of which triangles 2n and 2n + 1 are the halves, along their shorter diagonals."""
    quads = surface.triangles.reshape(-1, 6)[:, [0, 1, 2, 5]]
    corners = surface.points_mm[quads]
    first = ((corners[:, 0] - corners[:, 2]) ** 2).sum(axis=1)
    second = ((corners[:, 1] - corners[:, 3]) ** 2).sum(axis=1)
    halves = np.where((first <= second)[:, None], quads[:, [0, 1, 2, 0, 2, 3]], quads[:, [1, 2, 3, 1, 3, 0]])
    return Surface(surface.points_mm, halves.reshape(-1, 3))


def restore_volume(surface: Surface, volume: float) -> Surface:
    """Move every point along its normal by the one small distance that gives the mesh a volume.

    The windowed sinc filter takes up to 1 % from bones of a few voxels; this gives it back. The distance is
    (volume - present volume) / area, exact to first order.

    Parameters
    ----------
    surface : Surface
        Closed, oriented outward, in the unit of length in which `volume` is given cubed.
    volume : float
        Wanted volume, near the present one.
    """
    area_vectors = surface.area_vectors_mm2()
    distance = (volume - surface.volume_mm3) / float(np.linalg.norm(area_vectors, axis=1).sum())
    corners, count = surface.triangles.ravel(), len(surface.points_mm)
    normals = np.column_stack(
        [np.bincount(corners, np.repeat(area_vectors[:, n], 3), minlength=count) for n in range(3)]
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return Surface(surface.points_mm + distance * normals / np.maximum(length, 1e-12), surface.triangles)
