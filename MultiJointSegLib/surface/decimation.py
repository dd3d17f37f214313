"""Fewer triangles, with a deviation that is measured, not hoped for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vtkmodules.vtkFiltersCore import vtkBinnedDecimation, vtkQuadricDecimation

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
    extent = np.ptp(surface.points_mm, axis=0)
    bins = vtkBinnedDecimation()
    bins.SetInputData(to_polydata(surface))
    bins.SetPointGenerationModeToBinAverages()
    bins.AutoAdjustNumberOfDivisionsOff()
    bins.SetNumberOfDivisions(*(max(1, int(np.ceil(length / cell_mm))) for length in extent))
    bins.Update()
    lighter = from_polydata(bins.GetOutput())
    return lighter if 0 < len(lighter.triangles) < len(surface.triangles) else surface
