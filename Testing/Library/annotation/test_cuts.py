"""Both graph-cut solvers against exhaustive minima and against each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from MultiJointSegLib.annotation.continuous_cut import continuous_cut
from MultiJointSegLib.annotation.exact_cut import LARGEST_CAPACITY, exact_cut, rounding_error
from MultiJointSegLib.annotation.grid_energy import GridEnergy
from MultiJointSegLib.errors import MultiJointSegError


def edge_shapes(shape):
    return [tuple(n - (axis == other) for other, n in enumerate(shape)) for axis in range(3)]


def random_energy(shape, rng, factor=1.0) -> GridEnergy:
    def cost(size, top):
        return (factor * rng.uniform(0, top, size)).astype(np.float32)

    there, back = (tuple(cost(s, 1.0) for s in edge_shapes(shape)) for _ in range(2))
    return GridEnergy(cost(shape, 2.0), cost(shape, 2.0), there, back)


def labelings(shape):
    for bits in itertools.product((False, True), repeat=int(np.prod(shape))):
        yield np.array(bits).reshape(shape)


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 3, 3), (3, 1, 3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_both_solvers_find_the_exhaustive_minimum(shape, seed):
    energy = random_energy(shape, np.random.default_rng(seed))
    least = min(energy.value(a) for a in labelings(shape))
    assert energy.value(exact_cut(energy)) == pytest.approx(least, abs=rounding_error(energy) + 1e-6)
    assert energy.value(continuous_cut(energy, tolerance=1e-7).labels) == pytest.approx(least, abs=1e-5)
    assert rounding_error(energy) < 1e-4


def test_a_part_of_the_voxels_is_decided_given_the_others():
    rng = np.random.default_rng(4)
    shape = (2, 3, 3)
    energy = random_energy(shape, rng)
    free, fixed = rng.random(shape) < 0.5, rng.random(shape) < 0.5
    least = min(energy.value(a) for a in labelings(shape) if (a == fixed)[~free].all())
    for found in (exact_cut(energy, free=free, labels=fixed), continuous_cut(energy, free=free, labels=fixed).labels):
        assert (found == fixed)[~free].all()
        assert energy.value(found) == pytest.approx(least, abs=1e-4)


def test_the_direction_of_an_edge_matters():
    """A row of three voxels, the first object and the last background: the cut takes the cheap direction."""
    big = np.inf
    object_cost = np.array([0, 0, big], np.float32).reshape(1, 1, 3)
    background_cost = np.array([big, 0, 0], np.float32).reshape(1, 1, 3)
    none = [np.zeros(s, np.float32) for s in edge_shapes((1, 1, 3))]
    falling = np.array([1.0, 5.0], np.float32).reshape(1, 1, 2)
    rising = np.array([5.0, 1.0], np.float32).reshape(1, 1, 2)
    one = GridEnergy(object_cost, background_cost, (none[0], none[1], falling), (none[0], none[1], rising))
    other = GridEnergy(object_cost, background_cost, (none[0], none[1], rising), (none[0], none[1], falling))
    for solve in (exact_cut, lambda e: continuous_cut(e).labels):
        assert solve(one).ravel().tolist() == [True, False, False]
        assert solve(other).ravel().tolist() == [True, True, False]


@pytest.mark.parametrize("factor", [1e-6, 1e12])
def test_costs_of_any_size_are_scaled_into_32_bits(factor):
    """SciPy truncates capacities above 2^31 silently: a cost of 2^33 would count as none."""
    energy = random_energy((2, 2, 2), np.random.default_rng(7), factor)
    least = min(energy.value(a) for a in labelings((2, 2, 2)))
    assert energy.value(exact_cut(energy)) == pytest.approx(least, rel=1e-5)
    assert LARGEST_CAPACITY * 16 < 2**31


def test_solvers_agree_on_a_noisy_ball():
    rng = np.random.default_rng(1)
    shape = (22, 24, 26)
    k, j, i = (np.indices(shape) - np.array(shape).reshape(3, 1, 1, 1) / 2).astype(np.float32)
    radius = np.sqrt(k**2 + j**2 + i**2)
    image = (radius < 8) + rng.normal(0, 0.3, shape)
    edges = [np.exp(-np.abs(np.diff(image, axis=a)) / 0.5).astype(np.float32) for a in range(3)]
    energy = GridEnergy(
        np.square(image - 1).astype(np.float32), np.square(image).astype(np.float32), tuple(edges), tuple(edges)
    )
    exact, relaxed = exact_cut(energy), continuous_cut(energy)
    assert relaxed.converged
    assert energy.value(relaxed.labels) <= 1.001 * energy.value(exact)
    assert (relaxed.labels == exact).mean() > 0.999
    assert (exact == (radius < 8)).mean() > 0.99


def test_bad_energies_are_refused():
    energy = random_energy((2, 2, 2), np.random.default_rng(0))
    with pytest.raises(MultiJointSegError, match="negative"):
        GridEnergy(energy.object_cost - 10, energy.background_cost, energy.forward, energy.backward)
    with pytest.raises(MultiJointSegError, match="along axis 0"):
        GridEnergy(energy.object_cost, energy.background_cost, energy.forward[::-1], energy.backward)
    impossible = np.full((2, 2, 2), np.inf, np.float32)
    with pytest.raises(MultiJointSegError, match="neither"):
        exact_cut(GridEnergy(impossible, impossible, energy.forward, energy.backward))
