"""How a slice of any grid is turned so that it lies on the screen as radiologists expect it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry

PLANES = ("sagittal", "coronal", "axial")
"""Planes in the order of their normals: x (left-right), y (front-back), z (foot-head)."""

_SCREEN_LPS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    # (world axis, sign) that runs down the screen, (world axis, sign) that runs to the right.
    "sagittal": ((2, -1), (1, +1)),
    "coronal": ((2, -1), (0, +1)),
    "axial": ((1, +1), (0, +1)),
}
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
_SECOND_LETTER_MINIMUM = 0.3
"""Part of a direction along a second axis from which the edge gets a second letter (about 17 degrees)."""


def edge_letters(direction_lps: np.ndarray) -> str:
    """Where a direction points: "A", or "AS" where it is oblique by more than about 17 degrees."""
    order = np.argsort(-np.abs(direction_lps))
    letters = [_LETTERS[a][int(direction_lps[a] > 0)] for a in order if abs(direction_lps[a]) > _SECOND_LETTER_MINIMUM]
    return "".join(letters)


@dataclass(frozen=True, slots=True)
class DisplayView:
    """Slices across one array axis, shown with the patient's right on the left and the head up.

    Parameters
    ----------
    plane : str
        "sagittal", "coronal" or "axial": the one the slices are closest to.
    slice_axis, row_axis, column_axis : int
        Array axes (0 = k, 1 = j, 2 = i): across the slices, down the screen, to the right.
    flip_rows, flip_columns : bool
        Whether the array runs against the screen.
    row_mm, column_mm, slice_mm : float
        Spacing along those axes.
    top, bottom, left, right : str
        Anatomical letters of the edges.
    first, last : str
        Letters of the sides on which the first and the last slice lie.
    tilt_deg : float
        Angle between the slices' normal and that of the named plane.
    """

    plane: str
    slice_axis: int
    row_axis: int
    column_axis: int
    flip_rows: bool
    flip_columns: bool
    row_mm: float
    column_mm: float
    slice_mm: float
    top: str
    bottom: str
    left: str
    right: str
    first: str
    last: str
    tilt_deg: float

    def slice(self, array: np.ndarray, index: int) -> np.ndarray:
        """Slice `index` of an array (k, j, i) as it lies on the screen (rows down, columns to the right)."""
        taken = np.take(array, index, axis=self.slice_axis)
        if self.row_axis > self.column_axis:
            taken = taken.T
        if self.flip_rows:
            taken = taken[::-1]
        return taken[:, ::-1] if self.flip_columns else taken


def _nearest_world_axes(direction: np.ndarray) -> tuple[int, ...]:
    """World axis of each grid axis: the assignment that turns the grid least."""
    return max(
        itertools.permutations(range(3)),
        key=lambda world: sum(abs(direction[world[grid], grid]) for grid in range(3)),
    )


def display_views(geometry: Geometry) -> dict[str, DisplayView]:
    """The view of each of `PLANES` on a grid of any orientation; oblique grids are shown along their own axes."""
    direction = np.asarray(geometry.direction)
    world_of_grid = _nearest_world_axes(direction)
    grid_of_world = {world: grid for grid, world in enumerate(world_of_grid)}
    views = {}
    for normal, plane in enumerate(PLANES):
        (row_world, row_sign), (column_world, column_sign) = _SCREEN_LPS[plane]
        slice_grid, row_grid, column_grid = (grid_of_world[w] for w in (normal, row_world, column_world))
        flip_rows = direction[row_world, row_grid] * row_sign < 0
        flip_columns = direction[column_world, column_grid] * column_sign < 0
        down = direction[:, row_grid] * (-1 if flip_rows else 1)
        rightward = direction[:, column_grid] * (-1 if flip_columns else 1)
        views[plane] = DisplayView(
            plane=plane,
            slice_axis=2 - slice_grid,
            row_axis=2 - row_grid,
            column_axis=2 - column_grid,
            flip_rows=bool(flip_rows),
            flip_columns=bool(flip_columns),
            row_mm=geometry.spacing_mm[row_grid],
            column_mm=geometry.spacing_mm[column_grid],
            slice_mm=geometry.spacing_mm[slice_grid],
            top=edge_letters(-down),
            bottom=edge_letters(down),
            left=edge_letters(-rightward),
            right=edge_letters(rightward),
            first=edge_letters(-direction[:, slice_grid]),
            last=edge_letters(direction[:, slice_grid]),
            tilt_deg=math.degrees(math.acos(min(1.0, abs(float(direction[normal, slice_grid]))))),
        )
    return views


def view_across(views: dict[str, DisplayView], slice_axis: int) -> DisplayView:
    """The view whose slices lie across that array axis."""
    return next(view for view in views.values() if view.slice_axis == slice_axis)
