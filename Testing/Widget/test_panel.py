"""A person's clicks on the module's own form: real Qt, a real scene, a real child process."""

from __future__ import annotations

import csv
import importlib.util
import sys

import pytest
from MultiJointSegSlicer.installation import InstallationError

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


@pytest.fixture
def a_result(a_panel):
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    assert a_panel.job.state.value == "finished", a_panel.job.sentence
    return a_panel


def test_volume_is_chosen_and_ready_at_first_sight(a_panel) -> None:
    a_panel.picture("01-start")
    assert a_panel.ui.inputSelector.currentNode() is a_panel.desk.volume
    assert a_panel.ui.segmentButton.isEnabled()
    assert not a_panel.ui.cancelButton.isEnabled()
    assert a_panel.ui.summaryLabel.text() == "No result yet."
    assert [a_panel.ui.jointComboBox.itemText(n) for n in range(4)] == ["Automatic", "Ankle", "Knee", "Shoulder"]


def test_segment_fills_review_and_measurements(a_result) -> None:
    a_result.picture("03-result")
    ui = a_result.ui
    assert "recognized with a confidence of 97 %" in ui.summaryLabel.text()
    assert "Note: The fibula and the patella were not found." in ui.summaryLabel.text()
    assert a_result.texts("boneTable") == [
        ["Femur", "0.93"], ["Fibula", "not found"], ["Patella", "not found"], ["Tibia", "0.88"],
    ]  # fmt: skip
    assert {tuple(row) for row in a_result.texts("sliceTable")} == {("Femur", "20", "0.60"), ("Tibia", "1", "0.60")}
    rows = a_result.texts("measurementTable")
    assert rows[1] == ["Femur", "Volume", "123457", "mm3", ""]
    assert rows[2][2:] == ["", "mm", "Not found."]
    assert "Extent along the body axis." in ui.measurementTable.item(0, 0).toolTip()
    assert not ui.progressBar.isVisible()
    assert ui.segmentButton.isEnabled()


def test_click_on_a_measurement_shows_its_geometry_alone(a_result) -> None:
    ui, markups = a_result.ui, a_result.widget.form.results.nodes.markups
    names = {node.GetName() for node in markups}
    row = next(n for n, row in enumerate(a_result.texts("measurementTable")) if f"{row[0]} - {row[1]}" in names)
    ui.measurementTable.cellClicked.emit(row, 0)
    shown = {node.GetName() for node in markups if node.GetDisplayNode().GetVisibility()}
    assert shown
    assert len(shown) < len(names) or len(names) == 1
    assert ui.geometryCheckBox.isChecked()


def test_click_on_a_slice_moves_the_slice_views(a_result) -> None:
    from MultiJointSegSlicer.scene.views import _create_views

    _create_views(a_result.desk.scene)
    view = a_result.desk.scene.GetFirstNodeByClass("vtkMRMLSliceNode")
    row = [r[0] for r in a_result.texts("sliceTable")].index("Femur")
    a_result.ui.sliceTable.cellClicked.emit(row, 0)
    assert view.GetSliceToRAS().GetElement(2, 3) == pytest.approx(28.5)


def test_progress_stage_and_time_are_shown_and_cancel_ends_it(a_panel) -> None:
    a_panel.behave("slow")
    a_panel.ui.segmentButton.click()
    a_panel.work(lambda: a_panel.ui.progressBar.value() == 400)
    a_panel.picture("02-running")
    assert "Segmenting the bones: slices 12 to 24 of 48  (0:0" in a_panel.ui.statusLabel.text()
    assert a_panel.ui.progressBar.isVisible()
    assert not a_panel.ui.segmentButton.isEnabled()
    a_panel.ui.cancelButton.click()
    assert not a_panel.ui.cancelButton.isEnabled()
    a_panel.work_until_idle()
    assert a_panel.ui.statusLabel.text() == "Cancelled; nothing was changed."
    assert a_panel.ui.segmentButton.isEnabled()
    assert not a_panel.desk.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize(("behavior", "part"), [("refuse", "none of the joints"), ("killed", "the memory ran out")])
def test_failures_are_sentences_on_screen(a_panel, behavior: str, part: str) -> None:
    a_panel.behave(behavior)
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    a_panel.picture(f"04-{behavior}")
    assert a_panel.ui.statusLabel.text().startswith("Failed: ")
    assert part in a_panel.ui.statusLabel.text()
    assert part in a_panel.ui.logText.toPlainText()


def test_log_can_be_copied(a_result) -> None:
    a_result.ui.copyLogButton.click()
    assert a_result.copied[0].startswith("$ ")
    assert "--joint auto --device auto" in a_result.copied[0]


def test_choices_reach_the_child(a_panel) -> None:
    a_panel.ui.jointComboBox.setCurrentIndex(2)
    a_panel.ui.jointComboBox.activated.emit(2)
    a_panel.ui.modelLineEdit.setText("/models/ünsere")
    a_panel.ui.modelLineEdit.textEdited.emit("/models/ünsere")
    a_panel.ui.outlineLineEdit.setText("/masks/ünsere.nii.gz")
    a_panel.ui.outlineLineEdit.textEdited.emit("/masks/ünsere.nii.gz")
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    assert (
        "--joint knee --device auto --model /models/ünsere --mask /masks/ünsere.nii.gz"
        in a_panel.ui.logText.toPlainText()
    )
    assert "Knee (as told)" in a_panel.ui.summaryLabel.text()


def test_one_click_makes_a_sample_and_segments_it(a_panel) -> None:
    a_panel.ui.sampleButton.click()
    a_panel.work_until_idle()
    assert a_panel.job.sentence == "The bones of 'Knee phantom' were added to the scene."
    assert a_panel.ui.inputSelector.currentText() == "Knee phantom"
    assert a_panel.texts("boneTable")


def test_cancelled_sample_is_not_segmented(a_panel) -> None:
    a_panel.behave("slow")
    a_panel.ui.sampleButton.click()
    a_panel.work(lambda: a_panel.ui.progressBar.value() == 400)
    a_panel.ui.cancelButton.click()
    a_panel.work_until_idle()
    assert a_panel.job.state.value == "idle"


def test_measurements_can_be_copied_saved_and_shown_in_views(a_result, tmp_path) -> None:
    a_result.ui.copyMeasurementsButton.click()
    assert a_result.copied[0].splitlines()[0] == "Bone\tMeasurement\tValue\tUnit\tNote"
    a_result.file = str(tmp_path / "Maße.csv")
    a_result.ui.saveMeasurementsButton.click()
    with open(a_result.file, encoding="utf-8", newline="") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    assert (rows[1]["Value"], rows[1]["Key"]) == ("123457", "femur_volume")
    a_result.file = str(tmp_path / "missing" / "x.csv")
    a_result.ui.saveMeasurementsButton.click()
    assert "cannot be written" in a_result.errors[0]
    markup = a_result.desk.scene.GetFirstNodeByClass("vtkMRMLMarkupsLineNode")
    assert not markup.GetDisplayNode().GetVisibility()
    a_result.ui.geometryCheckBox.click()
    assert markup.GetDisplayNode().GetVisibility()


def test_removed_results_and_closed_scenes_leave_an_empty_form(a_result) -> None:
    from MultiJointSegSlicer.scene.nodes import remove_results, result_nodes

    scene, volume = a_result.desk.scene, a_result.desk.volume
    remove_results(scene, volume, result_nodes(scene, volume))
    assert a_result.ui.summaryLabel.text() == "No result yet."
    assert a_result.texts("measurementTable") == []
    assert not a_result.ui.exportButton.isEnabled()


def test_leaving_the_module_during_a_run_and_coming_back(a_panel) -> None:
    a_panel.ui.segmentButton.click()
    a_panel.widget.exit()
    a_panel.work_until_idle()
    a_panel.widget.enter()
    assert a_panel.texts("boneTable")


def test_declined_installation_is_said(a_panel) -> None:
    a_panel.desk.installer.error = InstallationError("Not installed, so nothing was done.")
    a_panel.ui.segmentButton.click()
    assert a_panel.ui.statusLabel.text() == "Failed: Not installed, so nothing was done."
    assert a_panel.ui.segmentButton.isEnabled()


def test_hips_of_a_ct_are_annotated_by_another_command(a_panel) -> None:
    from MultiJointSegSlicer.parameters import JointOption

    a_panel.desk.volume.SetAttribute("DICOM.Modality", "CT")
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    assert "choose 'Hip, from CT" in a_panel.ui.statusLabel.text()
    combo = a_panel.ui.jointComboBox
    combo.setCurrentIndex(list(JointOption).index(JointOption.HIP_CT))
    combo.activated.emit(combo.currentIndex())
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    assert a_panel.job.state.value == "finished", a_panel.job.sentence
    assert " annotate hip " in a_panel.ui.logText.toPlainText()
    a_panel.behave("refuse")
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    assert a_panel.ui.statusLabel.text().startswith("Failed: The images show none")


def test_sentences_of_several_lines_get_the_room_they_need(a_panel) -> None:
    label, fitting = a_panel.ui.statusLabel, a_panel.widget.form.fitting
    a_panel.widget.enter()
    assert fitting._timer.isActive()
    fitting.fit()
    one_line = label.minimumHeight()
    label.setText("A sentence that is far too long for one line of the narrow panel. " * 6)
    fitting.fit()
    assert label.minimumHeight() == label.heightForWidth(label.width()) > 3 * one_line
    label.setText("Short.")
    fitting.fit()
    assert label.minimumHeight() == one_line
    label.setText("")
    fitting.fit()
    assert label.minimumHeight() == 0
    a_panel.widget.exit()
    assert not fitting._timer.isActive()
