"""Plane cross-sections of a closed surface, each closed outline with its area and centroid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from MultiJointSegLib.surface.mesh import Surface


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One closed outline of a cross-section.

    Parameters
    ----------
    area_mm2 : float
        Enclosed area; negative for a hole.
    centroid_mm : float ndarray of shape (3,)
        Centroid of the enclosed area, LPS mm.
    starts_mm, ends_mm : float ndarray of shape (n, 3)
        Its straight pieces, LPS mm, in no particular order.
    """

    area_mm2: float
    centroid_mm: np.ndarray
    starts_mm: np.ndarray
    ends_mm: np.ndarray


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector of length one in the same direction."""
    return vector / np.linalg.norm(vector)


def cross_section(surface: Surface, point_mm: np.ndarray, normal: np.ndarray) -> list[Outline]:
    """Outlines in which a plane cuts a closed surface, the largest first.

    Areas and centroids by Green's theorem; each piece runs so that the solid lies on its left as seen from the side
    that the normal points to, so the order of the pieces does not matter.
    """
    height = (surface.points_mm - point_mm) @ normal
    # A point exactly in the plane would make pieces of length zero.
    height = np.where(np.abs(height) < 1e-9, 1e-9, height)
    above = (height > 0)[surface.triangles]
    crossing = np.flatnonzero(above.any(axis=1) & ~above.all(axis=1))
    if not len(crossing):
        return []
    corners = surface.triangles[crossing]
    pairs = np.stack([corners, np.roll(corners, -1, axis=1)], axis=2)
    is_cut = above[crossing] != np.roll(above[crossing], -1, axis=1)
    edges = np.sort(pairs[is_cut].reshape(-1, 2, 2), axis=2)
    low, high = edges[..., 0], edges[..., 1]
    share = height[low] / (height[low] - height[high])
    ends = surface.points_mm[low] + share[..., None] * (surface.points_mm[high] - surface.points_mm[low])
    first, u, v = np.moveaxis(surface.points_mm[corners], 1, 0)
    outward = np.cross(u - first, v - first)
    backward = np.einsum("ij,ij->i", ends[:, 1] - ends[:, 0], np.cross(normal, outward)) < 0
    ends[backward] = ends[backward][:, ::-1]
    _, number = np.unique(low.ravel() * len(height) + high.ravel(), return_inverse=True)
    number = number.reshape(-1, 2)
    count = int(number.max()) + 1
    graph = coo_array((np.ones(len(number), np.int8), (number[:, 0], number[:, 1])), shape=(count, count))
    part = connected_components(graph, directed=False)[1][number[:, 0]]
    outlines = [_outline(ends[part == n], np.asarray(point_mm, float), normal) for n in range(int(part.max()) + 1)]
    return sorted((o for o in outlines if o is not None), key=lambda o: -o.area_mm2)


def _outline(pieces: np.ndarray, origin: np.ndarray, normal: np.ndarray) -> Outline | None:
    start, end = pieces[:, 0] - origin, pieces[:, 1] - origin
    twice = np.cross(start, end) @ normal
    area = float(twice.sum() / 2)
    if abs(area) < 1e-6:
        return None
    centroid = origin + twice @ (start + end) / (6 * area)
    return Outline(area, centroid, pieces[:, 0], pieces[:, 1])


def nearest_outline(outlines: list[Outline], point_mm: np.ndarray, smallest_mm2: float) -> Outline | None:
    """The outline of at least that area whose centroid is nearest to a point."""
    large = [o for o in outlines if o.area_mm2 >= smallest_mm2]
    return min(large, key=lambda o: float(np.linalg.norm(o.centroid_mm - point_mm))) if large else None
