"""Where the pixels of one slice lie in the patient, through every resampling, crop, turn and reflection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry

Vector = tuple[float, float, float]


def vector(values: Sequence[float] | np.ndarray) -> Vector:
    """Three numbers as a tuple of plain floats."""
    x, y, z = (float(v) for v in values)
    return x, y, z


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane in patient space.

    Parameters
    ----------
    point_mm : tuple of 3 float
        Any point of it, LPS. Where the plane is that of a slice, the slice's center.
    normal : tuple of 3 float
        Unit normal, LPS.
    """

    point_mm: Vector
    normal: Vector

    def signed_distance_mm(self, points_mm: np.ndarray) -> np.ndarray:
        """Distance (...) in mm of LPS points (..., 3), positive on the side of the normal."""
        return (np.asarray(points_mm, float) - self.point_mm) @ np.asarray(self.normal)

    def angle_deg(self, other: Plane) -> float:
        """Angle between the planes, 0 to 90 degrees."""
        sine = np.linalg.norm(np.cross(self.normal, other.normal))
        cosine = abs(float(np.dot(self.normal, other.normal)))
        return float(np.degrees(np.arctan2(sine, cosine)))


@dataclass(frozen=True, slots=True)
class SliceGrid:
    """The pixels of a slice in patient space (LPS, mm).

    Pixels are named (column, row), both from 0 and as real numbers, so that (0, 0) is the center of the first pixel.
    The two steps may be of different length (rectangular pixels) and point anywhere (turned or mirrored images).

    Parameters
    ----------
    origin_mm : tuple of 3 float
        Center of pixel (0, 0).
    column_step_mm, row_step_mm : tuple of 3 float
        From a pixel to the one in the next column, and to the one in the next row.
    shape : tuple of 2 int
        Rows and columns, as the shape of the image's array.

    Raises
    ------
    InputError
        If the steps are zero, parallel or not finite, or the image is empty.
    """

    origin_mm: Vector
    column_step_mm: Vector
    row_step_mm: Vector
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        for name in ("origin_mm", "column_step_mm", "row_step_mm"):
            object.__setattr__(self, name, vector(getattr(self, name)))
        object.__setattr__(self, "shape", (int(self.shape[0]), int(self.shape[1])))
        area = np.linalg.norm(np.cross(self.column_step_mm, self.row_step_mm))
        lengths = float(np.prod(self.pixel_mm))
        if not (np.isfinite(area) and np.all(np.isfinite(self.origin_mm)) and lengths > 0 and area > 1e-3 * lengths):
            raise InputError(
                f"The pixel axes of a slice are {self.column_step_mm} and {self.row_step_mm} mm; two different "
                "directions with positive pixel spacing are needed. Check the header of the image."
            )
        if min(self.shape) < 1:
            raise InputError(
                f"A slice has {self.shape[0]} rows and {self.shape[1]} columns; at least 1 each is needed."
            )

    @classmethod
    def from_dicom(
        cls,
        position_mm: Sequence[float],
        axes: Sequence[float],
        pixel_mm: Sequence[float],
        shape: tuple[int, int],
    ) -> SliceGrid:
        """Grid from ImagePositionPatient, ImageOrientationPatient, PixelSpacing (rows, columns) and size."""
        row_direction, column_direction = np.asarray(axes[:3], float), np.asarray(axes[3:], float)
        return cls(
            vector(position_mm), vector(row_direction * pixel_mm[1]), vector(column_direction * pixel_mm[0]), shape
        )

    @classmethod
    def from_geometry(cls, geometry: Geometry, axis: int, index: int) -> SliceGrid:
        """Grid of one slice of a volume: of the array axis `axis` (0 k, 1 j, 2 i) the one at `index`.

        Rows and columns are those of ``array.take(index, axis)``.
        """
        rows, columns = (a for a in range(3) if a != axis)
        steps = np.asarray(geometry.direction) * np.asarray(geometry.spacing_mm)  # columns are the axes i, j, k
        origin = np.asarray(geometry.origin_mm) + index * steps[:, 2 - axis]
        shape = geometry.array_shape
        return cls(
            vector(origin), vector(steps[:, 2 - columns]), vector(steps[:, 2 - rows]), (shape[rows], shape[columns])
        )

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance of neighboring rows and of neighboring columns, in the order of DICOM's PixelSpacing."""
        return float(np.linalg.norm(self.row_step_mm)), float(np.linalg.norm(self.column_step_mm))

    @property
    def normal(self) -> np.ndarray:
        """Unit normal (3,), column step x row step."""
        normal = np.cross(self.column_step_mm, self.row_step_mm)
        return normal / np.linalg.norm(normal)

    @property
    def center_mm(self) -> np.ndarray:
        """LPS middle (3,) of the image."""
        return self.points((self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2)

    @property
    def plane(self) -> Plane:
        """The slice's plane, through its middle."""
        return Plane(vector(self.center_mm), vector(self.normal))

    def points(self, column: float | np.ndarray, row: float | np.ndarray) -> np.ndarray:
        """LPS points (..., 3) in mm of pixels given by arrays (...) of columns and rows."""
        column, row = np.broadcast_arrays(np.asarray(column, float), np.asarray(row, float))
        return (
            np.asarray(self.origin_mm)
            + column[..., None] * np.asarray(self.column_step_mm)
            + row[..., None] * np.asarray(self.row_step_mm)
        )

    def pixels(self, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows (...) of LPS points (..., 3), dropped perpendicularly onto the slice."""
        steps = np.stack([self.column_step_mm, self.row_step_mm], axis=1)
        found = (np.asarray(points_mm, float) - self.origin_mm) @ np.linalg.pinv(steps).T
        return found[..., 0], found[..., 1]

    def remapped(self, matrix: np.ndarray, shape: tuple[int, int]) -> SliceGrid:
        """The grid after the image was resampled by an affine map.

        Parameters
        ----------
        matrix : ndarray of shape (2, 3)
            New pixel (column, row) shows what was at ``matrix @ (column, row, 1)`` of this grid: resampling, crop,
            padding, turn, reflection and transposition alike.
        shape : tuple of 2 int
            Rows and columns of the new image.
        """
        m = np.asarray(matrix, float)
        steps = np.stack([self.column_step_mm, self.row_step_mm], axis=1) @ m[:, :2]
        return SliceGrid(vector(self.points(m[0, 2], m[1, 2])), vector(steps[:, 0]), vector(steps[:, 1]), shape)

    def pixel_map(self, target: SliceGrid) -> np.ndarray:
        """Matrix (2, 3) from pixels (column, row, 1) of `target`, in the same plane, to pixels of this grid."""
        corners = target.points(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
        columns, rows = self.pixels(corners)
        return np.array(
            [
                [columns[1] - columns[0], columns[2] - columns[0], columns[0]],
                [rows[1] - rows[0], rows[2] - rows[0], rows[0]],
            ]
        )

    def cropped(self, first_row: int, first_column: int, shape: tuple[int, int]) -> SliceGrid:
        """Grid of a rectangle; negative first pixels and larger shapes stand for padding."""
        return self.remapped(np.array([[1.0, 0.0, first_column], [0.0, 1.0, first_row]]), shape)

    def resized(self, shape: tuple[int, int]) -> SliceGrid:
        """Grid after resampling to another number of rows and columns over the same field of view."""
        rows, columns = self.shape[0] / shape[0], self.shape[1] / shape[1]
        return self.remapped(np.array([[columns, 0.0, columns / 2 - 0.5], [0.0, rows, rows / 2 - 0.5]]), shape)

    def moved(self, rotation: np.ndarray, translation_mm: np.ndarray) -> SliceGrid:
        """Grid after a rigid motion of the patient: ``rotation @ point + translation``."""
        return SliceGrid(
            vector(rotation @ self.origin_mm + translation_mm),
            vector(rotation @ self.column_step_mm),
            vector(rotation @ self.row_step_mm),
            self.shape,
        )
