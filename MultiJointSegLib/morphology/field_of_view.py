"""Where a bone is cut off: by the edge of the examination, or flat by whoever segmented it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.surface.mesh import Surface

_BEYOND_VOXELS = 0.25
"""Surfaces are closed half a voxel beyond the outermost voxel centers; smoothing may take back a part of that."""

_FLAT_COSINE = float(np.cos(np.radians(10.0)))
_FLAT_SHARE = 0.4
_SMALLEST_FLAT_MM2 = 30.0
_DEPTH_MM = 3.0
_RAGGED_MM = 1.5
"""Hand-drawn cuts differ by a few pixels from slice to slice."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldEdge:
    """The parts of a surface that are not bone surface but cuts.

    Parameters
    ----------
    cut_area_mm2 : float
        Area on the edge of the field of view.
    flat_area_mm2 : float
        Area of flat ends inside the field of view.
    on_edge : bool ndarray of shape (m,)
        Triangles of both.
    flat_share : float
        Largest share of the cross-section just below it that a flat end inside the field of view has (0 to 1).
    """

    cut_area_mm2: float
    flat_area_mm2: float
    on_edge: np.ndarray
    flat_share: float = 0.0

    @property
    def is_cut(self) -> bool:
        """Whether the bone goes on beyond what was segmented."""
        return self.cut_area_mm2 + self.flat_area_mm2 > 0.0

    @property
    def explanation(self) -> str:
        """What cuts the bone, as the beginning of a sentence; "" if nothing does."""
        if self.cut_area_mm2 > 0:
            return f"The bone is cut by the field of view ({self.cut_area_mm2:.0f} mm2)"
        if self.flat_area_mm2 > 0:
            return f"The bone ends in a flat plane ({self.flat_area_mm2:.0f} mm2), as if cut off"
        return ""


def _flat_end(
    surface: Surface, area_vectors: np.ndarray, direction: np.ndarray, pitch_mm: float
) -> tuple[np.ndarray, float]:
    """Triangles (m,) of a flat end perpendicular to a unit vector, none if the bone is rounded there; and its share.

    The end is flat when the triangles that face the direction, at most 1.5 mm (or three quarters of a voxel) below the
    highest point, have at least 40 % of the cross-section 3 mm (or 1.5 voxels) below. The rest is the rim, which
    smoothing rounds. For spheres of up to 30 mm radius the share is under 20 %.
    """
    height = surface.points_mm[surface.triangles].mean(axis=1) @ direction
    top = float((surface.points_mm @ direction).max())
    toward = area_vectors @ direction
    facing = toward > _FLAT_COSINE * np.linalg.norm(area_vectors, axis=1)
    flat = facing & (height > top - max(_RAGGED_MM, 0.75 * pitch_mm))
    # The projected areas of everything above a plane add up to the cross-section with it.
    section = float(toward[height > top - max(_DEPTH_MM, 1.5 * pitch_mm)].sum())
    area = float(toward[flat].sum())
    share = min(area / max(section, 1e-9), 1.0) if area > _SMALLEST_FLAT_MM2 else 0.0
    return (flat if share > _FLAT_SHARE else np.zeros_like(flat)), share


def field_edge(surface: Surface, geometry: Geometry) -> FieldEdge:
    """Find the triangles with which a surface was closed where the bone goes on.

    These are the ones half a voxel beyond the outermost voxel centers of the grid, and flat ends perpendicular to a
    grid axis, where a segmentation stopped short of the edge.

    Parameters
    ----------
    surface : Surface
        LPS mm, made from a mask or probability on that grid.
    geometry : Geometry
        The grid of the examination.
    """
    area_vectors = surface.area_vectors_mm2()
    areas = np.linalg.norm(area_vectors, axis=1)
    index = geometry.point_to_index(surface.points_mm)
    outside = (index < -_BEYOND_VOXELS) | (index > np.asarray(geometry.size) - 1 + _BEYOND_VOXELS)
    on_edge = np.asarray(outside.any(axis=1))[surface.triangles].any(axis=1)
    flat = np.zeros_like(on_edge)
    largest = 0.0
    for axis, pitch in zip(np.asarray(geometry.direction).T, geometry.spacing_mm, strict=True):
        for direction in (axis, -axis):
            end, share = _flat_end(surface, area_vectors, direction, pitch)
            flat |= end
            largest = max(largest, share)
    flat &= ~on_edge
    # What surrounds a cut at the edge is rounded by the smoothing and looks flat too; it is no second cut.
    flat_area = 0.0 if on_edge.any() else float(areas[flat].sum())
    flat_share = 0.0 if on_edge.any() else largest
    return FieldEdge(float(areas[on_edge].sum()), flat_area, on_edge | flat, flat_share)
