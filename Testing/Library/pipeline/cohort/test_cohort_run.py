"""Cohorts as a whole: with helper processes, and with the steps in this process."""

from __future__ import annotations

import csv
import json
import os
import shutil

import numpy as np
import pytest

from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.morphology.writing import write_measurements
from MultiJointSegLib.pipeline.cohort import work
from MultiJointSegLib.pipeline.cohort.processes import ProcessDiedError, Processes
from MultiJointSegLib.pipeline.cohort.run import run_cohort
from MultiJointSegLib.pipeline.cohort.settings import CohortSettings
from MultiJointSegLib.progress import CallbackProgress


@pytest.fixture
def root(a_small_knee_file, tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    shutil.copy(a_small_knee_file, root / "a.nii.gz")
    (root / "b.nii.gz").write_bytes(b"broken")
    shutil.copy(a_small_knee_file, root / "c.nii.gz")
    return root


@pytest.fixture
def in_this_process(monkeypatch):
    """The steps without helper processes, whose start takes seconds."""

    class Call:
        def __init__(self, function, arguments):
            self.value = function(*arguments)

        def done(self):
            return True

    class Here:
        def __init__(self, count):
            pass

        def submit(self, function, *arguments):
            return Call(function, arguments)

        def result(self, call):
            return call.value

        def close(self, *, patience_s):
            pass

    monkeypatch.setattr("MultiJointSegLib.pipeline.cohort.local_engine.Processes", Here)


@pytest.fixture
def short_finish(monkeypatch):
    """Results of three small files: what the main job writes is tested elsewhere and takes seconds."""

    def finish(folder, *, volume, segmentation, run, clock, scene_writer=None):
        record = {**run, "warnings": [], "total_s": 1.0, "peak_memory_mib": None}
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
        write_measurements([], folder / "measurements.csv", folder / "measurements.json")

    monkeypatch.setattr(work, "finish_examination", finish)


def listing(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_of_examinations_becomes_a_folder_of_results(root, a_truth_segmenter, tmp_path):
    out = tmp_path / "out"
    (root / "c.nii.gz").unlink()
    messages = []
    progress = CallbackProgress(lambda fraction, message: messages.append((fraction, message)))
    result = run_cohort([root], out, segmenter=a_truth_segmenter(), progress=progress, workers=1)
    assert [(s.name, s.state, s.side) for s in result.states] == [
        ("a", "finished", ""),
        ("b", "failed", ""),
    ]
    assert "b.nii.gz" in result.states[1].sentence
    assert listing(out) == [".cohort", "a", "cohort.csv", "measurements.csv", "summary.html", "summary.json"]
    with (out / "cohort.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["examination"], row["state"], row["joint"]) for row in rows] == [
        ("a", "finished", "knee"),
        ("b", "failed", ""),
    ]
    run = json.loads((out / "a" / "run.json").read_text(encoding="utf-8"))
    assert {"Reading the examination", "Segmenting the bones", "Writing the report"} <= set(run["timings_s"])
    assert run["total_s"] == pytest.approx(sum(run["timings_s"].values()), abs=1e-2)
    with (out / "measurements.csv").open(encoding="utf-8") as file:
        volumes = [r for r in csv.DictReader(file) if r["key"] == "femur_volume"]
    assert [r["examination"] for r in volumes] == ["a"]
    assert float(volumes[0]["value"]) == pytest.approx(4 / 3 * np.pi * 26 * 24 * 26, rel=0.05)
    fractions = [fraction for fraction, _ in messages]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_second_run_keeps_what_is_current(root, a_truth_segmenter, in_this_process, short_finish, tmp_path):
    out = tmp_path / "out"
    first = run_cohort([root], out, segmenter=a_truth_segmenter())
    assert first.skipped == 0
    stamp = (out / "a" / "run.json").stat().st_mtime_ns

    def forbidden():
        raise AssertionError

    again = run_cohort([root], out, segmenter=a_truth_segmenter(before=forbidden))
    assert again.skipped == 2
    assert (out / "a" / "run.json").stat().st_mtime_ns == stamp
    # Another examination under the same name, a deleted result, other settings: done anew.
    shutil.rmtree(out / "c")
    done = run_cohort([root], out, segmenter=a_truth_segmenter())
    assert (done.skipped, listing(out)) == (1, listing(out))
    assert (out / "c" / "run.json").is_file()
    assert run_cohort([root], out, settings=CohortSettings(joint="knee"), segmenter=a_truth_segmenter()).skipped == 0


def test_refusals_and_errors_of_the_segmenter_stop_nothing(
    root, a_truth_segmenter, in_this_process, short_finish, tmp_path
):
    def crash():
        raise RuntimeError("no memory on the device")

    refused = run_cohort([root], tmp_path / "refused", segmenter=a_truth_segmenter(refuse=True))
    assert [s.state for s in refused.states] == ["refused", "failed", "refused"]
    crashed = run_cohort([root], tmp_path / "crashed", segmenter=a_truth_segmenter(before=crash))
    assert [s.state for s in crashed.states] == ["failed"] * 3
    assert "no memory on the device" in crashed.states[0].sentence
    assert listing(tmp_path / "crashed")[1:] == ["cohort.csv", "measurements.csv", "summary.html", "summary.json"]


@pytest.mark.parametrize("error", [CancelledError("x"), KeyboardInterrupt()])
def test_cancel_keeps_what_is_finished_and_nothing_else(
    root, a_truth_segmenter, in_this_process, short_finish, tmp_path, error
):
    calls = []

    def second_time():
        calls.append(1)
        if len(calls) == 2:
            raise error

    out = tmp_path / "out"
    with pytest.raises(CancelledError, match="1 of 3 examinations are finished"):
        run_cohort([root], out, segmenter=a_truth_segmenter(before=second_time))
    assert listing(out) == [".cohort", "a", "cohort.csv", "measurements.csv", "summary.html", "summary.json"]
    assert listing(out / ".cohort") == ["a.json", "b.json"]
    assert run_cohort([root], out, segmenter=a_truth_segmenter()).count("finished") == 2


def test_a_task_of_a_cluster_does_all_steps(root, a_truth_segmenter, monkeypatch, short_finish, tmp_path):
    from MultiJointSegLib.pipeline.cohort.items import find_items
    from MultiJointSegLib.pipeline.cohort.state import CohortFolder

    monkeypatch.setattr(work, "_segmenter", lambda settings: a_truth_segmenter())
    folder, settings = CohortFolder(tmp_path / "out"), CohortSettings()
    items, _ = find_items([root], output=folder.path)
    with folder.stop_signal() as stop:
        states = [work.do_job(work.Job(item, settings, "f", folder, stop)) for item in items]
        assert [s.state for s in states] == ["finished", "failed", "finished"]
        assert work.do_job(work.Job(items[0], settings, "f", folder, stop)) == states[0]
        stop.give()
        assert work.do_job(work.Job(items[0], settings, "g", folder, stop)) is None


@pytest.mark.parametrize(
    ("given", "words"), [({"engine": "slurm"}, "Unknown engine"), ({"workers": 0}, "at least 1 is needed")]
)
def test_impossible_settings_are_refused(root, tmp_path, given, words):
    with pytest.raises(InputError, match=words):
        run_cohort([root], tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_the_death_of_a_process_costs_its_call_alone():
    processes = Processes(1)
    try:
        before = processes.submit(abs, -1)
        assert processes.result(before) == 1
        deadly, beside = processes.submit(os._exit, 3), processes.submit(abs, -2)
        with pytest.raises(ProcessDiedError, match="died twice"):
            processes.result(deadly)
        assert processes.result(beside) == 2
        assert processes.result(processes.submit(abs, -3)) == 3
    finally:
        processes.close()
