"""Fewer triangles, with a deviation that is measured, not hoped for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.distance import signed_distance_mm
from MultiJointSegLib.surface.mesh import Surface, from_polydata, to_polydata
from MultiJointSegLib.surface.topology import check_topology

_REDUCTIONS = (0.95, 0.9, 0.8, 0.65, 0.5, 0.3)


@dataclass(frozen=True, slots=True, eq=False)
class Decimated:
    """The lighter surface, and the greatest distance (mm) between both surfaces, measured at all points of both."""

    surface: Surface
    deviation_mm: float


def _greatest_distance_mm(points_mm: np.ndarray, surface: Surface) -> float:
    return float(np.abs(signed_distance_mm(points_mm, surface)).max(initial=0.0))


def deviation_mm(first: Surface, second: Surface) -> float:
    """Greatest distance (mm) of the points and triangle centers of either surface to the other surface."""
    samples = [np.concatenate([s.points_mm, s.points_mm[s.triangles].mean(axis=1)]) for s in (first, second)]
    return max(_greatest_distance_mm(samples[0], second), _greatest_distance_mm(samples[1], first))


def decimated(surface: Surface, maximum_deviation_mm: float) -> Decimated:
    """The lightest surface within a deviation, of those that lose 95, 90, 80, 65, 50 or 30 % of the triangles.

    Quadric error metrics (Garland and Heckbert 1997, doi:10.1145/258734.258849); a result that is farther away than
    allowed, or no longer closed and manifold, is not taken, so that the surface itself may come back.

    Parameters
    ----------
    surface : Surface
        Closed, LPS mm.
    maximum_deviation_mm : float
        Positive.

    Raises
    ------
    InputError
        If the deviation is not positive.
    """
    if not 0 < maximum_deviation_mm < np.inf:
        raise InputError(f"The largest deviation must be a positive length in mm, not {maximum_deviation_mm}.")
    was_closed = check_topology(surface).is_closed_manifold
    for reduction in _REDUCTIONS if len(surface.triangles) > 40 else ():
        quadric = vtkQuadricDecimation()
        quadric.SetInputData(to_polydata(surface))
        quadric.SetTargetReduction(reduction)
        quadric.VolumePreservationOn()
        quadric.Update()
        lighter = from_polydata(quadric.GetOutput())
        if len(lighter.triangles) < 4 or (was_closed and not check_topology(lighter).is_closed_manifold):
            continue
        # The points of the original first: they tell soonest that it is too far away.
        if _greatest_distance_mm(surface.points_mm[:: max(1, len(surface.points_mm) // 500)], lighter) > (
            maximum_deviation_mm
        ):
            continue
        found = deviation_mm(surface, lighter)
        if found <= maximum_deviation_mm:
            return Decimated(lighter, found)
    return Decimated(surface, 0.0)


def simplified_for_pictures(surface: Surface, cell_mm: float) -> Surface:
    """A lighter surface to look at: the points in each cell of a cubic grid become one, their mean.

    Parameters
    ----------
    surface : Surface
        LPS mm; orientation of the triangles is kept.
    cell_mm : float
        Side of the cells, about two pixels of the picture.

    Returns
    -------
    Surface
        It may touch itself and is not to be measured. The surface itself where it has fewer triangles.
    """
    if not len(surface.triangles):
        return surface
    cells = np.floor((surface.points_mm - surface.points_mm.min(axis=0)) / cell_mm).astype(np.int64)
    size = cells.max(axis=0) + 1
    flat = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    used, member, count = np.unique(flat, return_inverse=True, return_counts=True)
    sums = [np.bincount(member, weights=surface.points_mm[:, axis], minlength=len(used)) for axis in range(3)]
    corners = member[surface.triangles]
    first, second, third = corners.T
    kept = corners[(first != second) & (second != third) & (third != first)]
    if not 0 < len(kept) < len(surface.triangles):
        return surface
    return Surface(np.stack(sums, axis=1) / count[:, None], kept)
