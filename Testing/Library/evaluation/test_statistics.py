"""Tests, corrections and intervals against SciPy and values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.bootstrap import Interval, bootstrap_interval
from MultiJointSegLib.evaluation.statistics import compare_paired, corrected, holm, signed_rank_test

# Darwin's plants: heights of crossed minus self-fertilized, eighths of an inch (Fisher, 1935); p = 0.041 there.
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_signed_rank_by_hand() -> None:
    """Differences 1, 2, -3: W+ = 3, W- = 3; of 8 signs, all give min(W) <= 3 or its mirror."""
    assert signed_rank_test([1, 2, -3]).p_value == 1.0
    found = signed_rank_test([1, 2, 3, 4, 5])
    assert (found.positive, found.negative, found.pairs) == (15, 0, 5)
    assert found.p_value == pytest.approx(2 / 32)
    assert found.rank_biserial == 1


def test_signed_rank_of_darwins_plants() -> None:
    found = signed_rank_test(DARWIN)
    theirs = scipy.stats.wilcoxon(DARWIN, method="exact")
    assert (found.positive, found.negative) == (96, 24)
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.rank_biserial == pytest.approx(0.6)


@given(st.lists(st.integers(-5000, 5000).filter(bool).map(lambda n: n / 1000), min_size=3, max_size=25, unique_by=abs))
@settings(max_examples=40, deadline=None)
def test_signed_rank_agrees_with_scipy(differences) -> None:
    theirs = scipy.stats.wilcoxon(differences, method="exact")
    found = signed_rank_test(differences)
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert min(found.positive, found.negative) == pytest.approx(theirs.statistic)


@given(st.lists(st.integers(-4, 4).filter(bool), min_size=3, max_size=9))
@settings(max_examples=15, deadline=None)
def test_signed_rank_with_ties_agrees_with_all_permutations(differences) -> None:
    theirs = scipy.stats.wilcoxon(differences, method=scipy.stats.PermutationMethod(n_resamples=np.inf))
    assert signed_rank_test(differences).p_value == pytest.approx(theirs.pvalue)


def test_signed_rank_of_equal_differences_in_spite_of_rounding() -> None:
    """0.3 - 0.2 and 0.2 - 0.1 differ in the last bit only: they are ties, and opposite ones cancel."""
    found = signed_rank_test([0.3 - 0.2, -(0.2 - 0.1)])
    assert (found.positive, found.negative) == (1.5, 1.5)
    assert signed_rank_test([0.0, 0.0]).p_value == 1.0
    with pytest.raises(InputError, match="NaN"):
        signed_rank_test([1.0, math.nan])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(deadline=None)
def test_holm_lies_between_none_and_bonferroni(p_values) -> None:
    for p, found in zip(p_values, holm(p_values), strict=True):
        assert p - 1e-12 <= found <= min(1.0, len(p_values) * p) + 1e-12


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_interval_agrees_with_scipy(statistic) -> None:
    values = np.random.default_rng(2).gamma(2.0, 1.5, 24)
    ours = bootstrap_interval(values, statistic, resamples=20_000, seed=4)
    theirs = scipy.stats.bootstrap((values,), statistic, n_resamples=20_000, method="BCa", random_state=9)
    assert ours.method == "BCa"
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), rel=0.03)


def test_interval_of_a_skewed_statistic_is_corrected_for_its_bias() -> None:
    """The deviation of few values is biased downward: without the bias term both ends lie far too low.

    With the sample and the numbers of resamples of this test the ends are within 1 % of SciPy's; leaving the bias out
    (z0 = 0) moves the lower end by a tenth of the interval.
    """
    values = np.random.default_rng(11).lognormal(0.0, 1.0, 15)

    def deviation(x: np.ndarray, axis: int) -> np.ndarray:
        return np.std(x, axis=axis)

    ours = bootstrap_interval(values, deviation, resamples=30_000, seed=4)
    theirs = scipy.stats.bootstrap((values,), deviation, n_resamples=30_000, method="BCa", random_state=9)
    assert ours.method == "BCa"
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), rel=0.02)
    assert _bca_without_bias(values, deviation, resamples=30_000).low < 0.93 * ours.low


def _bca_without_bias(values: np.ndarray, statistic, *, resamples: int) -> Interval:
    """The planted bug: the acceleration alone."""
    n = len(values)
    replicates = statistic(values[np.random.default_rng(4).integers(0, n, (resamples, n))], axis=1)
    jackknife = np.array([statistic(np.delete(values, k), axis=0) for k in range(n)])
    pull = jackknife.mean() - jackknife
    acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    z = scipy.stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(replicates, scipy.stats.norm.cdf(z / (1 - acceleration * z)))
    return Interval(float(low), float(high), "without bias")


def test_interval_is_the_same_for_the_same_seed_only() -> None:
    values = np.random.default_rng(0).normal(size=12)
    first, again, other = (bootstrap_interval(values, seed=s, resamples=500) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_interval_holds_the_mean_as_often_as_it_says() -> None:
    """200 samples of 20: a 90 % interval holds the true mean in 84 to 96 % of them (three standard errors)."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(200):
        found = bootstrap_interval(rng.normal(size=20), level=0.9, resamples=999)
        hits += found.low <= 0 <= found.high
    assert 0.82 <= hits / 200 <= 0.965


def test_interval_of_equal_values() -> None:
    assert bootstrap_interval([0.9, 0.9, 0.9]).method == "none"
    assert bootstrap_interval([0.7]).low == 0.7
    for wrong in ([], [1.0, math.nan]):
        with pytest.raises(InputError):
            bootstrap_interval(wrong)


def test_comparison_of_two_methods() -> None:
    base = {f"s{n}": 0.8 + 0.01 * n for n in range(8)}
    better = {s: v + 0.02 + 0.001 * n for n, (s, v) in enumerate(base.items())} | {"only here": 0.5}
    base["no value"] = better["no value"] = math.nan
    found = compare_paired(better, base, seed=3)
    differences = 0.02 + 0.001 * np.arange(8)
    assert found.pairs == 8
    assert found.mean_difference == pytest.approx(differences.mean())
    assert found.interval.low < differences.mean() < found.interval.high
    assert found.p_value == pytest.approx(2 / 2**8)
    assert found.rank_biserial == 1
    assert found.cohens_dz == pytest.approx(differences.mean() / differences.std(ddof=1))
    twice = corrected([found, found])
    assert [c.p_corrected for c in twice] == pytest.approx([4 / 2**8] * 2)
    reverse = compare_paired(base, better)
    assert reverse.rank_biserial == -1 and reverse.cohens_dz == pytest.approx(-found.cohens_dz)
    with pytest.raises(InputError, match="at least 2"):
        compare_paired({"a": 1.0}, {"a": 2.0})
