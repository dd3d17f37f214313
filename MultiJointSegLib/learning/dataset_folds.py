"""Which examinations train and which test, in folds that never split a subject."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.manifest import Examination, nearest

_PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Fold:
    """Names of the examinations that train, choose when to stop, and test."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def leave_one_out(examinations: Sequence[Examination], *, validation: bool = False, seed: int = 0) -> list[Fold]:
    """Folds that each hold out one subject of every joint.

    Every subject is tested once. There are as many folds as the joint with most subjects has; joints with fewer have
    nobody to test in some folds. See `k_fold` for the parameters.
    """
    subjects = Counter(joint for joint, _ in {(e.joint, e.subject) for e in examinations})
    return k_fold(examinations, max(subjects.values(), default=0), validation=validation, seed=seed)


def k_fold(examinations: Sequence[Examination], k: int, *, validation: bool = False, seed: int = 0) -> list[Fold]:
    """Folds with about as many subjects of every joint in each test part.

    Parameters
    ----------
    examinations : sequence of Examination
        All of one subject come into the same part, whatever their joints.
    k : int
        Number of folds, at least 2 (3 with `validation`).
    validation : bool
        Take the next fold's test part out of the training, to choose when to stop.
    seed : int
        Of the shuffling of subjects.

    Raises
    ------
    InputError
        If there are fewer subjects than folds, or too few folds.
    """
    least = 3 if validation else 2
    groups: dict[str, list[Examination]] = defaultdict(list)
    for examination in examinations:
        groups[examination.subject].append(examination)
    if not least <= k <= len(groups):
        needed = f"a number from {least} to the {len(groups)} subjects there are"
        raise InputError(f"The number of folds is {k}; {needed} is needed.")
    subjects = sorted(groups)
    random.Random(seed).shuffle(subjects)
    subjects.sort(key=lambda s: -len(groups[s]))  # stable: the large groups first, else as shuffled
    held_out: list[list[Examination]] = [[] for _ in range(k)]
    for subject in subjects:
        joints = {e.joint for e in groups[subject]}
        emptiest = min(held_out, key=lambda part: (_load(part, joints), len(part)))
        emptiest.extend(groups[subject])
    names = [{e.name for e in part} for part in held_out]
    folds = []
    for number in range(k):
        stopping = names[(number + 1) % k] if validation else set()
        parts = {
            e.name: "test" if e.name in names[number] else "validation" if e.name in stopping else "train"
            for e in examinations
        }
        folds.append(Fold(*(tuple(n for n, part in parts.items() if part == wanted) for wanted in _PARTS)))
    return folds


def write_folds(folds: Sequence[Fold], path: Path) -> None:
    """Write folds as JSON, whole or not at all."""
    with atomic_write(Path(path)) as temporary:
        content = {"folds": [asdict(fold) for fold in folds]}
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_folds(path: Path, examinations: Sequence[Examination]) -> list[Fold]:
    """Read folds and check them against the examinations.

    Raises
    ------
    InputError
        If the file cannot be read, names an unknown examination, lists one twice, or puts a subject into two parts of
        a fold.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        folds = [Fold(*(tuple(map(str, fold[part])) for part in _PARTS)) for fold in content["folds"]]
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path.name} holds no folds; a file that write_folds wrote is needed.") from error
    known = {e.name: e for e in examinations}
    for number, fold in enumerate(folds, 1):
        _check_fold(fold, known, f"{path.name}, fold {number}")
    return folds


def _check_fold(fold: Fold, known: Mapping[str, Examination], where: str) -> None:
    place: dict[str, str] = {}
    part_of: dict[str, str] = {}
    for part in _PARTS:
        for name in getattr(fold, part):
            if name not in known:
                raise InputError(f"{where}: the examination '{name}' is unknown.{nearest(name, known)}")
            if name in place:
                raise InputError(f"{where}: the examination '{name}' is listed in {place[name]} and in {part}.")
            place[name] = part
            subject = known[name].subject
            if part_of.setdefault(subject, part) != part:
                raise InputError(f"{where}: the subject '{subject}' is in {part_of[subject]} and in {part}.")


def _load(part: Sequence[Examination], joints: set[str]) -> int:
    """Subjects of those joints that a part holds already."""
    return len({(e.joint, e.subject) for e in part if e.joint in joints})
