"""Distance of points to a surface."""

from __future__ import annotations

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDoubleArray
from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance

from MultiJointSegLib.surface.mesh import Surface, to_polydata


def signed_distance_mm(points_mm: np.ndarray, surface: Surface) -> np.ndarray:
    """Distance (n,) in mm of points (n, 3) to the nearest place of a closed surface, negative inside."""
    points = np.ascontiguousarray(points_mm, np.float64).reshape(-1, 3)
    if not len(points):
        return np.zeros(0)
    distance = vtkImplicitPolyDataDistance()
    distance.SetInput(to_polydata(surface))
    found = vtkDoubleArray()
    distance.FunctionValue(numpy_to_vtk(points, deep=True), found)
    return vtk_to_numpy(found).copy()
