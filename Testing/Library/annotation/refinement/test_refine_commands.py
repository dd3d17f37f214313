"""The loop as a person without a window runs it: refine, review, refine."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.annotation.refinement import judging
from MultiJointSegLib.cli.main import main
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume


@pytest.fixture
def blind_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that see no bone, without training."""

    def predict(_network: object, images: np.ndarray, _joint: str) -> np.ndarray:
        answer = np.zeros((len(images), 5, *images.shape[2:]), np.float32)
        answer[:, 0] = 1
        return answer

    monkeypatch.setattr(judging, "_train", lambda *_: {"knee": None})
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
    queue = json.loads(out)["queue"]
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

    assert command("review", work, "next", "--reader", "CD")[0] == 0
    assert command("review", work, "return", "--reader", "CD", "--case", "knee_1")[0] == 0
    assert command("review", work, "next", "--reader", "AB")[0] == 0
    assert command("review", work, "accept", "--reader", "AB", "--case", "knee_1", "--note", "fine")[0] == 0
    assert "No case waits" in command("review", work, "next", "--reader", "AB")[1]
    code, out, _ = command("review", work, "status")
    assert out.splitlines()[0] == "4 cases: 1 accepted, 1 corrected, 2 proposed"
    assert "No case was decided on by two readers" in command("review", work, "agreement")[1]


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
