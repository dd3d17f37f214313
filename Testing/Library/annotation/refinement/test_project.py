"""Rounds over small knees: from the manifest to the queue, the review and the next round."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from MultiJointSegLib.annotation.refinement import judging
from MultiJointSegLib.annotation.refinement.agreement import reader_agreement
from MultiJointSegLib.annotation.refinement.config import read_refine_config
from MultiJointSegLib.annotation.refinement.disagreement import CaseEvidence, dice
from MultiJointSegLib.annotation.refinement.project import Project
from MultiJointSegLib.annotation.refinement.reviewing import decide, held_lock, next_case
from MultiJointSegLib.annotation.refinement.rounds import doubted_cases, run_round
from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.imaging.hashing import sha256_of
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume

CPU = torch.device("cpu")


@pytest.fixture
def perfect_networks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Networks that see the balls by their brightness, without training; the names they were trained on."""
    trained: list[list[str]] = []

    class Seeing:
        def __init__(self, names: list[str]) -> None:
            self.names = names

    def train(config: object, examinations: list, folder: Path, name: str, device: object, progress: object) -> dict:
        trained.append([e.name for e in examinations])
        return {"knee": Seeing(trained[-1])}

    def predict(network: Seeing, images: np.ndarray, joint: str) -> np.ndarray:
        bright = np.asarray(images[:, 1], np.float32) > 0.6
        upper = np.arange(bright.shape[1])[None, :, None] < bright.shape[1] / 2  # superior rows come first
        answer = np.zeros((len(bright), 5, *bright.shape[1:]), np.float32)
        answer[:, 1] = bright & ~upper  # label 1 has small k, which is inferior
        answer[:, 4] = bright & upper
        answer[:, 0] = ~bright
        return answer

    monkeypatch.setattr(judging, "train_networks", train)
    monkeypatch.setattr(judging, "predict_slices", predict)
    monkeypatch.setattr(
        judging, "case_features", lambda network, images, joint: np.asarray(images, float).mean((0, 2, 3))
    )
    return trained


def test_the_wrong_label_comes_first_and_is_mended(
    make_dataset: Callable[..., Path],
    make_labels: Callable[..., Volume],
    tmp_path: Path,
    perfect_networks: list[list[str]],
) -> None:
    config = read_refine_config(make_dataset(4))
    project = Project(tmp_path / "work")
    first = run_round(project, config, CPU)
    assert first.queue.entries[0].case == "knee_3"
    assert first.queue.entries[0].disagreement > 0.8
    assert first.queue.entries[1].disagreement < 0.35
    assert len(first.queue.entries) == 2

    with pytest.raises(InputError, match="2 cases of round 1 still wait"):
        run_round(project, config, CPU)

    assignment = next_case(project, "AB")
    assert assignment.case.name == "knee_3"
    assert assignment.image.name == "image_3.nii.gz"
    other = next_case(project, "CD")
    assert other.case.name == first.queue.entries[1].case
    drawn = tmp_path / "drawn.nii.gz"
    write_volume(make_labels(0), drawn)
    assert decide(assignment.case, assignment.lock, "corrected", drawn) == 2
    decide(other.case, other.lock, "accepted")
    assert next_case(project, "AB") is None
    reviewed, closeness = project.effort()
    assert reviewed == 2
    assert min(closeness) < 0.2 < max(closeness) == 1.0

    second = run_round(project, config, CPU)
    assert second.number == 2
    assert len(second.queue.entries) == 1  # the total budget is 3
    states = {case.name: case.state() for case in project.cases()}
    assert states["knee_3"].version == 2

    assignment = next_case(project, "AB")
    decide(assignment.case, assignment.lock, "rejected")
    done = run_round(project, config, CPU)
    assert "budget of 3" in done.stopped


def test_labels_are_proposed_again_where_networks_doubt_them_and_only_there(
    make_dataset: Callable[..., Path],
    make_labels: Callable[..., Volume],
    tmp_path: Path,
    perfect_networks: list[list[str]],
) -> None:
    config = read_refine_config(make_dataset(7, wrong=2))
    project = Project(tmp_path / "work")
    run_round(project, config, CPU)
    assignment = next_case(project, "AB")
    assert assignment.case.name == "knee_5"
    write_volume(make_labels(5 % 3), tmp_path / "drawn.nii.gz")
    decide(assignment.case, assignment.lock, "corrected", tmp_path / "drawn.nii.gz")
    before = {case.name: sha256_of(case.labels_path(1)) for case in project.cases()}
    run_round(project, config, CPU, anyway=True)
    versions = {case.name: case.state().version for case in project.cases()}
    # knee_5 is what the reader drew, knee_6 was still wrong; the others were right all the time.
    assert versions == {f"knee_{n}": 1 for n in range(5)} | {"knee_5": 2, "knee_6": 2}
    assert {case.name: sha256_of(case.labels_path(1)) for case in project.cases()} == before
    proposal, true = read_label_map(project.case("knee_6").labels_path(2)).array, make_labels(6 % 3).array
    assert set(np.unique(proposal)) == {0, 1, 2}
    assert all(dice(proposal == label, true == label) > 0.6 for label in (1, 2))


def test_without_labels_that_a_person_vouches_for_all_are_doubted() -> None:
    evidence = {
        name: CaseEvidence(name, value, {}, {}) for name, value in (("a", 0.0), ("b", 0.4), ("c", 0.2), ("d", 0.28))
    }
    assert doubted_cases(evidence, ["a", "b"], []) == ["a", "b"]
    assert doubted_cases(evidence, ["a", "b", "d"], ["c"]) == ["b"]


def test_no_case_is_judged_by_a_network_that_trained_on_it(
    make_dataset: Callable[[int], Path],
    tmp_path: Path,
    perfect_networks: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged: list[tuple[str, list[str]]] = []
    original = judging._judge

    def watch(examination, trained, config, folder):
        judged.extend((examination.name, networks["knee"].names) for networks in trained)
        return original(examination, trained, config, folder)

    monkeypatch.setattr(judging, "_judge", watch)
    run_round(Project(tmp_path / "work"), read_refine_config(make_dataset(5)), CPU)
    assert sorted({name for name, _ in judged}) == [f"knee_{i}" for i in range(5)]
    assert all(name not in names and names for name, names in judged)


def test_an_interrupted_round_goes_on_with_the_labels_it_began_with(
    make_dataset: Callable[[int], Path],
    make_labels: Callable[..., Volume],
    tmp_path: Path,
    perfect_networks: list[list[str]],
) -> None:
    config = read_refine_config(make_dataset(4))
    project = Project(tmp_path / "work")

    class Impatient:
        def report(self, fraction: float, message: str) -> None:
            if fraction > 0.015 and "Taking" not in message:
                raise CancelledError("Cancelled.")

    judge = judging._judge
    judging._judge = lambda *_: Impatient().report(1.0, "stopped")
    try:
        with pytest.raises(CancelledError):
            run_round(project, config, CPU)
    finally:
        judging._judge = judge
    case = project.case("knee_0")
    case.submit(case.take("AB"), "corrected", make_labels(5))  # while the round is not finished
    plan = json.loads((project.folder / "rounds" / "001" / "round.json").read_text())
    result = run_round(project, config, CPU)
    assert result.number == 1
    assert plan["knee_0"] == {"version": 1, "status": "proposed"}
    assert case.state().version == 2


@pytest.mark.slow
def test_a_real_round_trains_networks(make_dataset: Callable[[int], Path], tmp_path: Path) -> None:
    config = read_refine_config(make_dataset(4))
    project = Project(tmp_path / "work")
    result = run_round(project, config, CPU)
    assert {entry.case for entry in result.queue.entries} <= {f"knee_{i}" for i in range(4)}
    assert all(0 <= entry.disagreement <= 1 for entry in result.queue.entries)
    assert (project.folder / "rounds" / "001" / "without_part_2_network_1").is_dir()


def test_readers_of_the_same_case_are_compared(a_case, make_labels: Callable[..., Volume]) -> None:
    a_case.submit(a_case.take("AB"), "corrected", make_labels(0))
    assert reader_agreement(a_case) == []
    a_case.submit(a_case.take("CD"), "corrected", make_labels(30, 5.0))
    (agreement,) = reader_agreement(a_case)
    assert agreement.readers == ("AB", "CD")
    assert agreement.bone_dice["femur"] < 0.05


def test_labels_of_another_grid_or_with_unknown_values_are_refused(
    make_dataset: Callable[[int], Path], make_labels: Callable[..., Volume], tmp_path: Path,
    perfect_networks: list[list[str]],
) -> None:  # fmt: skip
    project = Project(tmp_path / "work")
    run_round(project, read_refine_config(make_dataset(4)), CPU)
    assignment = next_case(project, "AB")
    labels = make_labels()
    wrong = {
        "another grid": labels.array[:-2],
        "label value 77": np.where(labels.array == 2, 77, labels.array),
        "label value 9; labels of the knee are 1 femur, 2 tibia": np.where(labels.array == 2, 9, labels.array),
        "no bone": np.zeros_like(labels.array),
    }
    for said, array in wrong.items():
        path = tmp_path / "wrong.nii.gz"
        from MultiJointSegLib.imaging.geometry import Geometry

        write_volume(Volume(array, Geometry(array.shape[::-1], (2.0, 2.0, 2.0))), path)
        with pytest.raises(InputError, match=said):
            decide(assignment.case, assignment.lock, "corrected", path)
    assert list(assignment.case.versions()) == [1]
    with pytest.raises(InputError, match="'XY' does not have the case"):
        held_lock(assignment.case, "XY")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda q: q["entries"].append(dict(q["entries"][0])), "twice"),
        (lambda q: q["entries"][0].update(case="elbow"), "'elbow', which is not there"),
        (lambda q: q["entries"][0].update(color="red"), "entry 1: an object with"),
        (lambda q: q.pop("entries"), "lacks or misuses 'entries'"),
    ],
)
def test_a_queue_edited_by_hand(
    make_dataset: Callable[[int], Path],
    tmp_path: Path,
    perfect_networks: list[list[str]],
    change: Callable[[dict], object],
    said: str,
) -> None:
    project = Project(tmp_path / "work")
    run_round(project, read_refine_config(make_dataset(4)), CPU)
    path = project.folder / "rounds" / "001" / "queue.json"
    content = json.loads(path.read_text())
    content["entries"].reverse()
    path.write_text(json.dumps(content))
    assert project.queue().entries[-1].case == "knee_3"  # sorted by hand: allowed
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        project.queue()


def test_a_gone_image_is_told(make_dataset: Callable[[int], Path], tmp_path: Path, perfect_networks: list) -> None:
    project = Project(tmp_path / "work")
    run_round(project, read_refine_config(make_dataset(4)), CPU)
    (tmp_path / "image_3.nii.gz").unlink()
    with pytest.raises(InputError, match="The image of 'knee_3' is gone"):
        next_case(project, "AB")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"refine": {"fold": 3}}, "unknown key 'refine.fold'.*Did you mean 'folds'"),
        ({"refine": {"folds": 1}}, "'refine.folds' is 1"),
        ({"refine": {"strategy": "variance"}}, "set refine.networks to 2 or more"),
        ({"refined": {}}, "unknown table 'refined'.*Did you mean 'refine'"),
        ({"learning": {"stepz": 3}}, "there is no key 'stepz'"),
    ],
)
def test_a_wrong_configuration(tmp_path: Path, content: dict, said: str) -> None:
    path = tmp_path / "refine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        read_refine_config(path)
