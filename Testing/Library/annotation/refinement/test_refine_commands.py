"""The loop as a person without a window runs it: refine, review, refine."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.annotation.refinement import judging
from MultiJointSegLib.annotation.refinement.drafts import find_draft, save_draft
from MultiJointSegLib.annotation.refinement.store import CaseStore
from MultiJointSegLib.cli.main import main
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume


@pytest.fixture
def blind_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that see no bone, without training."""

    def predict(_network: object, images: np.ndarray, _joint: str) -> np.ndarray:
        answer = np.zeros((len(images), 5, *images.shape[2:]), np.float32)
        answer[:, 0] = 1
        return answer

    monkeypatch.setattr(judging, "train_networks", lambda *_: {"knee": None})
    monkeypatch.setattr(judging, "predict_slices", predict)
    monkeypatch.setattr(judging, "case_features", lambda _n, images, _j: np.asarray(images, float).mean((0, 2, 3)))


@pytest.fixture
def command(capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_loop_from_the_command_line(
    make_dataset: Callable[[int], Path],
    make_labels: Callable[..., Volume],
    tmp_path: Path,
    blind_networks: None,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    config, work = make_dataset(4), tmp_path / "work"
    code, out, _ = command("refine", config, "-o", work, "--device", "cpu", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["agreement"] == 0.0
    assert "they have learned too little" in answer["warnings"][0]
    queue = answer["queue"]
    assert [entry["case"] for entry in queue] == ["knee_0", "knee_1"]
    assert queue[0]["disagreement"] == 1.0

    assert command("refine", config, "-o", work)[0] == 2
    code, out, _ = command("review", work, "next", "--reader", "AB", "--json")
    answer = json.loads(out)
    assert (code, answer["case"]["case"]) == (0, "knee_0")
    assert Path(answer["image"]).exists()
    assert Path(answer["labels"]).exists()
    write_volume(make_labels(1), tmp_path / "drawn.nii.gz")
    arguments = ("--reader", "AB", "--case", "knee_0")
    assert command("review", work, "correct", *arguments, "--labels", tmp_path / "drawn.nii.gz")[0] == 0
    code, _, err = command("review", work, "accept", *arguments)
    assert code == 2
    assert "does not have the case 'knee_0' open" in err

    code, out, _ = command("review", work, "next", "--reader", "CD D", "--into", tmp_path)
    lines = out.splitlines()
    assert re.fullmatch(r"knee_1: disagreement 1.000; look at ([LR]\d+ [PA]\d+ [SI]\d+ mm(, )?){1,3}", lines[0])
    assert lines[3] == f"Copies: image.nii and labels.nii in {tmp_path}, to be drawn in"
    assert lines[4].endswith("accept --reader 'CD D' --case knee_1")
    assert "other readers have all of them open (1 with CD D)" in command("review", work, "next", "--reader", "AB")[1]
    assert command("review", work, "return", "--reader", "CD D", "--case", "knee_1")[0] == 0

    assert command("review", work, "next", "--reader", "CD")[0] == 0
    assert command("review", work, "return", "--reader", "CD", "--case", "knee_1")[0] == 0
    assert command("review", work, "next", "--reader", "AB")[0] == 0
    assert command("review", work, "accept", "--reader", "AB", "--case", "knee_1", "--note", "fine")[0] == 0
    assert "Run 'multijointseg refine' again" in command("review", work, "next", "--reader", "AB")[1]
    code, out, _ = command("review", work, "status")
    assert out.splitlines()[0] == "4 cases: 1 accepted, 1 corrected, 2 proposed"
    assert "No case was decided on by two readers" in command("review", work, "agreement")[1]
    # A decision can be taken again: by its name, and both stay in the history.
    assert command("review", work, "next", "--reader", "CD", "--case", "knee_1")[0] == 0
    code, _, err = command("review", work, "next", "--reader", "AB", "--case", "knee_1")
    assert (code, "'CD' has the case 'knee_1' open" in err) == (2, True)
    assert command("review", work, "reject", "--reader", "CD", "--case", "knee_1")[0] == 0
    assert CaseStore(work / "cases" / "knee_1").state().status == "rejected"
    again = ("--reader", "CD", "--case", "knee_1")
    assert command("review", work, "next", *again)[0] == command("review", work, "accept", *again)[0] == 0
    # Networks that see nothing propose nothing.
    code, out, _ = command("refine", config, "-o", work, "--device", "cpu")
    assert (code, out.startswith("Warning: The networks agree with half of the labels by a Dice of 0.")) == (0, True)
    assert CaseStore(work / "cases" / "knee_2").state().version == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("next",), "needs --reader"),
        (("accept", "--reader", "AB"), "needs --case"),
        (("accept", "--reader", "AB", "--case", "elbow"), "no case 'elbow'"),
        (("next", "--reader", "AB"), "has no queue yet"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = command("review", tmp_path, *arguments)
    assert code == 2
    assert said in err


def test_a_folder_that_is_not_there(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = command("review", tmp_path / "nowhere", "status")
    assert (code, "There is no folder" in err) == (2, True)


def test_a_second_reader_sees_the_proposal_and_a_draft_comes_back(
    make_dataset: Callable[[int], Path],
    make_labels: Callable[..., Volume],
    tmp_path: Path,
    blind_networks: None,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    work, into = tmp_path / "work", tmp_path / "into"
    into.mkdir()
    assert command("refine", make_dataset(4), "-o", work, "--device", "cpu")[0] == 0
    assert "No case waits for a second" in command("review", work, "next", "--reader", "CD", "--second")[1]

    def take(reader: str, *more: str) -> dict:
        return json.loads(command("review", work, "next", "--reader", reader, "--into", into, *more, "--json")[1])

    answer = take("AB")
    assert (answer["case"]["case"], answer["version"], answer["draft"], answer["joint"]) == ("knee_0", 1, False, "knee")
    assert (
        len(answer["case"]["points_mm"]) == len(answer["case"]["slices"]) == len(answer["case"]["slice_disagreement"])
    )
    proposed = read_label_map(into / "labels.nii").array
    # The balls differ from nothing at all, so the middle of what differs is the middle of the balls in the slice.
    point = np.array(answer["case"]["points_mm"][0])
    assert abs(point[1] - 40) < 2.5
    case = CaseStore(work / "cases" / "knee_0")
    save_draft(case, "AB", 1, make_labels(3))
    assert command("review", work, "return", "--reader", "AB", "--case", "knee_0")[0] == 0
    assert take("AB")["draft"]
    assert np.array_equal(read_label_map(into / "labels.nii").array, make_labels(3).array)
    flipped = make_labels(3)
    geometry = replace(
        flipped.geometry, origin_mm=(0.0, 0.0, 78.0), direction=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
    )
    write_volume(Volume(flipped.array[::-1], geometry), tmp_path / "drawn.nii.gz")
    arguments = ("--case", "knee_0", "--version", "1")
    drawn = ("--labels", tmp_path / "drawn.nii.gz")
    assert command("review", work, "correct", "--reader", "AB", *arguments, *drawn)[0] == 0
    assert find_draft(case, "AB", 1) is None
    assert np.array_equal(read_label_map(case.labels_path(2)).array, flipped.array)

    assert take("CD", "--second")["version"] == 1
    assert np.array_equal(read_label_map(into / "labels.nii").array, proposed)
    assert command("review", work, "accept", "--reader", "CD", *arguments, "--second")[0] == 0
    assert (case.state().status, case.state().version, case.state().reader) == ("corrected", 2, "AB")
    _, out, _ = command("review", work, "agreement", "--json")
    (found,) = json.loads(out)["agreement"]
    assert found["readers"] == ["AB", "CD"]
    assert found["bone_dice"]["femur"] < 1
    assert take("CD", "--second")["case"] is None


def test_a_case_that_cannot_be_shown_is_not_kept(
    make_dataset: Callable[[int], Path],
    tmp_path: Path,
    blind_networks: None,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    work = tmp_path / "work"
    command("refine", make_dataset(4), "-o", work, "--device", "cpu")
    (tmp_path / "image_0.nii.gz").write_bytes(b"spoiled")
    assert command("review", work, "next", "--reader", "AB", "--into", tmp_path)[0] == 2
    assert CaseStore(work / "cases" / "knee_0").state().taken_by == ""
    assert command("review", work, "next", "--reader", "AB", "--into", tmp_path / "nowhere")[0] == 2
