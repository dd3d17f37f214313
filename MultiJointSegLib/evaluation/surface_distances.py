"""Distances between the surfaces of two masks, computed once for all metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from MultiJointSegLib.evaluation.surfel_areas import surfels

Definition = Literal["border", "surfel"]

DEFINITIONS: dict[Definition, str] = {
    "border": "Surfaces are the border voxels: voxels of the bone with at least one of their six neighbors outside it "
    "(beyond the image counts as outside). Each border voxel weighs the same and lies at its center.",
    "surfel": "Surfaces are pieces of area: one in every cell of 2 x 2 x 2 voxel centers that the surface passes "
    "through, at the cell's center, weighted by the area of the surface there in mm² (beyond the image counts as "
    "outside).",
}
"""What a surface is. "border" is the default, for it is what most published results of the field and MONAI use, so
numbers can be compared; "surfel" weighs thick slices rightly and finds smaller distances."""


@dataclass(frozen=True, slots=True)
class SurfaceDistances:
    """Distance from each surface element to the nearest of the other surface.

    Parameters
    ----------
    from_truth_mm, from_prediction_mm : float64 ndarray of shape (n,), (m,)
        Distances, in no particular order.
    truth_weights, prediction_weights : float64 ndarray of shape (n,), (m,), or None
        Areas in mm²; None where all elements weigh the same.
    """

    from_truth_mm: np.ndarray
    from_prediction_mm: np.ndarray
    truth_weights: np.ndarray | None
    prediction_weights: np.ndarray | None

    @property
    def maximum_mm(self) -> float:
        """Maximum symmetric surface distance (Hausdorff distance)."""
        return float(max(self.from_truth_mm.max(), self.from_prediction_mm.max()))

    @property
    def average_mm(self) -> float:
        """Average symmetric surface distance: the mean over the elements of both surfaces, by their weights."""
        distances = np.concatenate([self.from_truth_mm, self.from_prediction_mm])
        if self.truth_weights is None or self.prediction_weights is None:
            return float(distances.mean())
        return float(np.average(distances, weights=np.concatenate([self.truth_weights, self.prediction_weights])))

    def percentile_mm(self, percent: float) -> float:
        """The larger of the two directed percentiles.

        Without weights between two distances linearly; with weights the least distance within which that share of
        the area lies.
        """
        return max(
            _percentile(self.from_truth_mm, self.truth_weights, percent),
            _percentile(self.from_prediction_mm, self.prediction_weights, percent),
        )


def surface_distances(
    truth: np.ndarray, prediction: np.ndarray, steps_mm: tuple[float, float, float], definition: Definition = "border"
) -> SurfaceDistances:
    """Distances between the surfaces of two masks.

    Parameters
    ----------
    truth, prediction : bool ndarray of shape (k, j, i)
        Neither empty. Crop them to a box that holds both: beyond the arrays counts as empty.
    steps_mm : tuple of 3 float
        Voxel spacing along the arrays' own axes: the reverse of a `Geometry`'s spacing.
    definition : "border" or "surfel"
        See `DEFINITIONS`.
    """
    if definition == "border":
        ours, theirs = _border(truth), _border(prediction)
        weights: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    else:
        ours, truth_areas = surfels(truth, steps_mm)
        theirs, prediction_areas = surfels(prediction, steps_mm)
        weights = truth_areas, prediction_areas
    here, there = np.flatnonzero(ours), np.flatnonzero(theirs)
    points_mm = [_points_mm(flat, ours.shape, steps_mm) for flat in (here, there)]
    return SurfaceDistances(
        _nearest_mm(points_mm[0], theirs.ravel()[here], points_mm[1]),
        _nearest_mm(points_mm[1], ours.ravel()[there], points_mm[0]),
        *weights,
    )


def _border(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for shift in (slice(0, -2), slice(2, None)):
            window = [slice(1, -1)] * 3
            window[axis] = shift
            inner &= padded[tuple(window)]
    return mask & ~inner


def _points_mm(flat: np.ndarray, shape: tuple[int, ...], steps_mm: tuple[float, float, float]) -> np.ndarray:
    return np.stack(np.unravel_index(flat, shape), axis=1) * np.asarray(steps_mm)


def _nearest_mm(points: np.ndarray, shared: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance to the nearest of the others; points that both surfaces share need no search."""
    distances = np.zeros(len(points))
    apart = ~shared
    if apart.any():
        # Grid points lie evenly: the unbalanced tree is as good and is built several times faster.
        tree = cKDTree(others, balanced_tree=False, compact_nodes=False)
        distances[apart] = tree.query(points[apart])[0]
    return distances


def _percentile(distances: np.ndarray, weights: np.ndarray | None, percent: float) -> float:
    if weights is None:
        return float(np.percentile(distances, percent))
    order = np.argsort(distances)
    share = np.cumsum(weights[order])
    reached = np.searchsorted(share, percent / 100 * share[-1])
    return float(distances[order[min(int(reached), len(order) - 1)]])
