"""Where another plane cuts a slice: the line in pixels, and its heat map.

A pixel (column c, row r) of a slice lies at ``o + c a + r b``. The plane through p with normal n holds it where
``n.(o + c a + r b - p) = 0``: one linear equation in c and r, whatever the directions of slice and plane. The distance
of a pixel to the line, within the slice, is ``|n.(x - p)| / |n x m|`` with the slice's unit normal m.

Task: Zhang et al. 2024, DOI 10.1016/j.media.2024.103151. The closed form is our choice: it needs no case for lines
that are nearly parallel to an edge of the image, and no rasterized line that has to be fitted again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid

MINIMUM_ANGLE_DEG = 20.0
"""Planes that meet at less have no useful line: a small change of either moves it far."""


@dataclass(frozen=True, slots=True)
class PixelLine:
    """All pixels with ``normal_column * column + normal_row * row = offset``.

    The normal has unit length, and the offset is in pixels; for rectangular pixels that is a length in pixel
    coordinates, not one in the patient.
    """

    normal_column: float
    normal_row: float
    offset: float

    def pixel_distance(self, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Distance of pixels to the line in pixel coordinates, with sign."""
        return self.normal_column * np.asarray(column) + self.normal_row * np.asarray(row) - self.offset

    @property
    def direction(self) -> np.ndarray:
        """Unit vector (column, row) along the line."""
        return np.array([-self.normal_row, self.normal_column])

    def ends(self, shape: tuple[int, int]) -> np.ndarray | None:
        """Ends (2, 2) as (column, row) of the part within an image of `shape` (rows, columns); None where it passes by.

        The image reaches half a pixel beyond the centers of its outer pixels.
        """
        start = self.offset * np.array([self.normal_column, self.normal_row])
        low, high = -np.inf, np.inf
        for axis, count in enumerate((shape[1], shape[0])):
            step, at = self.direction[axis], start[axis]
            if abs(step) < 1e-12:
                if not -0.5 <= at <= count - 0.5:
                    return None
                continue
            first, second = sorted(((-0.5 - at) / step, (count - 0.5 - at) / step))
            low, high = max(low, first), min(high, second)
        if not high > low:
            return None
        return start + np.array([[low], [high]]) * self.direction


def have_line(grid: SliceGrid, plane: Plane, minimum_angle_deg: float = MINIMUM_ANGLE_DEG) -> bool:
    """Whether a plane meets a slice at a sufficient angle."""
    return grid.plane.angle_deg(plane) >= minimum_angle_deg


def intersection_line(grid: SliceGrid, plane: Plane, minimum_angle_deg: float = MINIMUM_ANGLE_DEG) -> PixelLine | None:
    """Line along which a plane cuts a slice.

    Parameters
    ----------
    grid : SliceGrid
        The slice, after whatever was done to the image.
    plane : Plane
        The crossing plane, in the same frame of reference.
    minimum_angle_deg : float
        Planes at a smaller angle have no line.

    Returns
    -------
    PixelLine or None
        In pixels of the slice, endless: it may pass by the image.
    """
    if not have_line(grid, plane, minimum_angle_deg):
        return None
    normal = np.asarray(plane.normal)
    equation = np.array([normal @ grid.column_step_mm, normal @ grid.row_step_mm])
    length = np.linalg.norm(equation)
    offset = -float(plane.signed_distance_mm(np.asarray(grid.origin_mm))) / length
    return PixelLine(float(equation[0] / length), float(equation[1] / length), float(offset))


def line_distance_mm(grid: SliceGrid, plane: Plane) -> np.ndarray:
    """Distance in mm, within the slice, of every pixel to the line where the plane cuts the slice.

    Returns
    -------
    float64 ndarray of shape (rows, columns)
        Without sign. Meaningless where the plane is parallel to the slice: ask `have_line` before.
    """
    rows, columns = np.indices(grid.shape)
    sine = np.linalg.norm(np.cross(grid.normal, plane.normal))
    return np.abs(plane.signed_distance_mm(grid.points(columns, rows))) / sine


def heat_map(grid: SliceGrid, plane: Plane, sigma_mm: float) -> np.ndarray:
    """Gaussian of the distance to the line: ``exp(-d^2 / (2 sigma^2))``, 1 on the line.

    Returns
    -------
    float32 ndarray of shape (rows, columns)
    """
    return np.exp(-0.5 * (line_distance_mm(grid, plane) / sigma_mm) ** 2).astype(np.float32)
