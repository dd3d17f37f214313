"""Whether a mesh is closed and manifold, and its separate parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from MultiJointSegLib.surface.mesh import Surface


@dataclass(frozen=True, slots=True)
class Topology:
    """What can be wrong with a mesh, counted.

    Parameters
    ----------
    open_edges : int
        Directed edges without a counterpart in the other direction: holes, or neighbors turned against each other.
    nonmanifold_edges : int
        Directed edges that more than one triangle runs along.
    degenerate_triangles : int
        Triangles with a repeated corner or an area below 1e-9 mm2.
    unused_points : int
        Points in no triangle.
    parts : int
        Connected components.
    euler_number : int
        Points - edges + triangles: 2 for each part without handles.
    """

    open_edges: int
    nonmanifold_edges: int
    degenerate_triangles: int
    unused_points: int
    parts: int
    euler_number: int

    @property
    def is_closed_manifold(self) -> bool:
        """Every edge has exactly two triangles, which run along it in opposite directions."""
        return self.open_edges == 0 and self.nonmanifold_edges == 0


def _directed_edges(triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def part_of_points(surface: Surface) -> tuple[int, np.ndarray]:
    """Number of connected components and the component 0.. of each point (n,)."""
    count = len(surface.points_mm)
    a, b, c = surface.triangles.T
    # Two edges of each triangle are enough to connect its three corners.
    rows, columns = np.concatenate([a, b]), np.concatenate([b, c])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    parts, label = connected_components(graph, directed=False)
    return int(parts), label


def check_topology(surface: Surface) -> Topology:
    """Count what is wrong with a mesh; see `Topology`."""
    triangles, count = surface.triangles, len(surface.points_mm)
    edges = _directed_edges(triangles)
    there, times = np.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    back = edges[:, 1] * count + edges[:, 0]
    undirected = np.unique(edges.min(axis=1) * count + edges.max(axis=1))
    repeated = (edges[:, 0] == edges[:, 1]).reshape(3, -1).any(axis=0)
    flat = np.linalg.norm(surface.area_vectors_mm2(), axis=1) < 1e-9
    used = np.zeros(count, bool)
    used[triangles] = True
    _, label = part_of_points(surface)
    return Topology(
        open_edges=int((~np.isin(back, there)).sum()),
        nonmanifold_edges=int((times > 1).sum()),
        degenerate_triangles=int((repeated | flat).sum()),
        unused_points=int((~used).sum()),
        parts=len(np.unique(label[used])),
        euler_number=int(used.sum() - len(undirected) + len(triangles)),
    )


def largest_part(surface: Surface, least_share: float | None = None) -> Surface:
    """The connected component that encloses the largest volume, and others of at least a share of it, if one is given.

    The wall of a cavity encloses a negative volume, so cavities are filled by this and islands fall away.
    """
    parts, label = part_of_points(surface)
    if parts <= 1:
        return surface
    a, b, c = np.moveaxis((surface.points_mm - surface.points_mm.mean(axis=0))[surface.triangles], 1, 0)
    part_of_triangle = label[surface.triangles[:, 0]]
    volume = np.bincount(part_of_triangle, np.einsum("ij,ij->i", a, np.cross(b, c)), minlength=parts)
    chosen = np.arange(parts) == np.argmax(volume)
    if least_share is not None:
        chosen |= volume >= least_share * volume.max()
    keep = chosen[label]
    number = np.cumsum(keep) - 1
    return Surface(surface.points_mm[keep], number[surface.triangles[chosen[part_of_triangle]]])
