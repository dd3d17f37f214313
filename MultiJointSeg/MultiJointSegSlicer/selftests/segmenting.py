"""Segment, cancel, refusal, batch."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import slicer
import vtk

from MultiJointSegSlicer.selftests.base import SelfTest


class SegmentingTests(SelfTest):
    """From a volume to segments, and what may come between."""

    def test_sample_is_segmented_and_shown(self) -> None:
        """One click makes a phantom, segments it, places and shows the result, and fills the tables."""
        widget = self.widget()
        self.picture("start")
        widget.ui.sampleButton.click()
        job = widget.logic.parts.segmentation.job
        assert not widget.ui.progressBar.isHidden()
        assert not widget.ui.segmentButton.enabled
        self.wait_until_idle(job)
        assert job.state.value == "finished", job.sentence
        assert widget.ui.boneTable.rowCount > 0
        assert widget.ui.measurementTable.rowCount > 0
        nodes = widget.form.results.nodes
        segmentation = nodes.segmentation
        assert segmentation.GetNodeReference("referenceImageGeometryRef") is not None
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(n)) for n in (nodes.volume, segmentation)}
        assert len(parents) == 1, "the segmentation is not beside the volume"
        for segment_id in segmentation.GetSegmentation().GetSegmentIDs():
            text, entry = vtk.reference(""), slicer.vtkSlicerTerminologyEntry()
            segmentation.GetSegmentation().GetSegment(segment_id).GetTag("TerminologyEntry", text)
            assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(str(text), entry), text
            assert entry.GetTypeObject().GetCodeMeaning().lower() == segment_id.split("_")[-1]
        assert segmentation.GetDisplayNode().GetVisibility3D()
        low_high = [0.0] * 6
        segmentation.GetRASBounds(low_high)
        for name, axis in (("Red", 2), ("Green", 1), ("Yellow", 0)):
            node = self.slice_view(name)
            assert low_high[2 * axis] < node.GetSliceToRAS().GetElement(axis, 3) < low_high[2 * axis + 1], (
                f"{name} is beside"
            )
        self.picture("segment", show=widget.ui.inputSelector)

    def test_second_volume_and_a_second_run_that_replaces(self) -> None:
        """Another volume is segmented without a restart; its own second run takes the place of the first."""
        widget = self.sample_result()
        first = widget.form.results.nodes
        from MultiJointSegSlicer.parameters import EarlierOption, JointOption

        second = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, first.volume, "Second knee")
        parameters = widget._parameterNode
        parameters.inputVolume = second
        assert widget.ui.measurementTable.rowCount == 0
        parameters.joint = JointOption.KNEE
        job = widget.logic.parts.segmentation.job
        self.click_and_wait(widget.ui.segmentButton, job)
        assert "as told" in widget.ui.summaryLabel.text
        assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 2
        parameters.earlier = EarlierOption.REPLACE
        before = widget.form.results.nodes.segmentation.GetID()
        self.click_and_wait(widget.ui.segmentButton, job)
        assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 2
        assert slicer.mrmlScene.GetNodeByID(before) is None
        parameters.inputVolume = first.volume
        assert widget.form.results.nodes.segmentation == first.segmentation

    def test_volumes_that_are_no_examination_are_refused_with_a_sentence(self) -> None:
        """A picture of one slice, and noise; also a model folder that is none."""
        widget = self.widget()
        assert not widget.ui.segmentButton.enabled
        parameters, job = widget._parameterNode, widget.logic.parts.segmentation.job
        parameters.inputVolume = slicer.util.addVolumeFromArray(np.ones((1, 64, 64), np.int16), name="One slice")
        self.click_and_wait(widget.ui.segmentButton, job, "failed")
        assert widget.ui.statusLabel.text.startswith("Failed: "), widget.ui.statusLabel.text
        noise = np.random.default_rng(3).integers(0, 400, (24, 96, 96)).astype(np.int16)
        parameters.inputVolume = slicer.util.addVolumeFromArray(noise, name="Noise")
        parameters.modelFolder = "/no/such/model"
        self.click_and_wait(widget.ui.segmentButton, job, "failed")
        assert "/no/such/model" in widget.ui.statusLabel.text
        parameters.modelFolder = ""
        self.click_and_wait(widget.ui.segmentButton, job, "failed")
        assert len(widget.ui.statusLabel.text) > 40, widget.ui.statusLabel.text
        assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []
        self.picture("refused", show=widget.ui.inputSelector)

    def test_cancel_ends_the_child(self) -> None:
        """Cancel in the middle leaves the scene as it was."""
        widget = self.widget()
        widget.ui.sampleButton.click()
        job = widget.logic.parts.segmentation.job
        end = time.monotonic() + 2
        while time.monotonic() < end:
            slicer.app.processEvents()
        self.picture("running")
        widget.ui.cancelButton.click()
        self.wait_until_idle(job)
        assert job.state.value == "idle", job.sentence
        assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []

    def test_closing_the_scene_or_removing_the_volume_ends_a_run(self) -> None:
        """The child goes, a sentence says why, and nothing is added."""
        widget = self.widget()
        job = widget.logic.parts.segmentation.job
        widget.ui.sampleButton.click()
        slicer.mrmlScene.Clear()
        self.wait_until_idle(job)
        assert job.state.value == "idle", job.sentence
        assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
        noise = np.random.default_rng(3).integers(0, 400, (24, 96, 96)).astype(np.int16)
        volume = slicer.util.addVolumeFromArray(noise, name="Soon gone")
        widget._parameterNode.inputVolume = volume
        widget.ui.segmentButton.click()
        slicer.mrmlScene.RemoveNode(volume)
        self.wait_until_idle(job)
        assert job.state.value == "failed"
        assert "'Soon gone' was removed" in job.sentence

    def test_folder_of_examinations(self) -> None:
        """The batch segments a folder and shows its table; a second start does nothing again."""
        widget = self.sample_result()
        folder = Path(slicer.util.tempDirectory())
        (folder / "in").mkdir()
        nodes, parameters, job = widget.form.results.nodes, widget._parameterNode, widget.logic.parts.batch.job
        assert slicer.util.saveNode(nodes.volume, str(folder / "in" / "knee.nii.gz"))
        parameters.batchInput, parameters.batchOutput = str(folder / "in"), str(folder / "out")
        widget.ui.batchCollapsibleButton.collapsed = False
        self.click_and_wait(widget.ui.batchButton, job)
        rows = self.texts(widget.ui.batchTable)
        assert [row[:2] for row in rows] == [["knee", "Knee"]]
        assert any((folder / "out").glob("knee/measurements.*"))
        assert (folder / "out" / "knee" / "scene.mrb").is_file()
        self.picture("batch", show=widget.ui.batchTable)
        if slicer.util.mainWindow():
            self.expect_no_overlap(widget)
        self.click_and_wait(widget.ui.batchButton, job)
        assert "1 of them before" in widget.ui.batchStatusLabel.text

    def test_run_is_kept_for_a_report(self) -> None:
        """What a report needs survives in the scene file."""
        widget = self.sample_result()
        run = json.loads(widget.form.results.nodes.segmentation.GetAttribute("MultiJointSeg.run"))
        assert run["joint"] == "knee"

    def test_hips_of_a_ct_are_annotated(self) -> None:
        """A CT is refused by the network's choices with a word on the right one, which labels both hips."""
        from MultiJointSegLib.phantom.pelvis_ct import PelvisCtSettings, make_pelvis_ct
        from MultiJointSegSlicer.parameters import JointOption
        from MultiJointSegSlicer.scene.volumes import add_volume_node

        widget = self.widget()
        parameters, job = widget._parameterNode, widget.logic.parts.segmentation.job
        made = make_pelvis_ct(PelvisCtSettings(seed=11, spacing_mm=(1.5, 1.5, 2.0), map_spacing_mm=1.5))
        parameters.inputVolume = add_volume_node(slicer.mrmlScene, made.volume, name="Pelvis CT")
        self.click_and_wait(widget.ui.segmentButton, job, "failed")
        assert "choose 'Hip, from CT" in widget.ui.statusLabel.text, widget.ui.statusLabel.text
        parameters.joint = JointOption.HIP_CT
        self.click_and_wait(widget.ui.segmentButton, job)
        nodes = widget.form.results.nodes
        from MultiJointSegSlicer.exporting import on_grid
        from MultiJointSegSlicer.scene.reading import labels_from_node

        found = on_grid(labels_from_node(nodes.segmentation), made.labels.geometry)
        for value in np.unique(made.labels.array)[1:]:
            a, b = found.array == value, made.labels.array == value
            assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.85, value
        assert widget.ui.measurementTable.rowCount > 4
        assert widget.ui.sliceTable.rowCount > 0
        self.picture("hip", show=widget.ui.inputSelector)
        noise = np.random.default_rng(3).integers(0, 400, (24, 96, 96)).astype(np.int16)
        parameters.inputVolume = slicer.util.addVolumeFromArray(noise, name="Noise")
        self.click_and_wait(widget.ui.segmentButton, job, "failed")
        assert "no Hounsfield units" in widget.ui.statusLabel.text, widget.ui.statusLabel.text
