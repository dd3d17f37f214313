"""The examination in the patient's own order: axes up, back and left, whatever way it was stored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.resampling import downsampling_matrix
from MultiJointSegLib.imaging.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class BodyGrid:
    """A volume whose axes are permuted and flipped, never resampled, so that k points up, j back and i left.

    Feet-first series, mirrored storage and any order of axes come out the same; positions stay those of the patient.

    Parameters
    ----------
    array : ndarray of shape (k, j, i)
        View of the volume's array.
    geometry : Geometry
        Its grid, LPS mm. Oblique grids stay oblique.
    order : tuple of 3 int
        Array axis of the volume that became axis 0, 1, 2.
    flipped : tuple of 3 bool
        Which of the new axes run against the stored direction.
    """

    array: np.ndarray
    geometry: Geometry
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @property
    def spacing_kji_mm(self) -> np.ndarray:
        """Spacing along the array axes."""
        return np.asarray(self.geometry.spacing_mm[::-1])

    def to_native(self, array: np.ndarray) -> np.ndarray:
        """An array on this grid, (k, j, i), in the volume's own order of axes."""
        back = array[tuple(slice(None, None, -1 if f else 1) for f in self.flipped)]
        return np.ascontiguousarray(np.transpose(back, np.argsort(self.order)))


def body_grid(volume: Volume) -> BodyGrid:
    """Reorder a volume; see `BodyGrid`."""
    direction = np.asarray(volume.geometry.direction)  # columns: i, j, k
    by_array_axis = direction[:, ::-1]  # columns: array axes 0, 1, 2
    targets = np.eye(3)[:, ::-1]  # up, back, left
    closeness = np.abs(targets.T @ by_array_axis)
    order = max(permutations(range(3)), key=lambda p: sum(closeness[n, p[n]] for n in range(3)))
    flipped = tuple(bool((targets[:, n] @ by_array_axis[:, order[n]]) < 0) for n in range(3))
    array = np.transpose(volume.array, order)
    array = array[tuple(slice(None, None, -1 if f else 1) for f in flipped)]
    spacing = np.asarray(volume.geometry.spacing_mm[::-1])[list(order)]
    vectors = [by_array_axis[:, order[n]] * (-1 if flipped[n] else 1) for n in range(3)]
    first = np.zeros(3)  # (i, j, k) index of the new first voxel
    for new, old in enumerate(order):
        if flipped[new]:
            first[2 - old] = volume.array.shape[old] - 1
    geometry = Geometry(
        (array.shape[2], array.shape[1], array.shape[0]),
        (float(spacing[2]), float(spacing[1]), float(spacing[0])),
        tuple(volume.geometry.index_to_point(first)),
        tuple(map(tuple, np.stack(vectors[::-1], axis=1))),
    )
    return BodyGrid(array, geometry, (order[0], order[1], order[2]), (flipped[0], flipped[1], flipped[2]))


def coarse_grid(grid: BodyGrid, spacing_mm: float, *, low: float, high: float) -> tuple[np.ndarray, Geometry]:
    """The clipped image on a nearly isotropic coarser grid that covers the same field of view, without aliasing.

    Parameters
    ----------
    grid : BodyGrid
        The examination.
    spacing_mm : float
        Wanted spacing; axes that are coarser already stay as they are.
    low, high : float
        Values beyond are clipped first, so that metal and air do not spread.

    Returns
    -------
    float32 ndarray (k, j, i) and its Geometry
    """
    counts = [
        max(3, round(n * s / spacing_mm)) if s < spacing_mm else n
        for n, s in zip(grid.array.shape, grid.spacing_kji_mm, strict=True)
    ]
    across, along = (downsampling_matrix(grid.array.shape[a], counts[a]) for a in (1, 2))
    plane = np.empty((grid.array.shape[0], counts[1], counts[2]), np.float32)
    for k, part in enumerate(grid.array):
        plane[k] = across @ np.clip(part, low, high).astype(np.float32) @ along.T
    upward = downsampling_matrix(grid.array.shape[0], counts[0])
    coarse = np.tensordot(upward, plane, axes=1)
    ratio = np.asarray(grid.array.shape[::-1]) / np.asarray(counts[::-1])
    spacing = np.asarray(grid.geometry.spacing_mm) * ratio
    origin = grid.geometry.index_to_point(0.5 * ratio - 0.5)
    size = (counts[2], counts[1], counts[0])
    return coarse, Geometry(size, tuple(spacing), tuple(origin), grid.geometry.direction)
