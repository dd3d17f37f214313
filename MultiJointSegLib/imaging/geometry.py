"""Where the voxels of a grid lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import InputError

GEOMETRY_TOLERANCE_MM = 1e-3
"""Two grids whose corner voxels differ by less than this are the same grid."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Grid of voxels in patient space (LPS: x to the left, y to the back, z to the head; millimeters).

    Parameters
    ----------
    size : tuple of 3 int
        Voxels along the grid axes (i, j, k). Arrays that belong to the grid have shape (k, j, i), as SimpleITK.
    spacing_mm : tuple of 3 float
        Distance of neighboring voxel centers along (i, j, k).
    origin_mm : tuple of 3 float
        LPS position of the center of voxel (0, 0, 0).
    direction : tuple of 3 tuples of 3 float
        Rows of the 3x3 matrix whose columns are the LPS unit vectors of the axes i, j, k.

    Raises
    ------
    InputError
        If a size is below 1, a spacing is not positive and finite, or the direction is not orthonormal
        within 1e-3.
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def __post_init__(self) -> None:
        if len(self.size) != 3 or min(self.size) < 1:
            raise InputError(f"The grid size is {self.size}; three numbers of at least 1 are needed.")
        spacing = np.asarray(self.spacing_mm, float)
        if spacing.shape != (3,) or not np.all(np.isfinite(spacing)) or np.any(spacing <= 0):
            raise InputError(
                f"The voxel spacing is {tuple(self.spacing_mm)} mm; three positive numbers are needed. "
                "Check the header of the image."
            )
        matrix = np.asarray(self.direction, float)
        if matrix.shape != (3, 3) or not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-3):
            raise InputError(
                "The image axes are not perpendicular unit vectors; sheared grids are not supported. "
                "Resample the image to a rectangular grid first."
            )
        # Plain Python numbers, so that a geometry is hashable, comparable and goes into JSON as it is.
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        object.__setattr__(self, "spacing_mm", tuple(float(s) for s in self.spacing_mm))
        object.__setattr__(self, "origin_mm", tuple(float(o) for o in self.origin_mm))
        object.__setattr__(self, "direction", tuple(tuple(float(v) for v in row) for row in matrix))

    @property
    def array_shape(self) -> tuple[int, int, int]:
        """Shape (k, j, i) of an array on this grid."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(np.prod(self.spacing_mm))

    @property
    def index_to_lps(self) -> np.ndarray:
        """4x4 matrix from the index (i, j, k, 1) to the LPS position in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction) * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def lps_to_index(self) -> np.ndarray:
        """4x4 matrix from the LPS position in mm to the continuous index (i, j, k, 1)."""
        return np.linalg.inv(self.index_to_lps)

    def index_to_point(self, index: np.ndarray) -> np.ndarray:
        """LPS positions (..., 3) in mm of continuous indices (..., 3) given as (i, j, k)."""
        matrix = self.index_to_lps
        return np.asarray(index, float) @ matrix[:3, :3].T + matrix[:3, 3]

    def point_to_index(self, point_mm: np.ndarray) -> np.ndarray:
        """Continuous indices (..., 3) as (i, j, k) of LPS positions (..., 3) in mm."""
        matrix = self.lps_to_index
        return np.asarray(point_mm, float) @ matrix[:3, :3].T + matrix[:3, 3]

    def corner_points(self) -> np.ndarray:
        """LPS positions (8, 3) in mm of the centers of the corner voxels."""
        last = np.asarray(self.size) - 1
        corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) * last
        return self.index_to_point(corners)

    def same_grid(self, other: Geometry) -> bool:
        """Whether both grids have the same size and the same corners within `GEOMETRY_TOLERANCE_MM`."""
        return self.size == other.size and bool(
            np.abs(self.corner_points() - other.corner_points()).max() < GEOMETRY_TOLERANCE_MM
        )
