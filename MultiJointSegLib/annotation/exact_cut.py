"""Exact minimum of a grid energy by maximum flow (SciPy, Dinic's algorithm)."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from MultiJointSegLib.annotation.grid_energy import GridEnergy, fixed_to_costs, pair
from MultiJointSegLib.errors import MultiJointSegError

LARGEST_CAPACITY = 2**24
"""Costs are rounded to integers such that the largest finite edge becomes this. SciPy keeps capacities in 32 bits and
truncates larger ones silently; sums of two opposite edges stay far below that."""


def exact_cut(energy: GridEnergy, *, free: np.ndarray | None = None, labels: np.ndarray | None = None) -> np.ndarray:
    """Labeling of least energy.

    Parameters
    ----------
    energy : GridEnergy
        The problem.
    free : bool ndarray of shape (k, j, i), optional
        Only these voxels are decided (all by default) ...
    labels : bool ndarray of shape (k, j, i), optional
        ... the others keep these labels.

    Returns
    -------
    bool ndarray of shape (k, j, i)
        True = object. Exact up to the rounding of costs, see `rounding_error`; of several minima the one with the
        smallest object.
    """
    shape = energy.object_cost.shape
    free = np.ones(shape, bool) if free is None else free
    result = np.zeros(shape, bool) if labels is None else labels.astype(bool, copy=True)
    nodes = int(np.count_nonzero(free))
    if nodes == 0:
        return result
    object_cost, background_cost = fixed_to_costs(energy, free, result)
    number = np.full(shape, -1, np.int32)
    number[free] = np.arange(nodes, dtype=np.int32)
    tails, heads, there, back = _edges(energy, free, number)
    scale = capacity_scale(energy)
    there_int, back_int = _rounded(there * scale), _rounded(back * scale)
    # A terminal stronger than all edges of its voxel together is as good as an infinite one.
    reach = np.zeros(nodes, np.int64)
    np.add.at(reach, tails, there_int.astype(np.int64) + back_int)
    np.add.at(reach, heads, there_int.astype(np.int64) + back_int)
    wish = background_cost[free].astype(np.float64) * scale  # source -> voxel: paid when it is background
    dislike = object_cost[free].astype(np.float64) * scale
    if np.any(np.isinf(wish) & np.isinf(dislike)):
        raise MultiJointSegError("A voxel of the graph cut may be neither object nor background.")
    limit = reach + 1.0
    # What both terminals have in common is paid in any case.
    both = np.minimum(wish, dislike)
    source_int = _rounded(np.minimum(wish - np.where(np.isinf(both), 0, both), limit))
    sink_int = _rounded(np.minimum(dislike - np.where(np.isinf(both), 0, both), limit))
    inside = _minimum_cut(nodes, tails, heads, there_int, back_int, source_int, sink_int)
    result[free] = inside
    return result


def capacity_scale(energy: GridEnergy) -> float:
    """Factor from costs to integer capacities."""
    largest = max((float(e.max()) for e in (*energy.forward, *energy.backward) if e.size), default=0.0)
    finite = [c[np.isfinite(c)] for c in (energy.object_cost, energy.background_cost)]
    unary = max((float(c.max()) for c in finite if c.size), default=0.0)
    # Terminals are cut at the sum of six edge pairs, so they never exceed twelve times the largest edge.
    top = largest if largest > 0 else unary
    return LARGEST_CAPACITY / top if top > 0 else 1.0


def rounding_error(energy: GridEnergy) -> float:
    """Bound on the excess of the energy of `exact_cut` over the minimum: every cost is off by half a unit at most."""
    terms = 2 * energy.object_cost.size + sum(e.size for e in (*energy.forward, *energy.backward))
    return terms / capacity_scale(energy)


def _rounded(values: np.ndarray) -> np.ndarray:
    if values.size and float(values.max()) >= 2**31 - 1:
        raise MultiJointSegError("A capacity of the graph cut exceeds 32 bits.")
    return np.rint(values).astype(np.int32)


def _edges(
    energy: GridEnergy, free: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Node numbers of both ends and capacities in both directions of all edges between free voxels."""
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    for axis in range(3):
        here, after = pair(free, axis)
        both = here & after
        first, second = pair(number, axis)
        parts.append((first[both], second[both], energy.forward[axis][both], energy.backward[axis][both]))
    tails, heads, there, back = (np.concatenate(group) for group in zip(*parts, strict=True))
    return tails, heads, there.astype(np.float64), back.astype(np.float64)


def _minimum_cut(
    nodes: int,
    tails: np.ndarray,
    heads: np.ndarray,
    there: np.ndarray,
    back: np.ndarray,
    source_int: np.ndarray,
    sink_int: np.ndarray,
) -> np.ndarray:
    """Which nodes (n,) stay on the source's side of a minimum cut."""
    source, sink = nodes, nodes + 1
    fed, drained = np.flatnonzero(source_int), np.flatnonzero(sink_int)
    if not len(fed):
        return np.zeros(nodes, bool)
    rows = np.concatenate([tails, heads, np.full(len(fed), source), drained]).astype(np.int32)
    columns = np.concatenate([heads, tails, fed, np.full(len(drained), sink)]).astype(np.int32)
    capacities = np.concatenate([there, back, source_int[fed], sink_int[drained]])
    graph = sparse.csr_matrix((capacities, (rows, columns)), shape=(nodes + 2, nodes + 2))
    del rows, columns, capacities
    flow = maximum_flow(graph, source, sink, method="dinic").flow
    residual = graph - flow
    residual.data[residual.data < 0] = 0
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, directed=True, return_predecessors=False)
    inside = np.zeros(nodes + 2, bool)
    inside[reached] = True
    return inside[:nodes]
