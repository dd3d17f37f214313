"""Folds never split a subject and test everybody once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.dataset_folds import Fold, k_fold, leave_one_out, read_folds, write_folds
from MultiJointSegLib.learning.manifest import Examination


def exams(*pairs: tuple[str, str]) -> list[Examination]:
    """Examinations of (joint, subject)."""
    return [
        Examination(name=f"{j}{n}", image=Path(f"{n}"), label=Path(f"{n}l"), joint=j, subject=s)
        for n, (j, s) in enumerate(pairs)
    ]


def subjects_of(names, examinations) -> set[str]:
    return {e.subject for e in examinations if e.name in names}


datasets = st.lists(
    st.tuples(st.sampled_from(["ankle", "knee", "shoulder"]), st.sampled_from([f"s{n}" for n in range(9)])),
    min_size=3,
    max_size=24,
).filter(lambda pairs: len({s for _, s in pairs}) >= 3)


@given(datasets, st.integers(2, 9), st.booleans(), st.integers(0, 5))
def test_every_fold_is_a_partition_by_subject(pairs, k, validation, seed) -> None:
    examinations = exams(*pairs)
    subjects = {e.subject for e in examinations}
    k = max(3 if validation else 2, min(k, len(subjects)))
    folds = k_fold(examinations, k, validation=validation, seed=seed)
    tested = [name for fold in folds for name in fold.test]
    assert sorted(tested) == sorted(e.name for e in examinations)
    for fold in folds:
        parts = [subjects_of(names, examinations) for names in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(subjects) and set.union(*parts) == subjects
        assert parts[0] and parts[2] and bool(parts[1]) == validation
    assert folds == k_fold(examinations, k, validation=validation, seed=seed)


def test_leave_one_out_holds_out_one_of_each_joint() -> None:
    examinations = exams(*[("knee", f"k{n}") for n in range(5)], *[("ankle", f"a{n}") for n in range(3)])
    folds = leave_one_out(examinations)
    assert len(folds) == 5
    held_out = [sorted(name[:1] for name in fold.test) for fold in folds]
    assert sorted(held_out) == [["a", "k"]] * 3 + [["k"]] * 2
    assert all(len(fold.train) == 8 - len(fold.test) for fold in folds)


def test_both_knees_of_a_subject_stay_together() -> None:
    examinations = exams(("knee", "Anna"), ("knee", "Ben"), ("knee", "Anna"), ("knee", "Cleo"))
    folds = leave_one_out(examinations, validation=True)
    assert len(folds) == 3
    assert ("knee0", "knee2") in [fold.test for fold in folds]


def test_joints_are_balanced() -> None:
    examinations = exams(*[(j, f"{j}{n}") for j in ("ankle", "knee", "shoulder") for n in range(6)])
    for fold in k_fold(examinations, 3, seed=1):
        assert sorted(name[0] for name in fold.test) == sorted("aakkss")


def test_too_few_subjects() -> None:
    for k, validation in ((1, False), (2, True), (4, False)):
        with pytest.raises(InputError, match=f"number of folds is {k}"):
            k_fold(exams(("knee", "a"), ("knee", "b"), ("knee", "c")), k, validation=validation)


def test_folds_as_a_file(tmp_path) -> None:
    examinations = exams(("knee", "a"), ("knee", "b"), ("knee", "c"))
    folds = leave_one_out(examinations, validation=True)
    write_folds(folds, tmp_path / "folds.json")
    assert read_folds(tmp_path / "folds.json", examinations) == folds


@pytest.mark.parametrize(
    ("fold", "sentence"),
    [
        (Fold(("knee0",), (), ("kneee2",)), "'kneee2' is unknown. Did you mean 'knee2'"),
        (Fold(("knee0", "knee1"), (), ("knee1",)), "'knee1' is listed in train and in test"),
        (Fold(("knee0",), (), ("knee2",)), "subject 'a' is in train and in test"),
    ],
)
def test_wrong_folds(tmp_path, fold, sentence) -> None:
    examinations = exams(("knee", "a"), ("knee", "b"), ("knee", "a"))
    write_folds([fold], tmp_path / "folds.json")
    with pytest.raises(InputError, match=f"^folds.json, fold 1: .*{sentence}"):
        read_folds(tmp_path / "folds.json", examinations)


def test_no_folds(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_folds(tmp_path / "folds.json", [])
    (tmp_path / "folds.json").write_text("{}")
    with pytest.raises(InputError, match="holds no folds"):
        read_folds(tmp_path / "folds.json", [])
