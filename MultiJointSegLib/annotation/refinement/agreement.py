"""How far readers agree on the same cases."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from MultiJointSegLib import anatomy
from MultiJointSegLib.annotation.refinement.disagreement import dice
from MultiJointSegLib.annotation.refinement.store import CaseStore
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.reading import read_label_map


@dataclass(frozen=True, slots=True)
class Agreement:
    """Dice of each bone between the last decisions of two readers on a case."""

    case: str
    readers: tuple[str, str]
    bone_dice: dict[str, float]


def reader_agreement(case: CaseStore) -> list[Agreement]:
    """Agreement of every two readers who decided on a case; empty with fewer than two.

    Raises
    ------
    InputError
        If a version is missing or two lie on different grids.
    """
    latest: dict[str, int] = {}
    for event in case.history():
        if event.kind in ("corrected", "accepted"):
            latest[event.who] = event.version
    maps = {who: read_label_map(case.labels_path(version)) for who, version in latest.items()}
    found = []
    for first, second in combinations(sorted(maps), 2):
        a, b = maps[first], maps[second]
        if not a.geometry.same_grid(b.geometry):
            raise InputError(f"The labels of '{case.name}' by '{first}' and '{second}' lie on different grids.")
        bones = {
            bone.key: dice(a.array == bone.label, b.array == bone.label)
            for bone in anatomy.all_bones()
            if (a.array == bone.label).any() or (b.array == bone.label).any()
        }
        found.append(Agreement(case.name, (first, second), bones))
    return found
