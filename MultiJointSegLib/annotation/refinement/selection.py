"""In which order cases go to a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from MultiJointSegLib.annotation.refinement.disagreement import CaseEvidence
from MultiJointSegLib.errors import InputError

SCORES: dict[str, Callable[[CaseEvidence], float]] = {
    "disagreement": lambda case: case.disagreement,
    "entropy": lambda case: case.entropy,
    "variance": lambda case: case.variance,
}
"""Where labels and prediction disagree most (Zhang et al. 2023); where the network is least sure, whatever the labels
say; where several networks differ most."""

STRATEGIES = (*SCORES, "core_set", "random")


def rank(
    strategy: str, cases: Sequence[CaseEvidence], reviewed: Sequence[CaseEvidence] = (), *, seed: int = 0
) -> list[str]:
    """Names of the open cases, most wanted first.

    Parameters
    ----------
    strategy : str
        One of `STRATEGIES`.
    cases : sequence of CaseEvidence
        Nobody has decided on these.
    reviewed : sequence of CaseEvidence
        Only "core_set" looks at them.
    seed : int
        Of "random".

    Raises
    ------
    InputError
        If there is no such strategy.
    """
    if strategy in SCORES:
        # Equal scores by name, so that the order never depends on the order of the files.
        return [case.name for case in sorted(cases, key=lambda case: (-SCORES[strategy](case), case.name))]
    if strategy == "random":
        names = sorted(case.name for case in cases)
        return [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    if strategy == "core_set":
        return core_set(cases, reviewed)
    raise InputError(f"There is no strategy '{strategy}'; there are {', '.join(STRATEGIES)}.")


def core_set(cases: Sequence[CaseEvidence], reviewed: Sequence[CaseEvidence]) -> list[str]:
    """The case farthest from all reviewed or chosen ones, again and again.

    k-center greedy of Sener and Savarese 2018, arXiv 1708.00489, on features scaled to unit variance. Without a
    reviewed case it starts with the one nearest to the mean.
    """
    if not cases:
        return []
    ordered = sorted(cases, key=lambda case: case.name)
    everyone = np.stack([case.features for case in (*ordered, *reviewed)])
    everyone = (everyone - everyone.mean(axis=0)) / np.maximum(everyone.std(axis=0), 1e-9)
    points, done = everyone[: len(ordered)], everyone[len(ordered) :]
    if len(done):
        distance = np.linalg.norm(points[:, None] - done[None], axis=2).min(axis=1)
    else:
        distance = -np.linalg.norm(points - points.mean(axis=0), axis=1)
    chosen: list[int] = []
    while len(chosen) < len(ordered):
        left = [index for index in range(len(ordered)) if index not in chosen]
        best = max(left, key=lambda index: (distance[index], -index))
        chosen.append(best)
        near = np.linalg.norm(points - points[best], axis=1)
        distance = near if len(chosen) == 1 and not len(done) else np.minimum(distance, near)
    return [ordered[index].name for index in chosen]
