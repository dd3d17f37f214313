"""``multijointseg evaluate``."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from MultiJointSegLib.imaging.writing import write_volume


@pytest.fixture
def a_pair(tmp_path, a_small_knee):
    """Folders with one truth and one prediction of another name, and a manifest."""
    image, labels = a_small_knee
    write_volume(image, tmp_path / "image.nii.gz")
    write_volume(labels, tmp_path / "truth.nii.gz")
    write_volume(labels.with_array(np.roll(labels.array, 1, axis=2)), tmp_path / "guess.nii.gz")
    entry = {"name": "knee", "image": "image.nii.gz", "label": "truth.nii.gz", "joint": "knee", "subject": "a"}
    (tmp_path / "knees.json").write_text(json.dumps({"examinations": [entry]}), encoding="utf-8")
    return tmp_path


def test_a_pair_of_files(command, a_pair) -> None:
    out = a_pair / "out"
    inputs = ("--truth", a_pair / "truth.nii.gz", "--prediction", a_pair / "guess.nii.gz")
    answer = command("evaluate", *inputs, "-o", out, "--json", "--images", a_pair / "image.nii.gz")
    assert answer.code == 0
    assert 0.7 < answer.data["mean_dice"]["guess"] < 1 and answer.data["cases"] == {"guess": 1}
    assert sorted(p.name for p in out.iterdir()) == ["evaluation.json", "report.html", "scores.csv"]
    again = command("evaluate", *inputs, "-o", out)
    assert again.code == 2 and "exists already" in again.err
    named = ("--prediction", f"mine={a_pair / 'truth.nii.gz'}", "--definition", "surfel", "--overwrite")
    answer = command("evaluate", *inputs, *named, "-o", out)
    assert answer.code == 0 and "mine: mean Dice 1.000 over 1 cases" in answer.out


def test_a_model_on_a_manifest(command, a_pair, a_truth_segmenter, monkeypatch) -> None:
    asked = []

    def load(model, device):
        asked.append((str(model), device))
        return a_truth_segmenter()

    monkeypatch.setattr("MultiJointSegLib.cli.evaluate_command.load_segmenter", load)
    out = a_pair / "out"
    answer = command(
        "evaluate", "--manifest", a_pair / "knees.json", "--model", "ours=bundle", "--device", "cpu", "-o", out
    )
    assert answer.code == 0, answer.err
    assert asked == [("bundle", "cpu")]
    assert "ours: mean Dice 1.000 over 1 cases" in answer.out
    assert (out / "predictions" / "1" / "knee.nii.gz").exists()
    assert command("evaluate", "--manifest", a_pair / "knees.json", "--prediction", out / "predictions" / "1",
                   "-o", out, "--overwrite").code == 0  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give either --truth or --manifest"),
        (["--truth", "truth.nii.gz", "--manifest", "knees.json"], "Give either --truth or --manifest"),
        (["--truth", "truth.nii.gz"], "Nothing to evaluate"),
        (["--truth", "truth.nii.gz", "--model", "x"], "--model goes with --manifest only"),
        (
            ["--truth", "truth.nii.gz", "--prediction", "guess.nii.gz", "--split", "test"],
            "--split goes with --manifest",
        ),
        (["--truth", "nothing", "--prediction", "guess.nii.gz"], "does not exist"),
        (["--truth", "truth.nii.gz", "--prediction", "image.nii.gz"], "image.nii.gz is not a label map|label value"),
        (
            ["--manifest", "knees.json", "--prediction", "guess.nii.gz", "--split", "train"],
            "no examination in the split",
        ),
        (["--manifest", "image.nii.gz", "--prediction", "guess.nii.gz"], "image.nii.gz is not"),
    ],
)
def test_bad_arguments(command, a_pair, monkeypatch, arguments, sentence) -> None:
    monkeypatch.chdir(a_pair)
    answer = command("evaluate", *arguments, "-o", "out")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1 or answer.err.splitlines()[-1].startswith("multijointseg: ")
    assert re.search(sentence, answer.err)
    assert not (a_pair / "out").exists()
