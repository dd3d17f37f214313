"""Whether the first scheme of a study is better than each of the others, in a word and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from MultiJointSegLib.evaluation.statistics import SIGNIFICANCE
from MultiJointSegLib.evaluation.summary import MethodComparison

METRIC = "dice"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reference of a study against one other method, in mean Dice.

    Parameters
    ----------
    reference, method : str
    subjects : int
    gain : float
        Mean over subjects of the reference's Dice minus the method's.
    p_corrected : float
        As the study's table has it.
    """

    reference: str
    method: str
    subjects: int
    gain: float
    p_corrected: float

    @property
    def word(self) -> str:
        """What was shown: "better", "worse", or "not shown": it may be chance, or subjects are too few."""
        if not self.p_corrected < SIGNIFICANCE:
            return "not shown"
        return "better" if self.gain > 0 else "worse"


def verdicts(comparisons: Sequence[MethodComparison]) -> list[Verdict]:
    """One for each comparison of a method with the reference, in the order of the comparisons."""
    return [
        Verdict(c.reference, c.method, c.result.pairs, -c.result.mean_difference, c.result.p_corrected)
        for c in comparisons
        if c.metric == METRIC
    ]
