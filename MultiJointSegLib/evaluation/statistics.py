"""Whether one method is better than another on the same subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.bootstrap import Interval, bootstrap_interval

SIGNIFICANCE = 0.05
_TIE_DIGITS = 12
"""Differences are rounded to so many digits before ranking, so that equal ones are ties in spite of rounding errors."""

DEFINITION = (
    "Paired by subject (mean over a subject's bones and examinations): two-sided Wilcoxon signed-rank test with the "
    "exact distribution, zero differences dropped, ties at mean ranks; p-values corrected for all comparisons shown by "
    "Holm's method. Effect sizes: matched-pairs rank-biserial correlation (W+ - W-) / (W+ + W-), from -1 to 1, and "
    "Cohen's dz, the mean of the differences over their standard deviation. Interval: bias-corrected and accelerated "
    "bootstrap of the mean difference over subjects, with a fixed seed."
)
"""What the report says about its comparisons."""


@dataclass(frozen=True, slots=True)
class SignedRank:
    """Wilcoxon's test: sums of the ranks of positive and negative differences, pairs that differ, two-sided p."""

    positive: float
    negative: float
    pairs: int
    p_value: float

    @property
    def rank_biserial(self) -> float:
        """Matched-pairs rank-biserial correlation (Kerby, 2014, doi:10.2466/11.IT.3.1); 0 if no pair differs."""
        total = self.positive + self.negative
        return (self.positive - self.negative) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """One method against another on the same subjects.

    Parameters
    ----------
    pairs : int
        Subjects with a value of both.
    mean_difference : float
        Of the first minus the second.
    interval : Interval
        95 % bootstrap interval of the mean difference.
    p_value, p_corrected : float
        Wilcoxon; and after Holm's correction for all comparisons made together (NaN before that).
    rank_biserial, cohens_dz : float
        Effect sizes; dz is NaN where all differences are equal.
    """

    pairs: int
    mean_difference: float
    interval: Interval
    p_value: float
    p_corrected: float
    rank_biserial: float
    cohens_dz: float


def signed_rank_test(differences: Sequence[float] | np.ndarray) -> SignedRank:
    """Wilcoxon's signed-rank test with its exact distribution, also with ties.

    Parameters
    ----------
    differences : sequence of float
        One per pair. NaN is refused; zeros are dropped (Wilcoxon, 1945, doi:10.2307/3001968).

    Returns
    -------
    SignedRank
        p is 1 where no pair differs.

    Raises
    ------
    InputError
        If a difference is NaN.
    """
    values = np.asarray(differences, float)
    if np.isnan(values).any():
        raise InputError("A difference is not a number (NaN); leave out pairs that lack a value.")
    scale = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if scale:
        values = np.round(values / scale, _TIE_DIGITS)
    values = values[values != 0]
    if values.size == 0:
        return SignedRank(0.0, 0.0, 0, 1.0)
    ranks = rankdata(np.abs(values))
    positive, negative = float(ranks[values > 0].sum()), float(ranks[values < 0].sum())
    # Mean ranks are halves: doubled they are whole, and the sums can be counted one by one.
    steps = np.rint(2 * ranks).astype(int)
    chance = np.ones(1)
    for step in steps:
        both = np.zeros(len(chance) + step)
        both[: len(chance)] += 0.5 * chance
        both[step:] += 0.5 * chance
        chance = both
    least = round(2 * min(positive, negative))
    p = 2 * float(chance[: least + 1].sum())
    return SignedRank(positive, negative, len(values), min(1.0, p))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for several comparisons (Holm, 1979, https://www.jstor.org/stable/4615733).

    Parameters
    ----------
    p_values : sequence of float

    Returns
    -------
    list of float
        In the same order, at most 1.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in corrected]


def compare_paired(
    first: Mapping[str, float], second: Mapping[str, float], *, seed: int = 0, resamples: int = 9999
) -> PairedComparison:
    """Compare two methods on the subjects that both have a value of.

    Parameters
    ----------
    first, second : mapping of str to float
        Subject to value; a NaN counts as no value.
    seed, resamples : int
        Of the bootstrap.

    Returns
    -------
    PairedComparison
        Not yet corrected; see `corrected`.

    Raises
    ------
    InputError
        If fewer than two subjects are in both.
    """
    shared = [s for s in first if s in second and not (math.isnan(first[s]) or math.isnan(second[s]))]
    if len(shared) < 2:
        raise InputError(f"Only {len(shared)} subjects have a value of both methods; at least 2 are needed to compare.")
    differences = np.array([first[s] - second[s] for s in shared])
    test = signed_rank_test(differences)
    spread = float(differences.std(ddof=1))
    tiny = 1e-12 * float(np.abs(differences).max())
    return PairedComparison(
        pairs=len(shared),
        mean_difference=float(differences.mean()),
        interval=bootstrap_interval(differences, seed=seed, resamples=resamples),
        p_value=test.p_value,
        p_corrected=math.nan,
        rank_biserial=test.rank_biserial,
        cohens_dz=float(differences.mean()) / spread if spread > tiny else math.nan,
    )


def corrected(comparisons: Sequence[PairedComparison]) -> list[PairedComparison]:
    """The same comparisons with Holm's correction over all of them."""
    p_values = holm([c.p_value for c in comparisons])
    return [
        PairedComparison(c.pairs, c.mean_difference, c.interval, c.p_value, p, c.rank_biserial, c.cohens_dz)
        for c, p in zip(comparisons, p_values, strict=True)
    ]
