"""Triangle meshes in patient space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

from MultiJointSegLib.errors import MultiJointSegError


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Triangles in LPS millimeters; seen from outside, the corners of each go round counterclockwise.

    Parameters
    ----------
    points_mm : float64 ndarray of shape (n, 3)
        Corner positions, LPS mm.
    triangles : int64 ndarray of shape (m, 3)
        Rows of `points_mm`.

    Raises
    ------
    MultiJointSegError
        If the shapes are wrong, a position is not finite, or a triangle names a point that does not exist.
    """

    points_mm: np.ndarray
    triangles: np.ndarray

    def __post_init__(self) -> None:
        points = np.ascontiguousarray(self.points_mm, np.float64)
        triangles = np.ascontiguousarray(self.triangles, np.int64)
        if points.ndim != 2 or points.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
            raise MultiJointSegError(
                f"A surface needs (n, 3) points and triangles, not {points.shape} and {triangles.shape}."
            )
        if not np.isfinite(points).all():
            raise MultiJointSegError("A surface point is not finite.")
        if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(points)):
            raise MultiJointSegError("A triangle of the surface names a point that does not exist.")
        object.__setattr__(self, "points_mm", points)
        object.__setattr__(self, "triangles", triangles)

    def corner_vectors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First corner (m, 3) of each triangle and the two edge vectors (m, 3) from it, mm."""
        corners = self.points_mm[self.triangles]
        return corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]

    def area_vectors_mm2(self) -> np.ndarray:
        """Outward normal of each triangle (m, 3), its length the triangle's area in mm2."""
        _, u, v = self.corner_vectors()
        return 0.5 * np.cross(u, v)

    @property
    def area_mm2(self) -> float:
        """Sum of the triangle areas."""
        return float(np.linalg.norm(self.area_vectors_mm2(), axis=1).sum())

    @property
    def volume_mm3(self) -> float:
        """Enclosed volume by the divergence theorem: sum of a . (b x c) / 6; positive when oriented outward."""
        if not len(self.triangles):
            return 0.0
        # Measured from a point of the mesh itself, so that a far origin costs no precision.
        a, b, c = np.moveaxis((self.points_mm - self.points_mm.mean(axis=0))[self.triangles], 1, 0)
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    def transformed(self, matrix: np.ndarray) -> Surface:
        """Moved by a 4x4 matrix of LPS mm; a mirroring matrix also turns the triangles, so they stay outward."""
        matrix = np.asarray(matrix, float)
        triangles = self.triangles if np.linalg.det(matrix[:3, :3]) > 0 else self.triangles[:, ::-1]
        return Surface(self.points_mm @ matrix[:3, :3].T + matrix[:3, 3], triangles)


def to_polydata(surface: Surface) -> vtkPolyData:
    """Polygonal data of VTK with the same points (double, LPS mm) and triangles."""
    points = vtkPoints()
    points.SetData(numpy_to_vtk(surface.points_mm, deep=True))
    cells = vtkCellArray()
    offsets = np.arange(0, 3 * len(surface.triangles) + 1, 3, dtype=np.int64)
    cells.SetData(
        numpy_to_vtkIdTypeArray(offsets, deep=True),
        numpy_to_vtkIdTypeArray(surface.triangles.ravel(), deep=True),
    )
    polydata = vtkPolyData()
    polydata.SetPoints(points)
    polydata.SetPolys(cells)
    return polydata


def from_polydata(polydata: vtkPolyData) -> Surface:
    """Surface of a vtkPolyData whose points are LPS mm; polygons of four or more corners become fans.

    A fan is right for convex polygons, which is what VTK's filters make. Strips, lines and vertices are left out.
    """
    if not polydata.GetNumberOfPoints() or not polydata.GetNumberOfPolys():
        return Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    points = vtk_to_numpy(polydata.GetPoints().GetData())
    offsets = vtk_to_numpy(polydata.GetPolys().GetOffsetsArray()).astype(np.int64)
    corners = vtk_to_numpy(polydata.GetPolys().GetConnectivityArray()).astype(np.int64)
    sizes = np.diff(offsets)
    if (sizes == 3).all():
        return Surface(points, corners.reshape(-1, 3))
    if (sizes == 4).all():
        quads = corners.reshape(-1, 4)
        return Surface(points, quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3))
    fans = np.maximum(sizes - 2, 0)
    cell = np.repeat(np.arange(len(sizes)), fans)
    step = np.arange(len(cell)) - np.repeat(np.cumsum(fans) - fans, fans)
    first = offsets[cell]
    return Surface(points, np.column_stack([corners[first], corners[first + step + 1], corners[first + step + 2]]))
