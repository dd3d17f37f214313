"""The cells of a study: what is trained on, tested, and compared with what."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.studies.config import DesignConfig, StudyConfig
from MultiJointSegLib.learning.config import LearningConfig
from MultiJointSegLib.learning.dataset_folds import k_fold
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.learning.schemes import SCHEMES


@dataclass(frozen=True, slots=True)
class Condition:
    """A choice of examinations, the same for every scheme.

    Attributes
    ----------
    key : str
        Unique; part of folder names.
    title : str
        Conditions of one title are tested on different examinations and scored together, "" for all of them.
    train, test : tuple of str
        Names of examinations.
    """

    key: str
    title: str
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One scheme under one condition."""

    scheme: str
    condition: Condition

    @property
    def key(self) -> str:
        """Folder of the cell."""
        return f"{self.condition.key}_{self.scheme}"

    @property
    def method(self) -> str:
        """Name of the row in tables."""
        return method_name(self.scheme, self.condition.title)


def method_name(scheme: str, title: str) -> str:
    """Row of a scheme under the conditions of a title."""
    return f"{scheme}, {title}" if title else scheme


def conditions(study: StudyConfig, examinations: Sequence[Examination]) -> list[Condition]:
    """The choices of examinations that the study asks for.

    Raises
    ------
    InputError
        If there are too few examinations.
    """
    missing = [key for key in study.joints if not any(e.joint == key for e in examinations)]
    if missing:
        raise InputError(f"The study names the joint '{missing[0]}', but has no examination of it.")
    wanted = [e for e in examinations if e.joint in study.joints]
    if study.design.kind == "folds":
        folds = k_fold(wanted, study.design.folds, seed=study.seed)
        scored = {e.name for e in wanted if e.joint in study.scored}
        return [
            Condition(f"fold{n}", "", fold.train, tuple(name for name in fold.test if name in scored))
            for n, fold in enumerate(folds, 1)
        ]
    return _growing(study.design, wanted, study.seed)


def _growing(design: DesignConfig, examinations: Sequence[Examination], seed: int) -> list[Condition]:
    own = [e for e in examinations if e.joint == design.joint]
    rest = tuple(e.name for e in examinations if e.joint != design.joint)
    subjects = sorted({e.subject for e in own})
    if len(subjects) < len(own):
        raise InputError(f"Some subjects have several examinations of the {design.joint}; one each is needed to count.")
    random.Random(seed).shuffle(subjects)
    names = {e.subject: e.name for e in own}
    most = max(design.sizes)
    needed = max(most + design.tested, design.rotations * design.tested)
    if needed > len(subjects):
        raise InputError(
            f"The study tests {design.tested} examinations of the {design.joint} in {design.rotations} rotations and "
            f"trains on up to {most} others, but there are {len(subjects)} in all."
        )
    found = []
    for rotation in range(design.rotations):
        tested = subjects[rotation * design.tested : (rotation + 1) * design.tested]
        # Those after the tested ones come first, so that rotations also differ in what they train on.
        later = subjects[(rotation + 1) * design.tested :] + subjects[: rotation * design.tested]
        for size in design.sizes:
            suffix = f"_rotation{rotation + 1}" if design.rotations > 1 else ""
            train = (*(names[s] for s in later[:size]), *rest)
            found.append(Condition(f"n{size}{suffix}", f"n = {size}", train, tuple(names[s] for s in tested)))
    return found


def cells(study: StudyConfig, found: Sequence[Condition]) -> list[Cell]:
    """Every scheme under every condition, condition by condition."""
    return [Cell(scheme, condition) for condition in found for scheme in study.schemes]


def comparisons(study: StudyConfig, found: Sequence[Condition]) -> list[tuple[str, str]]:
    """Pairs of methods to compare: every scheme with the first, under the same title."""
    titles = dict.fromkeys(condition.title for condition in found)
    first, *others = study.schemes
    return [(method_name(scheme, title), method_name(first, title)) for title in titles for scheme in others]


def cell_config(study: StudyConfig, cell: Cell) -> LearningConfig:
    """Configuration of a cell's training; schemes without shared networks need the scored joints only."""
    scheme = SCHEMES[cell.scheme]
    joints = study.joints if scheme.shared or scheme.from_joint else study.scored
    update = {"scheme": cell.scheme, "joints": joints, "seed": study.seed}
    return study.learning.model_copy(update=update)
