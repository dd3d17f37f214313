"""Minimum of a grid energy by continuous maximum flow in torch: for grids too large for an exact graph cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from MultiJointSegLib.annotation.grid_energy import GridEnergy, fixed_to_costs, pair

_PENALTY = 0.3
_STEP = 0.11
"""Gradient step of the spatial flows; stable below 1/6 in three dimensions."""
_CHECK_EVERY = 20


@dataclass(frozen=True, slots=True, eq=False)
class ContinuousCut:
    """Result of `continuous_cut`.

    Parameters
    ----------
    labels : bool ndarray of shape (k, j, i)
        True = object: the relaxed labeling cut at one half.
    relaxed : float32 ndarray of shape (k, j, i)
        Between 0 and 1; values in between show where the minimum is hardly unique.
    iterations : int
        Until the relaxed labeling stood still, or the allowed number.
    converged : bool
        Whether it stood still.
    """

    labels: np.ndarray
    relaxed: np.ndarray
    iterations: int
    converged: bool


def continuous_cut(
    energy: GridEnergy,
    *,
    free: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    tolerance: float = 2e-5,
    max_iterations: int = 1500,
    device: str = "cpu",
) -> ContinuousCut:
    """Labeling of almost the least energy.

    The dual of the relaxed problem, a maximum flow with spatial flows between ``-backward`` and ``forward`` and
    terminal flows below the label costs, is solved by the multiplier method of Yuan, Bae and Tai 2010
    (doi:10.1109/CVPR.2010.5539903); the multiplier is the relaxed labeling. The boundary costs are those of the graph,
    directed and along the axes, so that the relaxed minimum is the one of the graph cut; ours differs from the paper
    only in the asymmetric bounds.

    Parameters
    ----------
    energy : GridEnergy
        The problem.
    free, labels
        As in `exact_cut.exact_cut`.
    tolerance : float
        The mean change of the relaxed labeling per iteration at which it is taken to stand still.
    max_iterations : int
        Upper bound.
    device : str
        "cpu", "cuda" or "mps".
    """
    shape = energy.object_cost.shape
    free = np.ones(shape, bool) if free is None else free
    start = np.zeros(shape, bool) if labels is None else labels.astype(bool)
    object_cost, background_cost = fixed_to_costs(energy, free, start)
    # Fixed voxels take no part: their edges are already in the costs of their neighbors.
    largest = max((float(e.max()) for e in (*energy.forward, *energy.backward) if e.size), default=1.0) or 1.0
    seed = 13.0
    sink = torch.from_numpy(np.where(free, np.minimum(object_cost / largest, seed), 0).astype(np.float32)).to(device)
    source = torch.from_numpy(np.where(free, np.minimum(background_cost / largest, seed), 0).astype(np.float32))
    source = source.to(device)
    upper, lower = [], []
    for axis in range(3):
        here, after = pair(free, axis)
        inside = here & after
        forward = np.where(inside, energy.forward[axis] / largest, 0).astype(np.float32)
        backward = np.where(inside, energy.backward[axis] / largest, 0).astype(np.float32)
        upper.append(torch.from_numpy(forward).to(device))
        lower.append(torch.from_numpy(-backward).to(device))
    relaxed, iterations, converged = _solve(source, sink, upper, lower, tolerance, max_iterations)
    values = relaxed.cpu().numpy()
    values = np.where(free, np.clip(values, 0, 1), start.astype(np.float32)).astype(np.float32)
    return ContinuousCut(np.where(free, values > 0.5, start), values, iterations, converged)


@torch.inference_mode()
def _solve(
    source: torch.Tensor,
    sink: torch.Tensor,
    upper: list[torch.Tensor],
    lower: list[torch.Tensor],
    tolerance: float,
    max_iterations: int,
) -> tuple[torch.Tensor, int, bool]:
    labeling = (source > sink).float()
    from_source = torch.minimum(source, sink)
    to_sink = from_source.clone()
    flows = [torch.zeros_like(u) for u in upper]
    # `out` is what flows out of a voxel to its neighbors.
    out = torch.zeros_like(source)
    for iteration in range(1, max_iterations + 1):
        surplus = out.add(to_sink).sub_(from_source).sub_(labeling, alpha=1 / _PENALTY)
        out.zero_()
        for axis in range(3):
            n = source.shape[axis]
            if n < 2:
                continue
            flow = flows[axis]
            flow.sub_(surplus.narrow(axis, 0, n - 1), alpha=_STEP).add_(surplus.narrow(axis, 1, n - 1), alpha=_STEP)
            torch.minimum(torch.maximum(flow, lower[axis], out=flow), upper[axis], out=flow)
            out.narrow(axis, 0, n - 1).add_(flow)
            out.narrow(axis, 1, n - 1).sub_(flow)
        from_source = torch.minimum(out.add(to_sink).sub_(labeling - 1, alpha=1 / _PENALTY), source)
        to_sink = torch.minimum(from_source.sub(out).add_(labeling, alpha=1 / _PENALTY), sink)
        change = out.add(to_sink).sub_(from_source).mul_(_PENALTY)
        labeling.sub_(change)
        if iteration % _CHECK_EVERY == 0 and float(change.abs().mean()) < tolerance:
            return labeling, iteration, True
    return labeling, max_iterations, False
