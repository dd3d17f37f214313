"""Disagreement, order and stopping, by hand-computed values."""

import math

import numpy as np
import pytest

from MultiJointSegLib.annotation.refinement.disagreement import CaseEvidence, compare_labels, gather_case
from MultiJointSegLib.annotation.refinement.selection import STRATEGIES, core_set, rank
from MultiJointSegLib.annotation.refinement.stopping import StoppingRule
from MultiJointSegLib.errors import InputError

BONES = {"femur": 1, "tibia": 2}


def _case(name: str, disagreement: float = 0.0, features: tuple[float, ...] = (), **scores: float) -> CaseEvidence:
    return CaseEvidence(name, disagreement, {}, {}, features=np.array(features), **scores)


def test_identical_labels_do_not_disagree() -> None:
    labels = np.array([[[1, 1], [2, 0]]])
    assert compare_labels(labels, labels, BONES) == ({"femur": 0.0, "tibia": 0.0}, {0: 0.0})


def test_disjoint_labels_disagree_wholly() -> None:
    by_bone, by_slice = compare_labels(np.array([[[1, 1, 0]]]), np.array([[[0, 0, 1]]]), BONES)
    assert (by_bone, by_slice) == ({"femur": 1.0}, {0: 1.0})


def test_disagreement_is_one_minus_mean_dice() -> None:
    labels = np.array([[[1, 1, 2, 2]], [[0, 0, 0, 0]], [[1, 0, 0, 0]]])
    prediction = np.array([[[1, 0, 2, 2]], [[0, 0, 0, 0]], [[1, 2, 0, 0]]])
    by_bone, by_slice = compare_labels(labels, prediction, BONES)
    assert by_bone == pytest.approx({"femur": 1 - 4 / 5, "tibia": 1 - 4 / 5})
    # Slice 0: femur 2/3, tibia 1. Slice 2: femur 1, tibia invented.
    assert by_slice == pytest.approx({0: 1 - (2 / 3 + 1) / 2, 2: 0.5})


def test_entropy_and_variance_are_over_the_bone() -> None:
    labels = np.array([[[1, 0]]])
    sure = np.zeros((1, 3, 1, 2))
    sure[0, 1, 0, 0] = sure[0, 0, 0, 1] = 1
    unsure = sure.copy()
    unsure[0, :, 0, 0] = (0.5, 0.5, 0)
    case = gather_case("a", labels, [sure, unsure], BONES)
    assert case.disagreement == 0
    assert case.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), abs=1e-5)
    assert case.variance == pytest.approx(np.var([1.0, 0.5]))


def test_each_strategy_ranks_by_its_own_score() -> None:
    cases = [_case("a", 0.1, entropy=0.3, variance=0.2), _case("b", 0.3, entropy=0.2, variance=0.1),
             _case("c", 0.2, entropy=0.1, variance=0.3)]  # fmt: skip
    assert rank("disagreement", cases) == ["b", "c", "a"]
    assert rank("entropy", cases) == ["a", "b", "c"]
    assert rank("variance", cases) == ["c", "a", "b"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_order_does_not_depend_on_the_order_of_the_files(strategy: str) -> None:
    cases = [_case(name, 0.5, (float(i), 0.0)) for i, name in enumerate("dbca")]
    assert rank(strategy, cases, seed=4) == rank(strategy, cases[::-1], seed=4)
    assert sorted(rank(strategy, cases)) == ["a", "b", "c", "d"]


def test_random_order_follows_the_seed() -> None:
    cases = [_case(name) for name in "abcdefgh"]
    assert rank("random", cases, seed=1) == rank("random", cases, seed=1) != rank("random", cases, seed=2)


def test_core_set_takes_the_farthest_from_all_taken() -> None:
    cases = [_case("near", features=(1.0,)), _case("far", features=(10.0,)), _case("between", features=(6.0,))]
    reviewed = [_case("known", features=(0.0,))]
    assert core_set(cases, reviewed) == ["far", "between", "near"]
    assert core_set(cases, []) == ["between", "near", "far"]  # 5.67 is the mean; near is 5 away, far 4
    assert core_set([], reviewed) == []


def test_unknown_strategy() -> None:
    with pytest.raises(InputError, match="no strategy 'guess'; there are disagreement"):
        rank("guess", [])


@pytest.mark.parametrize(
    ("reviewed", "closeness", "said"),
    [
        (3, [0.5, 0.6, 0.7], ""),
        (10, [0.5] * 10, "budget of 10"),
        (4, [0.2, 0.99, 0.98, 1.0], "last 3 proposals"),
        (4, [0.99, 0.98, 1.0, 0.2], ""),
        (2, [1.0, 1.0], ""),
    ],
)
def test_stopping(reviewed: int, closeness: list[float], said: str) -> None:
    reason = StoppingRule(total_budget=10, good_dice=0.97, patience=3).reason(reviewed, closeness)
    assert said in reason
    assert bool(reason) == bool(said)
