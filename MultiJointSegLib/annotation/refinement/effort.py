"""What persons have done so far, and how much there was to mend."""

from __future__ import annotations

from collections.abc import Sequence

from MultiJointSegLib import anatomy
from MultiJointSegLib.annotation.refinement.disagreement import dice
from MultiJointSegLib.annotation.refinement.history import REVIEWED, Event
from MultiJointSegLib.annotation.refinement.store import CaseStore
from MultiJointSegLib.imaging.reading import read_label_map


def proposal_closeness(cases: Sequence[CaseStore]) -> list[float]:
    """For each case that a person decided on, oldest first: mean Dice over bones of the proposal with the decision.

    1 for an accepted case, 0 for a rejected one.
    """
    found = []
    for case in cases:
        history = case.history()
        first = next((event for event in history if event.kind in REVIEWED), None)
        if first is not None:
            found.append((first.when, case.name, _closeness(case, history, first)))
    return [value for *_, value in sorted(found)]


def _closeness(case: CaseStore, history: Sequence[Event], decision: Event) -> float:
    if decision.kind != "corrected":
        return 1.0 if decision.kind == "accepted" else 0.0
    before = [event.version for event in history if event.kind == "proposed" and event.version < decision.version]
    if not before:
        return 0.0
    a, b = (read_label_map(case.labels_path(number)).array for number in (before[-1], decision.version))
    values = [bone.label for bone in anatomy.all_bones() if (a == bone.label).any() or (b == bone.label).any()]
    return sum(dice(a == value, b == value) for value in values) / max(len(values), 1)
