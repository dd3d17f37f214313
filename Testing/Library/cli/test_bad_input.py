"""Every input that cannot be used: one clear sentence, the right exit code, no traceback, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from MultiJointSegLib.cli.main import main

REFUSED_INPUTS = [
    ("missing", [], "no file or folder"),
    ("empty_folder", [], "is empty"),
    ("folder_without_images", [], "is a DICOM image"),
    ("text_file", [], "not an image"),
    ("truncated", [], "truncated"),
    ("corrupt", [], "not a NRRD image"),
    ("localizer", [], "no usable volume"),
    ("two_dimensional", [], "two-dimensional"),
    ("four_dimensional", [], "4 dimensions"),
    ("rgb", [], "color"),
    ("nan", [], "NaN"),
    ("constant", [], "same value"),
    ("zero_spacing", [], "spacing"),
    ("absurd_spacing", [], "spacing"),
    ("two_slices", [], "2 slices"),
    ("over_two_gigabytes", [], "GB"),
    ("ct", ["--joint", "knee"], "MR"),
    ("two_series", [], "--series"),
    ("two_series", ["--series", "9"], "No series '9'"),
    ("good", ["--joint", "elbow"], "Unknown joint 'elbow'"),
    ("good", ["--joint", "kneee"], "Did you mean 'knee'"),
    ("good", ["--device", "tpu"], "tpu"),
    ("good", ["--model", "no/such/bundle"], "no model bundle"),
]


def _tree(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*")}


def _one_sentence(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) == 1 and lines[0].startswith("multijointseg: ") and "Traceback" not in text


@pytest.mark.parametrize(("maker", "options", "words"), REFUSED_INPUTS)
def test_bad_input_is_refused_with_a_sentence(command, bad, tmp_path, maker, options, words):
    path = getattr(bad, maker)()
    before = _tree(tmp_path)
    answer = command("segment", path, "-o", tmp_path / "a" / "out", "--quiet", *options)
    assert answer.code == 2
    assert _one_sentence(answer.err), answer.err
    assert words in answer.err
    assert answer.out == ""
    assert _tree(tmp_path) == before


def test_other_anatomy_is_refused_with_code_3(command, truth, a_small_knee_file, tmp_path):
    truth(refuse=True)
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "out", "--quiet")
    assert (answer.code, list(tmp_path.iterdir())) == (3, [])
    assert _one_sentence(answer.err)
    assert command("detect", a_small_knee_file, "--quiet").code == 3


def test_existing_output_is_refused(command, a_small_knee_file, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("old")
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "out", "--quiet")
    assert answer.code == 2
    assert "--overwrite" in answer.err
    assert (tmp_path / "out" / "run.json").read_text() == "old"


def test_unwritable_output_is_found_before_work_starts(command, monkeypatch, a_small_knee_file, tmp_path):
    def too_late(*_, **__):
        pytest.fail("the examination was read although the output cannot be written")

    monkeypatch.setattr("MultiJointSegLib.pipeline.segment_examination.read_examination", too_late)
    (tmp_path / "file").write_text("")
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "file" / "out", "--quiet")
    assert answer.code == 2
    assert "cannot be written" in answer.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="The superuser may write anywhere.")
def test_output_folder_without_permission_is_refused(command, a_small_knee_file, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "closed" / "out", "--quiet")
    assert answer.code == 2
    assert "cannot be written" in answer.err


def test_tampered_weights_are_refused(command, a_small_knee_file, tmp_path):
    torch = pytest.importorskip("torch")
    from MultiJointSegLib.inference.bundle import save_bundle
    from MultiJointSegLib.networks.shared_unet import SharedUNet

    torch.manual_seed(0)
    network = SharedUNet({"knee": 4}, decoder_channels=(8, 8, 8, 8, 8))
    save_bundle(tmp_path / "model", network, name="test", version="0.1.0", license="Apache-2.0", card="# test\n")
    weights = tmp_path / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    out = tmp_path / "out"
    answer = command("segment", a_small_knee_file, "-o", out, "--model", tmp_path / "model", "--quiet")
    assert answer.code == 2
    assert "altered or damaged" in answer.err
    assert _one_sentence(answer.err)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["operate"], "operate"),
        (["segment"], "INPUT"),
        (["segment", "x.nii"], "--output"),
        (["segment", "x.nii", "-o", "out", "--quiet", "--json"], "--json"),
        (["segment", "x.nii", "-o", "out", "--tta"], "--tta"),
        (["phantom", "--joint", "elbow", "-o", "out"], "Unknown joint 'elbow'"),
        (["phantom", "--joint", "knee", "--seed", "x", "-o", "out"], "--seed"),
        (["phantom", "--joint", "knee", "--age", "-3", "-o", "out"], "--age"),
        (["sample", "elbow", "-o", "out"], "Unknown sample 'elbow'"),
        (["measure", "no.nrrd", "-o", "out"], "no file or folder"),
        (["demo", "--input", "no.nrrd", "-o", "out"], "no file or folder"),
    ],
)
def test_bad_arguments_are_refused_with_a_sentence(command, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    answer = command(*arguments)
    assert answer.code == 2
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert answer.err.splitlines()[-1].startswith("multijointseg: ")
    assert list(tmp_path.iterdir()) == []


def test_errors_are_an_object_with_json(command, bad, tmp_path):
    answer = command("segment", bad.constant(), "-o", tmp_path / "out", "--json")
    assert answer.code == 2
    assert answer.data["exit_code"] == 2
    assert "same value" in answer.data["error"]
    assert _one_sentence(answer.err)


def test_debug_shows_where(capsys, bad, tmp_path):
    assert main(["segment", str(bad.constant()), "-o", str(tmp_path / "out"), "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_defect_is_a_sentence_too(command, truth, a_small_knee_file, tmp_path):
    def defect():
        raise ZeroDivisionError("a defect")

    truth(before=defect)
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "out", "--quiet")
    assert answer.code == 1
    assert _one_sentence(answer.err)
    assert "ZeroDivisionError" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
def test_interrupt_and_exhaustion_leave_nothing(command, truth, a_small_knee_file, tmp_path, error):
    def stop():
        raise error

    truth(before=stop)
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "out", "--quiet")
    assert answer.code == (130 if error is KeyboardInterrupt else 1)
    assert _one_sentence(answer.err)
    assert list(tmp_path.iterdir()) == []


def test_libraries_print_nothing_of_their_own(bad, tmp_path):
    """In a process of its own, where what C++ code prints would be seen."""
    path = bad.truncated()
    command = [sys.executable, "-m", "MultiJointSegLib", "segment", str(path), "-o", str(tmp_path / "out"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert _one_sentence(done.stderr), done.stderr
    assert json.loads(done.stdout)["exit_code"] == 2
