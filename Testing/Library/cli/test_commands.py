"""What each command does when all is well."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.pipeline.segment_examination import STAGES


@pytest.fixture(autouse=True)
def _no_scene(monkeypatch):
    """The scene has its own tests; here it would only take time."""
    monkeypatch.setattr("MultiJointSegLib.cli.segment_command.write_scene", None)


@pytest.fixture
def a_quick_report(monkeypatch):
    """An empty page in the place of the report, which has its own tests."""

    def write(path, _, *, drawings=None, progress=None):
        path.write_text("<html></html>")
        return []

    monkeypatch.setattr("MultiJointSegLib.report.page.write_report", write)


def test_segment_shows_stages_and_where_the_report_is(command, truth, a_small_knee_file, tmp_path):
    truth()
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "out")
    assert answer.code == 0
    assert answer.out.startswith("Knee (recognized with a confidence of 97 %): femur, fibula, patella, tibia\n")
    assert f"Report: {tmp_path / 'out' / 'report.html'}" in answer.out
    stages = [re.fullmatch(r"\[ *\d+ %\] (.+)", line)[1] for line in answer.err.splitlines()]
    assert stages == [*STAGES, "Done"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 50_000


@pytest.mark.usefixtures("a_quick_report")
def test_segment_with_json_overwrites_and_prints_one_object(command, truth, a_small_knee_file, tmp_path):
    truth()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("old")
    answer = command("segment", a_small_knee_file, "-o", tmp_path / "out", "--overwrite", "--joint", "knee", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.data["joint"] == "knee"
    assert answer.data["joint_given"] is True
    assert set(answer.data["files"]) >= {"labels.nii.gz", "report.html", "run.json", "surfaces/femur.stl"}
    assert json.loads((tmp_path / "out" / "run.json").read_text())["joint"] == "knee"


def test_detect_says_the_joint(command, truth, a_small_knee_file):
    truth()
    answer = command("detect", a_small_knee_file, "--json")
    assert answer.code == 0
    assert (answer.data["joint"], answer.data["confidence"]) == ("knee", pytest.approx(0.97))


def test_measure_writes_tables(command, a_small_knee, tmp_path):
    write_volume(a_small_knee[1], tmp_path / "labels.nii.gz")
    answer = command("measure", tmp_path / "labels.nii.gz", "-o", tmp_path / "out", "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert (tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8").count("\n") > 4


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_end_well(command, option):
    assert command(option).code == 0
    assert "segment" in command("--help").out
    assert "130" in command("segment", "--help").out


def test_info_imports_nothing_heavy():
    code = (
        "import sys\nfrom MultiJointSegLib.cli.main import main\ncode = main(['info', '--json'])\n"
        "heavy = ('torch', 'vtk', 'vtkmodules', 'SimpleITK', 'matplotlib', 'scipy', 'numpy', 'slicer', 'openvino')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    info = json.loads(done.stdout)
    assert info["joints"]["knee"] == ["femur", "fibula", "patella", "tibia"]
    assert info["versions"]["numpy"]
    assert info["devices"][0]["device"] == "cpu"
    assert info["devices"][0]["cores"] >= 1


def test_info_lists_gpus_that_the_driver_reports(monkeypatch, command, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA Test GPU, 24576, 570.10'\n")
    tool.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _: str(tool))
    answer = command("info", "--json")
    assert answer.data["devices"][-1] == {
        "device": "cuda",
        "name": "NVIDIA Test GPU",
        "memory_mib": 24576,
        "driver": "570.10",
    }
    assert "NVIDIA Test GPU" in command("info").out


def test_phantom_is_the_same_for_the_same_seed(monkeypatch, command, tmp_path, a_small_knee):
    asked = {}

    def make(joint, **settings):
        from MultiJointSegLib.phantom.phantom import Phantom

        asked.update(settings, joint=joint)
        return Phantom(*a_small_knee, {"head_mm": [1.0, 2.0, 3.0]}, {"seed": settings["seed"]})

    monkeypatch.setattr("MultiJointSegLib.phantom.phantom.make_phantom", make)
    arguments = ["--joint", "knee", "--seed", "7", "--age", "9", "--sequence", "T2-fat-suppressed", "--side", "left"]
    answer = command("phantom", *arguments, "--spacing", "1", "1", "4", "-o", tmp_path / "out", "--json")
    assert answer.code == 0
    assert asked == {
        "joint": "knee",
        "seed": 7,
        "side": "left",
        "age_years": 9.0,
        "plane": None,
        "sequence": "t2_fat_suppressed",
        "spacing_mm": (1.0, 1.0, 4.0),
        "noise": None,
    }
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"image.nii.gz", "labels.nii.gz", "truth.json", "settings.json"}
    assert command("phantom", *arguments, "-o", tmp_path / "out", "--overwrite", "--quiet").code == 0


@pytest.mark.usefixtures("a_quick_report")
def test_demo_runs_on_a_given_examination_and_again(command, truth, a_small_knee_file, tmp_path):
    truth()
    for _ in range(2):
        answer = command("demo", "--input", a_small_knee_file, "-o", tmp_path / "demo", "--quiet")
        assert answer.code == 0
    assert (tmp_path / "demo" / "result" / "report.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.usefixtures("a_quick_report")
def test_demo_makes_its_own_phantom_and_compares(monkeypatch, command, truth, a_small_knee, tmp_path):
    from MultiJointSegLib.phantom.phantom import Phantom

    truth()
    monkeypatch.setattr(
        "MultiJointSegLib.phantom.phantom.make_phantom", lambda joint, **_: Phantom(*a_small_knee, {}, {"joint": joint})
    )
    answer = command("demo", "-o", tmp_path / "demo", "--json")
    assert answer.code == 0
    assert answer.data["dice"] == {"femur": 1.0, "fibula": 1.0, "patella": 1.0, "tibia": 1.0}
    assert (tmp_path / "demo" / "examination" / "labels.nii.gz").is_file()
    assert answer.data["output"] == str(tmp_path / "demo" / "result")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a test can send.")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_cancel_without_a_trace(a_small_knee_file, tmp_path, number):
    code = (
        "import signal, sys, time\nfrom MultiJointSegLib.pipeline import segment_examination as job\n"
        # Background jobs of a shell inherit that SIGINT is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "job.load_segmenter = lambda *_, **__: time.sleep(60)\n"
        "from MultiJointSegLib.cli.main import main\n"
        f"sys.exit(main(['segment', {str(a_small_knee_file)!r}, '-o', {str(tmp_path / 'a' / 'out')!r}]))"
    )
    lines = []
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            lines.append(line.strip())
            if "Loading the model" in line:
                time.sleep(0.1)
                process.send_signal(number)
    assert process.returncode == 130
    assert lines[-1] == "multijointseg: Cancelled: nothing was written."
    assert list(tmp_path.iterdir()) == []
