"""A person segments a whole folder: real Qt, a real child process that stands in for the command line."""

from __future__ import annotations

import importlib.util

import pytest
from MultiJointSegSlicer.parameters import JointOption

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


@pytest.fixture
def a_batch(a_panel, tmp_path):
    a_panel.ui.batchCollapsibleButton.collapsed = False
    for name in ("a", "ö"):
        (tmp_path / "in" / f"{name}.nii").parent.mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.nii").touch()
    for text, folder in (("batchInput", "in"), ("batchOutput", "out")):
        a_panel.folder = str(tmp_path / folder)
        getattr(a_panel.ui, f"{text}Button").click()
    return a_panel


def run(panel) -> str:
    panel.ui.batchButton.click()
    panel.work(lambda: not panel.parts.batch.job.state.busy)
    return panel.ui.batchStatusLabel.text()


def test_a_folder_is_segmented_and_its_table_shown(a_batch, tmp_path) -> None:
    ui = a_batch.ui
    assert ui.batchInputLineEdit.text() == str(tmp_path / "in")
    assert not ui.batchTable.isVisible()
    sentence = run(a_batch)
    assert sentence == f"2 segmented, 0 refused; 0 of them before. Results: {tmp_path / 'out'}"
    assert a_batch.texts("batchTable") == [["a", "Knee", "finished", ""], ["ö", "Knee", "finished", ""]]
    a_batch.picture("10-batch")
    assert ui.batchTable.isVisible()
    assert "cohort" in ui.logText.toPlainText()
    assert ui.segmentButton.isEnabled()


def test_a_second_run_goes_on_where_the_first_was_cancelled(a_batch, tmp_path) -> None:
    ui = a_batch.ui
    (tmp_path / "in" / "slow.nii").touch()
    (tmp_path / "in" / "b.nii").touch()
    ui.batchButton.click()
    a_batch.work(lambda: "2 of 4 done" in ui.batchStatusLabel.text())
    a_batch.picture("11-batch-running")
    assert not ui.batchButton.isEnabled()
    ui.batchCancelButton.click()
    a_batch.work(lambda: not a_batch.parts.batch.job.state.busy)
    assert "start again to go on" in ui.batchStatusLabel.text()
    assert [row[0] for row in a_batch.texts("batchTable")] == ["a", "b"]
    a_batch.parts.batch.job._environment["FAKE_LIBRARY_QUICK"] = "1"
    assert "4 segmented, 0 refused; 2 of them before" in run(a_batch)


def test_failures_are_in_the_table_and_in_words(a_batch, tmp_path) -> None:
    (tmp_path / "in" / "bad.nii").touch()
    assert run(a_batch) == "Failed: 1 of 3 examinations failed."
    assert a_batch.texts("batchTable")[1] == ["bad", "", "failed", "It is empty."]
    a_batch.picture("12-batch-failed")


def test_missing_folders_are_sentences(a_batch) -> None:
    parameters = a_batch.widget._parameterNode
    parameters.batchInput = "/nirgends/hier"
    assert run(a_batch) == "Failed: Choose a folder of examinations; '/nirgends/hier' is none."
    parameters.batchInput, parameters.batchOutput = str(a_batch.desk.temporary), "  "
    assert run(a_batch) == "Failed: Choose a folder for the results."
    parameters.batchOutput = str(a_batch.desk.temporary)
    parameters.joint = JointOption.HIP_CT
    assert run(a_batch) == "Failed: Hips in CT are segmented one by one; choose another joint for a batch."


def test_a_batch_and_a_single_examination_run_beside_each_other(a_batch, tmp_path) -> None:
    (tmp_path / "in" / "slow.nii").touch()
    a_batch.ui.batchButton.click()
    a_batch.ui.segmentButton.click()
    a_batch.work_until_idle()
    assert a_batch.job.state.value == "finished"
    assert a_batch.parts.batch.job.state.busy


def test_arguments_are_those_of_the_command_line() -> None:
    from MultiJointSegSlicer.parameters import JointOption, RunSettings

    from MultiJointSegLib.cli.parser import build_parser

    given = build_parser().parse_args(RunSettings(JointOption.KNEE, model="m").batch_arguments("in", "out"))
    assert (given.command, given.input, given.output) == ("cohort", ["in"], "out")
    assert (given.joint, given.device, given.model, given.progress_json) == ("knee", "auto", "m", True)
