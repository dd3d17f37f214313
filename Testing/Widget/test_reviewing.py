"""A person looks at a result, corrects it, measures and accepts it: real Qt, a real scene, real child processes."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

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


def nodes_of(panel):
    return panel.widget.form.results.nodes


def cut(panel, segment_id: str = "femur") -> None:
    """Erase half of a bone, as Segment Editor's effects write it."""
    import slicer
    from MultiJointSegSlicer.scene.volumes import image_array

    node = nodes_of(panel).segmentation
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    array = image_array(image)
    filled = np.flatnonzero(array.any(axis=(1, 2)))
    array[filled[len(filled) // 2] :] = 0
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, segment_id)


def value(panel, bone: str, name: str) -> str:
    return next(row[2] for row in panel.texts("measurementTable") if row[:2] == [bone, name])


def test_editor_opens_with_the_chosen_bone_and_shortcuts_go_with_the_module(a_result) -> None:
    ui, correction = a_result.ui, a_result.widget.form.correction
    assert ui.correctButton.isEnabled()
    assert not ui.editorFrame.isVisible()
    ui.boneTable.cellClicked.emit([row[0] for row in a_result.texts("boneTable")].index("Tibia"), 0)
    ui.correctButton.click()
    editor = correction.editor
    a_result.picture("05-correct")
    assert editor.isVisible()
    assert editor.values["CurrentSegmentID"] == "tibia"
    assert editor.values["SegmentationNode"] is nodes_of(a_result).segmentation
    assert editor.values["SourceVolumeNode"] is a_result.desk.volume
    assert editor.values["MaximumNumberOfUndoStates"] == 10
    parameters = editor.values["MRMLSegmentEditorNode"]
    assert (parameters.GetSingletonTag(), parameters.GetOverwriteMode()) == ("MultiJointSeg", parameters.OverwriteNone)
    ui.sliceTable.cellClicked.emit([row[0] for row in a_result.texts("sliceTable")].index("Femur"), 0)
    assert editor.values["CurrentSegmentID"] == "femur"
    assert editor.asked.count("installKeyboardShortcuts") == 1
    a_result.widget.exit()
    assert editor.asked[-3:] == ["setActiveEffectByName", "uninstallKeyboardShortcuts", "removeViewObservations"]
    a_result.widget.enter()
    assert editor.asked.count("installKeyboardShortcuts") == 2
    assert correction.editor is editor
    ui.correctButton.click()
    assert not ui.editorFrame.isVisible()
    assert editor.asked.count("uninstallKeyboardShortcuts") == 2
    # Its undo steps go with the parameter set and the masks, which the editor keeps.
    assert None not in (editor.values["SegmentationNode"], editor.values["MRMLSegmentEditorNode"])


def test_editor_lets_go_of_a_scene_that_is_closed_and_works_in_the_next(a_result) -> None:
    a_result.ui.correctButton.click()
    editor = a_result.widget.form.correction.editor
    a_result.desk.scene.Clear(False)
    assert editor.values["SegmentationNode"] is None
    assert not a_result.ui.editorFrame.isVisible()
    assert not a_result.ui.correctButton.isEnabled()
    assert editor.asked.count("uninstallKeyboardShortcuts") == 1


def test_doubt_is_laid_over_the_slices_and_taken_away(a_result) -> None:
    from MultiJointSegSlicer.scene.views import _create_views

    _create_views(a_result.desk.scene)
    composite = a_result.desk.scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    box = a_result.ui.uncertaintyCheckBox
    assert box.isEnabled() and not box.isChecked()
    box.click()
    assert composite.GetLabelVolumeID() == nodes_of(a_result).uncertainty.GetID()
    a_result.widget.form.refresh()
    assert box.isChecked()
    assert a_result.ui.inputSelector.count() == 2
    box.click()
    assert not composite.GetLabelVolumeID()


def test_acceptance_is_shown_kept_and_taken_away_by_an_edit(a_result) -> None:
    ui = a_result.ui
    assert ui.acceptanceLabel.text() == "Not accepted yet."
    ui.reviewerLineEdit.setText("Zoë Müller")
    ui.reviewerLineEdit.textEdited.emit("Zoë Müller")
    ui.acceptButton.click()
    assert ui.acceptanceLabel.text().startswith("Accepted by Zoë Müller on 20")
    assert not ui.acceptButton.isEnabled()
    a_result.picture("06-accepted")
    cut(a_result)
    a_result.work(lambda: "no longer holds" in ui.acceptanceLabel.text())
    assert "the acceptance by Zoë Müller of" in ui.acceptanceLabel.text()
    assert ui.acceptButton.isEnabled()
    a_result.work_until_measured()
    a_result.picture("07-edited")
    ui.acceptButton.click()
    assert ui.acceptanceLabel.text().startswith("Accepted by Zoë Müller on 20")


def test_an_edit_is_measured_in_the_background_and_only_where_it_was(a_result) -> None:
    nodes = nodes_of(a_result)
    femur, tibia = nodes.models["femur"], nodes.models["tibia"]
    before, tibia_surface = femur.GetPolyData().GetBounds(), tibia.GetPolyData()
    height = float(value(a_result, "Femur", "Height"))
    cut(a_result)
    a_result.work(lambda: a_result.ui.measuredLabel.text() == "Measuring again ...")
    a_result.work_until_measured()
    assert float(value(a_result, "Femur", "Height")) < height - 5
    assert femur.GetPolyData().GetBounds()[5] < before[5] - 5
    assert tibia.GetPolyData() is tibia_surface
    closed = nodes.segmentation.GetSegmentation().GetSegment("femur").GetRepresentation("Closed surface")
    assert closed.GetBounds()[5] == pytest.approx(femur.GetPolyData().GetBounds()[5])
    assert {node.GetName() for node in nodes_of(a_result).markups} == {"Femur - Height", "Tibia - Height"}
    assert a_result.job.state.value == "finished"


def test_measuring_again_sees_the_image(a_result) -> None:
    """Growth plates are not in the masks: the child gets the examination where the masks are."""
    assert not any(row[1] == "Growth plate" for row in a_result.texts("measurementTable"))
    cut(a_result)
    a_result.work_until_measured_again()
    # The bones of the stand-in are where the image is 900; beside them it is 100.
    assert float(value(a_result, "Femur", "Growth plate")) == 900.0


def test_an_erased_bone_loses_surface_and_numbers(a_result) -> None:
    import slicer

    node = nodes_of(a_result).segmentation
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation("tibia", image)
    image.GetPointData().GetScalars().Fill(0)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, "tibia")
    a_result.work(lambda: a_result.ui.measuredLabel.text() == "Measuring again ...")
    a_result.work_until_measured()
    assert set(nodes_of(a_result).models) == {"femur"}
    assert {row[0] for row in a_result.texts("measurementTable")} == {"Femur"}


def test_edits_during_measuring_are_measured_too(a_result) -> None:
    job = a_result.parts.remeasuring.job
    a_result.behave("slow", job)
    cut(a_result)
    a_result.work(lambda: job.state.value == "running")
    a_result.behave("", job)
    cut(a_result, "tibia")
    a_result.work(lambda: job.state.value == "cancelling")
    a_result.work_until_measured()
    from MultiJointSegSlicer.scene.watching import edited_since_measured

    assert edited_since_measured(nodes_of(a_result).segmentation) == set()
    assert not a_result.parts.remeasuring._changed


def test_measuring_can_be_switched_off_and_caught_up(a_result) -> None:
    ui = a_result.ui
    ui.liveCheckBox.click()
    height = value(a_result, "Femur", "Height")
    cut(a_result)
    a_result.work(lambda: ui.measuredLabel.text() == "The masks were edited after they were measured.")
    assert value(a_result, "Femur", "Height") == height
    ui.liveCheckBox.click()
    a_result.work_until_measured()
    assert value(a_result, "Femur", "Height") != height


def test_failed_measuring_is_a_sentence_and_changes_nothing(a_result) -> None:
    job = a_result.parts.remeasuring.job
    a_result.behave("killed", job)
    before = a_result.texts("measurementTable")
    cut(a_result)
    a_result.work_until_measured_again()
    assert "memory ran out" in a_result.ui.measuredLabel.text()
    assert a_result.texts("measurementTable") == before
    a_result.behave("", job)
    a_result.ui.measureAgainButton.click()
    a_result.work_until_measured()
    assert a_result.texts("measurementTable") != before


def test_moving_a_markup_changes_its_number_until_all_is_measured_again(a_result) -> None:
    cut(a_result, "tibia")
    a_result.work_until_measured_again()
    line = next(n for n in nodes_of(a_result).markups if n.GetName() == "Femur - Height")
    x, y, z = line.GetNthControlPointPosition(0)
    line.SetNthControlPointPosition(1, x, y, z + 12.5)
    assert value(a_result, "Femur", "Height") == "12.5"
    a_result.picture("08-markup-moved")
    cut(a_result, "tibia")
    a_result.work_until_measured_again()
    assert value(a_result, "Femur", "Height") == "12.5"
    a_result.ui.measureAgainButton.click()
    a_result.work_until_measured_again()
    assert value(a_result, "Femur", "Height") != "12.5"


def test_removing_the_segmentation_during_measuring_is_no_harm(a_result) -> None:
    job = a_result.parts.remeasuring.job
    a_result.behave("slow", job)
    cut(a_result)
    a_result.work(lambda: job.state.value == "running")
    a_result.desk.scene.RemoveNode(nodes_of(a_result).segmentation)
    a_result.work(lambda: not job.state.busy)
    assert not a_result.ui.correctButton.isEnabled()
    assert a_result.ui.measuredLabel.text() == ""
