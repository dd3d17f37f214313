"""What a program that runs the command line is told: lines of JSON with a prefix, among whatever else is printed."""

from __future__ import annotations

import json

import pytest

from MultiJointSegLib.cli.terminal import EVENT_PREFIX


def events(text: str) -> list[dict]:
    return [json.loads(line.removeprefix(EVENT_PREFIX)) for line in text.splitlines() if line.startswith(EVENT_PREFIX)]


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch):
    def write(path, _, *, drawings=None, progress=None):
        path.write_text("<html></html>")
        return []

    monkeypatch.setattr("MultiJointSegLib.report.page.write_report", write)


def test_progress_rises_and_the_outcome_comes_last(command, truth, a_small_knee_file, tmp_path):
    truth()
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "out", "--no-scene", "--progress-json")
    told = events(answer.err)
    assert answer.code == 0
    assert [e["event"] for e in told[:-1]] == ["progress"] * (len(told) - 1)
    fractions = [e["fraction"] for e in told[:-1]]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert told[0]["message"] == "Reading the examination"
    assert told[-1]["event"] == "finished"
    assert told[-1]["data"]["joint"] == "knee"


def test_without_a_scene_there_is_a_segmentation_and_no_warning(command, truth, a_small_knee_file, tmp_path):
    truth()
    command("segment", a_small_knee_file, "-o", tmp_path / "out", "--no-scene", "--quiet")
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (tmp_path / "out" / "segmentation.seg.nrrd").is_file()
    assert not (tmp_path / "out" / "scene.mrb").exists()
    assert run["warnings"] == ["A warning from the segmenter."]


def test_run_record_holds_the_doubt_of_every_slice(command, truth, a_small_knee_file, a_small_knee, tmp_path):
    truth()
    command("segment", a_small_knee_file, "-o", tmp_path / "out", "--no-scene", "--quiet")
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["slice_axis"] == 0
    assert {len(values) for values in run["slice_uncertainty"].values()} == {a_small_knee[0].array.shape[0]}


@pytest.mark.parametrize(("given", "code"), [({"refuse": True}, 3), ({}, 2)])
def test_failure_is_an_event_with_the_sentence(command, truth, a_small_knee_file, tmp_path, given, code):
    truth(**given)
    source = a_small_knee_file if given else tmp_path / "nothing.nii"
    answer = command("segment", source, "-o", tmp_path / "out", "--progress-json")
    last = events(answer.err)[-1]
    assert (answer.code, last["event"], last["exit_code"]) == (code, "failed", code)
    assert f"multijointseg: {last['error']}\n" in answer.err


def test_a_wrong_argument_is_an_event_too(command, tmp_path):
    answer = command("segment", "--progress-json", "--nonsense")
    assert events(answer.err)[-1]["exit_code"] == 2
