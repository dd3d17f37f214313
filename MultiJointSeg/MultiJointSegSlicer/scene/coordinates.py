"""Between the library (LPS millimeters, any grid) and MRML (RAS millimeters, right-handed grids): only here.

LPS has x to the left and y to the back, RAS x to the right and y to the front; z goes to the head in both and both
are in millimeters. The way there and the way back are the same half turn about z, so the orientation of triangles
does not change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.surface.mesh import Surface

_HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])


def flip_points(points_mm: Any) -> np.ndarray:
    """LPS positions or directions (..., 3) in mm as RAS ones, or RAS as LPS."""
    return np.asarray(points_mm, float) * np.diag(_HALF_TURN)[:3]


def flip_surface(surface: Surface) -> Surface:
    """A surface in LPS mm as one in RAS mm, or RAS as LPS."""
    return surface.transformed(_HALF_TURN)


def ijk_to_ras(geometry: Geometry) -> vtkMatrix4x4:
    """Matrix from the index (i, j, k, 1) of a grid to its RAS position in mm."""
    matrix = vtkMatrix4x4()
    matrix.DeepCopy((_HALF_TURN @ geometry.index_to_lps).ravel())
    return matrix


def geometry_from_ras(size: tuple[int, int, int], ijk_to_ras_matrix: vtkMatrix4x4) -> Geometry:
    """Grid of `size` voxels along (i, j, k) whose index-to-RAS matrix is given; `InputError` if it is sheared."""
    rows = [[ijk_to_ras_matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
    matrix = _HALF_TURN @ np.asarray(rows)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    direction = matrix[:3, :3] / np.where(spacing > 0, spacing, 1.0)
    return Geometry(size, tuple(spacing), tuple(matrix[:3, 3]), tuple(map(tuple, direction)))


def first_voxel_to_ras(image: Any) -> vtkMatrix4x4:
    """Matrix from the index of an oriented image, counted from its first voxel, to RAS mm: extents start anywhere."""
    matrix = vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    i, _, j, _, k, _ = image.GetExtent()
    corner = matrix.MultiplyPoint((i, j, k, 1))
    for row in range(3):
        matrix.SetElement(row, 3, corner[row])
    return matrix


def right_handed(volume: Volume) -> Volume:
    """The same voxels at the same places on a right-handed grid: a left-handed one gets its k order reversed.

    Slicer does so with every volume file it loads, and needs it: surfaces of a left-handed segmentation come out
    inside out.
    """
    geometry = volume.geometry
    direction = np.asarray(geometry.direction)
    if np.linalg.det(direction) > 0:
        return volume
    last = geometry.index_to_point(np.array([0, 0, geometry.size[2] - 1]))
    direction = direction * (1.0, 1.0, -1.0)
    turned = Geometry(geometry.size, geometry.spacing_mm, tuple(last), tuple(map(tuple, direction)))
    return Volume(volume.array[::-1], turned, volume.modality, dict(volume.metadata))
