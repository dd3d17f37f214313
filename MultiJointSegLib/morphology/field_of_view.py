"""Where a bone leaves the examination."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.surface.mesh import Surface

_BEYOND_VOXELS = 0.25
"""Surfaces are closed half a voxel beyond the outermost voxel centers; smoothing may take back a part of that."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldEdge:
    """The part of a surface that is not bone but the edge of the field of view.

    Parameters
    ----------
    cut_area_mm2 : float
        Its area.
    on_edge : bool ndarray of shape (m,)
        Triangles of that part.
    """

    cut_area_mm2: float
    on_edge: np.ndarray

    @property
    def is_cut(self) -> bool:
        """Whether the bone goes on beyond the field of view."""
        return self.cut_area_mm2 > 0.0


def field_edge(surface: Surface, geometry: Geometry) -> FieldEdge:
    """Find the triangles with which a surface was closed at the edge of its grid.

    Parameters
    ----------
    surface : Surface
        LPS mm, made from a mask or probability on that grid.
    geometry : Geometry
        The grid of the examination.
    """
    index = geometry.point_to_index(surface.points_mm)
    beyond = ((index < -_BEYOND_VOXELS) | (index > np.asarray(geometry.size) - 1 + _BEYOND_VOXELS)).any(axis=1)
    on_edge = beyond[surface.triangles].any(axis=1)
    area = np.linalg.norm(surface.area_vectors_mm2()[on_edge], axis=1).sum()
    return FieldEdge(float(area), on_edge)
