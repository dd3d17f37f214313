"""Bad input and faults: each is a sentence on screen, and volume, earlier segmentations and edits stay as they were."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]

unix = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
REAL_LIBRARY = [sys.executable, "-m", "MultiJointSegLib"]


def segment(panel) -> str:
    """Click, wait, and read what the screen says."""
    panel.ui.segmentButton.click()
    panel.work_until_idle()
    return panel.ui.statusLabel.text()


def choose(panel, array: np.ndarray | None, name: str = "Other") -> None:
    from MultiJointSegSlicer.scene.volumes import add_volume_node

    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume

    scene = panel.desk.scene
    if array is None:
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    else:
        node = add_volume_node(scene, Volume(array, Geometry(array.shape[::-1], (1.0, 1.0, 1.0)), "MR"), name=name)
    panel.widget._parameterNode.inputVolume = node


def test_no_volume_is_said_before_anything_can_be_clicked(a_panel) -> None:
    a_panel.widget._parameterNode.inputVolume = None
    assert not a_panel.ui.segmentButton.isEnabled()
    assert a_panel.ui.segmentButton.toolTip() == "Choose a volume first"
    assert not a_panel.parts.segmentation.segment(None, None)
    assert "No volume is chosen" in a_panel.ui.statusLabel.text()


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (None, "'Other' holds no image"),
        (np.arange(1600, dtype=np.int16).reshape(1, 40, 40), "slice"),
        (np.zeros((12, 20, 20), np.int16), "same value"),
    ],
    ids=["empty", "2-D", "constant"],
)
def test_volumes_that_cannot_be_used_are_refused_in_words(a_panel, array, part: str) -> None:
    choose(a_panel, array)
    sentence = segment(a_panel)
    assert sentence.startswith("Failed: ")
    assert part in sentence
    assert a_panel.ui.segmentButton.isEnabled()


def test_no_space_for_the_temporary_folder(a_panel, monkeypatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    sentence = segment(a_panel)
    assert "No space left on device" in sentence
    assert "check the free space" in sentence


@unix
@pytest.mark.parametrize(
    ("number", "part"), [(signal.SIGKILL, "memory ran out"), (signal.SIGTERM, "stopped from outside")]
)
def test_child_killed_from_outside(a_panel, number: signal.Signals, part: str) -> None:
    a_panel.behave("slow")
    a_panel.ui.segmentButton.click()
    a_panel.work(lambda: a_panel.ui.progressBar.value() == 400)
    for process in psutil.Process().children():
        if "fake_library.py" in " ".join(process.cmdline()):
            process.send_signal(number)
    a_panel.work_until_idle()
    assert part in a_panel.ui.statusLabel.text()


def test_memory_that_is_not_enough_is_said_with_a_way_out(a_panel) -> None:
    a_panel.behave("memory")
    assert "memory is not enough for this examination; close other programs" in segment(a_panel)


def test_gpu_without_enough_memory_still_gives_a_result_and_says_how(a_panel) -> None:
    a_panel.behave("gpu")
    segment(a_panel)
    assert a_panel.job.state.value == "finished"
    assert "Note: The GPU's memory was not enough" in a_panel.ui.summaryLabel.text()
    assert "cpu" in a_panel.ui.summaryLabel.text()


@pytest.mark.parametrize("how", ["missing", "tampered"])
def test_model_that_is_missing_or_was_tampered_with(a_panel, tmp_path, how: str) -> None:
    folder = tmp_path / "Modell Zoë"
    if how == "tampered":
        import shutil

        from MultiJointSegLib.resources import resource_path

        shutil.copytree(resource_path("Models", "joints3"), folder)
        manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        digest = json.dumps(manifest).replace(manifest["weights_sha256"], "0" * 64)
        (folder / "bundle.json").write_text(digest, encoding="utf-8")
    a_panel.job._command = lambda: REAL_LIBRARY
    a_panel.widget._parameterNode.modelFolder = str(folder)
    sentence = segment(a_panel)
    assert sentence.startswith("Failed: ")
    assert "Modell Zoë" in sentence
    assert a_panel.ui.segmentButton.isEnabled()


def test_scene_closed_while_running(a_panel) -> None:
    a_panel.behave("slow")
    a_panel.ui.segmentButton.click()
    a_panel.work(lambda: a_panel.ui.progressBar.value() == 400)
    a_panel.desk.scene.Clear(False)
    a_panel.work_until_idle()
    assert a_panel.ui.statusLabel.text() == "Cancelled; nothing was changed."
    assert not a_panel.desk.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    assert not a_panel.desk.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")


def test_non_ascii_and_very_long_paths(a_panel, tmp_path) -> None:
    deep = tmp_path.joinpath(*(["Ünträglich-lang-" + "ж" * 30] * 4))
    deep.mkdir(parents=True)
    assert len(str(deep)) > 230
    for job in a_panel.jobs():
        job._temporary = deep
    segment(a_panel)
    assert a_panel.job.state.value == "finished", a_panel.job.sentence
    a_panel.folder = str(deep)
    a_panel.ui.exportButton.click()
    a_panel.work_until_exported()
    assert "Exported to" in a_panel.ui.exportLabel.text()
    assert {path.name for path in deep.iterdir()} == {"Knie_Zoë"}


def test_folders_that_may_not_be_written_to(a_panel, tmp_path, monkeypatch) -> None:
    segment(a_panel)
    before = Path.mkdir

    def forbidden(path: Path, *arguments: object, **more: object) -> None:
        if tmp_path in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        before(path, *arguments, **more)

    monkeypatch.setattr(Path, "mkdir", forbidden)
    a_panel.folder = str(tmp_path / "locked")
    a_panel.ui.reportCheckBox.setChecked(False)
    a_panel.ui.exportButton.click()
    a_panel.work_until_exported()
    assert (
        "cannot be written (Permission denied); choose a folder that you may write to." in a_panel.ui.exportLabel.text()
    )


def test_two_starts_at_once_are_one_run(a_panel) -> None:
    a_panel.ui.segmentButton.click()
    assert not a_panel.ui.segmentButton.isEnabled()
    a_panel.widget.form.segment()
    a_panel.widget.form.try_sample()
    assert a_panel.ui.logText.toPlainText().count("running already") == 2
    a_panel.work_until_idle()
    assert a_panel.desk.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_an_installation_that_failed_is_repeated_by_the_next_click(a_panel) -> None:
    from MultiJointSegSlicer.installation import InstallationError

    a_panel.desk.installer.error = InstallationError("torch could not be installed (no network). Check the connection.")
    assert "no network" in segment(a_panel)
    a_panel.desk.installer.error = None
    segment(a_panel)
    assert a_panel.job.state.value == "finished"


@unix
@pytest.mark.parametrize("behavior", ["refuse", "killed", "no-files", "broken-labels"])
def test_earlier_results_and_edits_outlive_every_failure(a_panel, behavior: str) -> None:
    import slicer
    from MultiJointSegSlicer.parameters import EarlierOption
    from MultiJointSegSlicer.scene.digests import mask_digests
    from MultiJointSegSlicer.scene.volumes import image_array

    segment(a_panel)
    node = a_panel.widget.form.results.nodes.segmentation
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation("femur", image)
    array = image_array(image)
    array[np.flatnonzero(array.any(axis=(1, 2)))[-3:]] = 0
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, "femur")
    a_panel.work_until_measured_again()
    edited, count = mask_digests(node), a_panel.desk.scene.GetNumberOfNodes()
    a_panel.widget._parameterNode.earlier = EarlierOption.REPLACE
    a_panel.behave(behavior)
    assert segment(a_panel).startswith("Failed: ")
    assert mask_digests(node) == edited
    assert a_panel.desk.scene.GetNumberOfNodes() == count
    assert a_panel.desk.volume.GetImageData().GetDimensions() == (40, 36, 20)


def test_nothing_of_a_failed_run_stays_on_the_disk(a_panel) -> None:
    a_panel.behave("no-files")
    segment(a_panel)
    assert os.listdir(a_panel.desk.temporary) == []  # noqa: PTH208 - names only
