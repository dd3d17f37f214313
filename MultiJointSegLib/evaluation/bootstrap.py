"""Intervals by resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from MultiJointSegLib.errors import InputError

Statistic = Callable[..., np.ndarray]
_VALUES_AT_A_TIME = 1 << 22


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper end, and the method that gave them: "BCa", "percentile" or "none" (all values are equal)."""

    low: float
    high: float
    method: str


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    statistic: Statistic = np.mean,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval, bias-corrected and accelerated (Efron, 1987, doi:10.1080/01621459.1987.10478410).

    Parameters
    ----------
    values : sequence of float
        Independent: one per subject.
    statistic : callable
        Takes an array and ``axis``; `numpy.mean` or `numpy.median`.
    level : float
        Share of cases in which the interval should hold the true value.
    resamples, seed : int
        The same seed gives the same interval.

    Returns
    -------
    Interval
        By percentiles where the acceleration is undefined, as for the median of values that hardly differ.

    Raises
    ------
    InputError
        If there is no value, or one is not finite.
    """
    sample = np.asarray(values, float)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise InputError("A bootstrap interval needs at least one value, and all of them finite.")
    if np.ptp(sample) <= 1e-12 * np.abs(sample).max():
        return Interval(float(sample[0]), float(sample[0]), "none")
    rng = np.random.default_rng(seed)
    step = max(1, _VALUES_AT_A_TIME // sample.size)
    replicates = np.concatenate(
        [
            statistic(sample[rng.integers(0, sample.size, (min(step, resamples - start), sample.size))], axis=1)
            for start in range(0, resamples, step)
        ]
    )
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    observed = float(statistic(sample, axis=0))
    # The observed value among the replicates: ties count half.
    share = float(np.mean((replicates < observed) + 0.5 * (replicates == observed)))
    leave_one_out = np.broadcast_to(sample, (sample.size, sample.size))[~np.eye(sample.size, dtype=bool)]
    jackknife = statistic(leave_one_out.reshape(sample.size, sample.size - 1), axis=1)
    pull = jackknife.mean() - jackknife
    spread = float((pull**2).sum())
    method = "percentile"
    if spread > 0 and 0 < share < 1:
        method = "BCa"
        acceleration = float((pull**3).sum()) / (6 * spread**1.5)
        bias = ndtri(share)
        shifted = bias + ndtri(ends)
        ends = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.percentile(replicates, 100 * ends)
    return Interval(float(low), float(high), method)
