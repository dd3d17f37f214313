"""The surface of the scapula near the humeral head, in small triangles, and whether a glenoid's face is even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.surface.mesh import Surface

_SMOOTHING = 0.05
_FINE_SHARE, _DIVISIONS = 0.04, 2
"""Root of a triangle's area in head radii, above which triangles are divided, at most so often."""
_LARGEST_UNEVENNESS = 0.012
"""Of the face, in head radii: up to 0.005 on one real and five built glenoids, 0.008 where outlines waver by 0.3 mm;
with the void of an implant at the joint, or a channel, 0.008 to 0.19."""


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector of length one in the same direction."""
    return vector / np.linalg.norm(vector)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Triangles of a surface: centers and smoothed unit normals (m, 3), areas (m,) and corner indices (m, 3)."""

    centers: np.ndarray
    normals: np.ndarray
    areas: np.ndarray
    triangles: np.ndarray


def parts_of(triangles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Number of the connected part of each chosen triangle."""
    a, b, c = triangles[chosen].T
    size = int(triangles.max()) + 1
    rows, columns = np.concatenate([a, b]), np.concatenate([b, c])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(size, size))
    return connected_components(graph, directed=False)[1][a]


def nearby_face(scapula: Surface, center_mm: np.ndarray, radius_mm: float) -> Face:
    """Triangles within 2.6 head radii of the head's center, with normals averaged over about 0.05 radii.

    Large triangles are divided first, so that what is found does not depend on the mesh.
    """
    vectors = scapula.area_vectors_mm2()
    middle = scapula.points_mm[scapula.triangles].mean(axis=1)
    near = (np.linalg.norm(middle - center_mm, axis=1) < 2.6 * radius_mm) & (np.linalg.norm(vectors, axis=1) > 0)
    part, _ = with_small_triangles(Surface(scapula.points_mm, scapula.triangles[near]), radius_mm)
    smooth = part.area_vectors_mm2()
    areas = np.linalg.norm(smooth, axis=1)
    triangles, middle = part.triangles, part.points_mm[part.triangles].mean(axis=1)
    if len(triangles):
        edge = np.sqrt(4.0 / np.sqrt(3.0) * np.median(areas))
        rows = triangles.ravel()
        columns = np.repeat(np.arange(len(triangles)), 3)
        gather = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(part.points_mm), len(triangles)))
        matrix = gather.tocsr()
        for _ in range(int(np.clip(round((_SMOOTHING * radius_mm / edge) ** 2), 0, 10))):
            smooth = matrix.T @ (matrix @ smooth)
    lengths = np.maximum(np.linalg.norm(smooth, axis=1), 1e-300)
    return Face(middle, smooth / lengths[:, None], areas, triangles)


def with_small_triangles(surface: Surface, radius_mm: float) -> tuple[Surface, int]:
    """The same surface in triangles that are small against a head's radius, and in how many each was divided.

    The parts of the nth of m triangles are the nth, the (n + m)th, the (n + 2 m)th and so on.
    """
    parts = 1
    for _ in range(_DIVISIONS):
        areas = np.linalg.norm(surface.area_vectors_mm2(), axis=1)
        if not len(areas) or np.sqrt(np.median(areas)) < _FINE_SHARE * radius_mm:
            break
        surface, parts = _divided(surface), 4 * parts
    return surface, parts


def _divided(surface: Surface) -> Surface:
    """The same surface with every triangle in four, by the middles of its edges."""
    a, b, c = surface.triangles.T
    edges = np.sort(np.stack([np.stack([a, b], 1), np.stack([b, c], 1), np.stack([c, a], 1)]).reshape(-1, 2), axis=1)
    unique, place = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = (place.reshape(3, -1) + len(surface.points_mm)).astype(np.int64)
    points = np.concatenate([surface.points_mm, surface.points_mm[unique].mean(axis=1)])
    corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return Surface(points, np.concatenate([np.stack(corner, axis=1) for corner in corners]))


def need_even_face(
    face: Face, center: np.ndarray, normal: np.ndarray, up: np.ndarray, rim: np.ndarray, radius_mm: float
) -> None:
    """Raise where the face is not one smooth surface: a hole, an implant's shadow, a cut.

    A face may be concave, biconcave or flat; a surface of the fourth degree follows all these, but no hole.
    """
    offset = face.centers - center
    height = offset @ normal
    x, y = offset @ up / radius_mm, offset @ np.cross(up, normal) / radius_mm
    if not (np.hypot(x, y) * radius_mm < 0.5 * radius_mm).any():
        raise MultiJointSegError("the face of the glenoid has a hole")
    inner = 0.8 * float(np.median(np.linalg.norm(rim - center, axis=1)))
    chosen = np.flatnonzero((np.hypot(x, y) * radius_mm < inner) & (face.normals @ normal > 0.3))
    part = parts_of(face.triangles, chosen)
    nearest = int(np.argmin(np.linalg.norm(offset[chosen], axis=1)))
    inside = chosen[part == part[nearest]]
    powers = [(a, b) for a in range(5) for b in range(5 - a)]
    if len(inside) < 3 * len(powers):
        raise MultiJointSegError("the face of the glenoid has a hole")
    design = np.column_stack([x[inside] ** a * y[inside] ** b for a, b in powers])
    root = np.sqrt(face.areas[inside])
    solution = np.linalg.lstsq(design * root[:, None], height[inside] * root, rcond=None)[0]
    away = height[inside] - design @ solution
    uneven = float(np.sqrt(face.areas[inside] @ away**2 / face.areas[inside].sum()))
    if uneven > _LARGEST_UNEVENNESS * radius_mm:
        raise MultiJointSegError(
            f"its face is uneven by {uneven:.1f} mm, accepted are {_LARGEST_UNEVENNESS * radius_mm:.1f} mm: a hole, an "
            "implant, or a part that was not segmented"
        )
