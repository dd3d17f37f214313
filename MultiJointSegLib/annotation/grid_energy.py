"""Binary energy on a voxel grid with directed boundary costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError


@dataclass(frozen=True, slots=True, eq=False)
class GridEnergy:
    """What a labeling A (True = object, False = background) of a grid costs.

    ``E(A) = sum_p [object_cost_p if A_p else background_cost_p] + sum_(p,q) [A_p and not A_q] w(p -> q)``

    over voxels p and ordered pairs (p, q) of 6-neighbors. Costs are not negative.

    Parameters
    ----------
    object_cost, background_cost : float32 ndarray of shape (k, j, i)
        Cost of giving a voxel the one or the other label; infinite to forbid it.
    forward : tuple of 3 float32 ndarray
        Per array axis a, w(p -> p + 1): the voxel is object and the next one along a is background. The shape is
        (k, j, i) with axis a shorter by one.
    backward : tuple of 3 float32 ndarray
        The same for w(p + 1 -> p): the next voxel is object and the voxel is background.

    Raises
    ------
    MultiJointSegError
        If shapes do not match or a cost is negative.
    """

    object_cost: np.ndarray
    background_cost: np.ndarray
    forward: tuple[np.ndarray, np.ndarray, np.ndarray]
    backward: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __post_init__(self) -> None:
        shape = self.object_cost.shape
        if self.background_cost.shape != shape or len(shape) != 3:
            raise MultiJointSegError(f"Costs have shapes {shape} and {self.background_cost.shape}; one 3-D is needed.")
        for axis, (a, b) in enumerate(zip(self.forward, self.backward, strict=True)):
            edges = tuple(n - (axis == other) for other, n in enumerate(shape))
            if a.shape != edges or b.shape != edges:
                raise MultiJointSegError(
                    f"Edges along axis {axis} have shapes {a.shape}, {b.shape}; {edges} is needed."
                )
        for cost in (self.object_cost, self.background_cost, *self.forward, *self.backward):
            if cost.size and not cost.min() >= 0:
                raise MultiJointSegError("A cost of the graph cut is negative or not a number.")

    def value(self, labels: np.ndarray) -> float:
        """Energy of a boolean labeling of shape (k, j, i)."""
        inside = np.asarray(labels, bool)
        total = float(self.object_cost[inside].sum(dtype=np.float64))
        total += float(self.background_cost[~inside].sum(dtype=np.float64))
        for axis in range(3):
            here, after = pair(inside, axis)
            total += float(self.forward[axis][here & ~after].sum(dtype=np.float64))
            total += float(self.backward[axis][after & ~here].sum(dtype=np.float64))
        return total


def pair(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of all voxels that have a next one along an axis, and of those next ones."""
    first = [slice(None)] * 3
    second = [slice(None)] * 3
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    return array[tuple(first)], array[tuple(second)]


def fixed_to_costs(energy: GridEnergy, free: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Costs (object, background) of the free voxels, with the edges to voxels of fixed label folded in.

    Parameters
    ----------
    energy : GridEnergy
        The whole problem.
    free : bool ndarray of shape (k, j, i)
        Voxels to be decided.
    labels : bool ndarray of shape (k, j, i)
        Labels of the others.
    """
    object_cost = energy.object_cost.astype(np.float32, copy=True)
    background_cost = energy.background_cost.astype(np.float32, copy=True)
    for axis in range(3):
        free_here, free_after = pair(free, axis)
        label_here, label_after = pair(labels, axis)
        object_here, object_after = pair(object_cost, axis)
        background_here, background_after = pair(background_cost, axis)
        forward, backward = energy.forward[axis], energy.backward[axis]
        ends = free_here & ~free_after
        object_here += np.where(ends & ~label_after, forward, 0)
        background_here += np.where(ends & label_after, backward, 0)
        starts = free_after & ~free_here
        object_after += np.where(starts & ~label_here, backward, 0)
        background_after += np.where(starts & label_here, forward, 0)
    return object_cost, background_cost
