"""Views named from geometry, the direction that a stack is counted in, and the relative location of its slices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid

VIEWS = ("sagittal", "coronal", "axial")
OBLIQUE_DEG = 30.0
"""A plane tilted by more is no longer called by the name of the nearest anatomical plane alone."""
SAME_PLACE_MM = 0.05

_WORDS = {
    "sagittal": r"(?<![a-z])sag(ittal)?(?![a-z])",
    "coronal": r"(?<![a-z])(cor(onal)?|frontal)(?![a-z])",
    "axial": r"(?<![a-z])(ax(ial)?|tra(ns(versal|verse)?)?)(?![a-z])",
}
# Directions (LPS) in which the rows and columns of a slice are counted on the screen, as in imaging.canonical.
_SCREEN = {
    "sagittal": ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    "coronal": ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0)),
    "axial": ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
}


@dataclass(frozen=True, slots=True)
class View:
    """How a plane lies in the patient.

    Parameters
    ----------
    nearest : str
        "sagittal", "coronal" or "axial": the anatomical plane at the smallest angle.
    tilt_deg : float
        Angle to it.
    towards : str
        The second nearest anatomical plane: the one it is tilted towards.
    """

    nearest: str
    tilt_deg: float
    towards: str

    @property
    def oblique(self) -> bool:
        """Whether the nearest anatomical plane is more than `OBLIQUE_DEG` away."""
        return self.tilt_deg > OBLIQUE_DEG

    @property
    def name(self) -> str:
        """The nearest plane's name, or "oblique"."""
        return "oblique" if self.oblique else self.nearest

    def __str__(self) -> str:
        if self.tilt_deg < 0.5:
            return self.nearest
        return f"{'oblique: ' * self.oblique}{self.nearest}, tilted {self.tilt_deg:.0f}° towards {self.towards}"


def view_of(normal: Sequence[float] | np.ndarray) -> View:
    """View of a plane from its unit normal (LPS), whichever way the normal points."""
    cosine = np.abs(np.asarray(normal, float)) / np.linalg.norm(normal)
    order = np.argsort(-np.round(cosine, 9), kind="stable")
    across = np.linalg.norm(np.delete(cosine, order[0]))
    tilt = float(np.degrees(np.arctan2(across, cosine[order[0]])))
    return View(VIEWS[order[0]], tilt, VIEWS[order[1]])


def described_view(description: str) -> str | None:
    """View that a series' description speaks of; None where it speaks of none, or of several."""
    text = description.replace("_", " ").casefold()
    found = [view for view, pattern in _WORDS.items() if re.search(pattern, text)]
    return found[0] if len(found) == 1 else None


def stack_direction(normal: Sequence[float] | np.ndarray, side: str | None = None) -> np.ndarray:
    """Unit normal (3,) turned to the direction in which the slices of a stack are counted.

    Sagittal slices are counted from medial to lateral where the side ("left" or "right") is known, so that a limb and
    its mirror image agree, otherwise from the patient's right to the left; coronal ones from front to back, axial ones
    from feet to head. Oblique stacks follow the nearest of these.
    """
    unit = np.asarray(normal, float) / np.linalg.norm(normal)
    axis = VIEWS.index(view_of(unit).nearest)
    wanted = -1.0 if axis == 0 and side == "right" else 1.0
    return unit if unit[axis] * wanted > 0 else -unit


def relative_locations(
    centers_mm: np.ndarray, normal: Sequence[float] | np.ndarray, side: str | None = None
) -> np.ndarray | None:
    """Where slices lie in their stack: 0 the first, 1 the last, by their physical distance.

    Parameters
    ----------
    centers_mm : ndarray of shape (slices, 3)
        A point of each slice (LPS), in any order, with gaps, repeated or not.
    normal : sequence of 3 float
        Of the slices.
    side : str or None
        See `stack_direction`.

    Returns
    -------
    float64 ndarray of shape (slices,) or None
        ``t = (s - min s) / (max s - min s)`` with ``s = direction . center``; None where all slices lie in one place.
    """
    along = np.asarray(centers_mm, float) @ stack_direction(normal, side)
    extent = along.max() - along.min()
    return None if extent < SAME_PLACE_MM else (along - along.min()) / extent


def screen_order(grid: SliceGrid) -> tuple[bool, bool, bool]:
    """How an image has to be rearranged to be seen as slices of its view are seen.

    Returns
    -------
    transpose, flip_rows, flip_columns : bool
        To be done in this order; rows then run from head to feet (axial: front to back), columns from front to back
        (sagittal) or from the patient's right to the left. Nothing is interpolated.
    """
    wanted_row, wanted_column = (np.asarray(v) for v in _SCREEN[view_of(grid.normal).nearest])
    row, column = (np.asarray(v) / np.linalg.norm(v) for v in (grid.row_step_mm, grid.column_step_mm))
    straight = abs(row @ wanted_row) + abs(column @ wanted_column)
    crossed = abs(column @ wanted_row) + abs(row @ wanted_column)
    transpose = bool(crossed > straight + 1e-9)
    if transpose:
        row, column = column, row
    return transpose, bool(row @ wanted_row < 0), bool(column @ wanted_column < 0)


def rearranged_grid(grid: SliceGrid, order: tuple[bool, bool, bool]) -> SliceGrid:
    """Grid of an image after `rearranged_image` with the same order."""
    transpose, flip_rows, flip_columns = order
    rows, columns = grid.shape[::-1] if transpose else grid.shape
    new_column = np.array([-1.0, columns - 1.0]) if flip_columns else np.array([1.0, 0.0])
    new_row = np.array([-1.0, rows - 1.0]) if flip_rows else np.array([1.0, 0.0])
    matrix = np.array([[new_column[0], 0.0, new_column[1]], [0.0, new_row[0], new_row[1]]])
    return grid.remapped(matrix[::-1] if transpose else matrix, (rows, columns))


def rearranged_image(image: np.ndarray, order: tuple[bool, bool, bool]) -> np.ndarray:
    """Image (..., rows, columns) in the order of `screen_order`; a view of the same memory."""
    transpose, flip_rows, flip_columns = order
    if transpose:
        image = image.swapaxes(-1, -2)
    return image[..., :: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
