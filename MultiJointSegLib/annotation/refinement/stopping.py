"""When looking at more cases is no longer worth a person's time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Stops when the budget is spent, or when the last cases needed no mending.

    Parameters
    ----------
    total_budget : int
        Cases that a person looks at, over all rounds.
    good_dice : float
        A proposal this close (mean Dice over bones) to what the person made of it needed no mending.
    patience : int
        So many in a row end it.
    """

    total_budget: int
    good_dice: float = 0.97
    patience: int = 5

    def reason(self, reviewed: int, proposal_dice: Sequence[float]) -> str:
        """Why to stop; "" to go on.

        Parameters
        ----------
        reviewed : int
            Cases that a person has decided on.
        proposal_dice : sequence of float
            For each of them, oldest first, how close the proposal was to the decision: 1 for an accepted one.
        """
        if reviewed >= self.total_budget:
            return f"The budget of {self.total_budget} cases is spent."
        last = list(proposal_dice)[-self.patience :]
        if len(last) == self.patience and min(last) >= self.good_dice:
            return f"The last {self.patience} proposals needed no mending (Dice of at least {self.good_dice:g})."
        return ""
