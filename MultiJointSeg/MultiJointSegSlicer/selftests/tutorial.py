"""The tutorial, Resources/Tutorial/README.md, followed step by step; its pictures are taken here."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from MultiJointSegSlicer.selftests.base import SelfTest
from MultiJointSegSlicer.selftests.queueing import make_dataset

STEPS = (
    ("1. Open the module", "_step_open"),
    ("2. Segment", "_step_segment"),
    ("3. Review", "_step_review"),
    ("4. Correct", "_step_correct"),
    ("5. Measure", "_step_measure"),
    ("6. Export", "_step_export"),
    ("7. Many examinations", "_step_batch"),
    ("8. Hips in CT", "_step_hip"),
    ("9. Labels for a model of your own", "_step_queue"),
)
"""Headings of the tutorial, and what a person does there."""


class TutorialTests(SelfTest):
    """A new user, from an empty Slicer to the end of the tutorial."""

    def test_tutorial(self) -> None:
        """Every step leads to what the text says."""
        for heading, name in STEPS:
            try:
                getattr(self, name)()
            except Exception as error:
                error.add_note(f"in step '{heading}' of the tutorial")
                raise

    def _step_open(self) -> None:
        self._folder = Path(slicer.util.tempDirectory())
        self._widget = self.widget()
        for name, section in vars(self._widget.ui).items():
            if name.endswith("CollapsibleButton"):
                section.collapsed = name != "segmentCollapsibleButton"
        assert not self._widget.ui.segmentButton.enabled
        self.picture("slicer_start")

    def _step_segment(self) -> None:
        ui, job = self._widget.ui, self._widget.logic.parts.segmentation.job
        noise = np.random.default_rng(3).integers(0, 400, (24, 96, 96)).astype(np.int16)
        self._widget._parameterNode.inputVolume = slicer.util.addVolumeFromArray(noise, name="Noise")
        self.click_and_wait(ui.segmentButton, job, "failed")
        self.picture("slicer_refused", show=ui.inputSelector)
        slicer.mrmlScene.RemoveNode(self._widget._parameterNode.inputVolume)
        ui.sampleButton.click()
        self.wait_until(lambda: "bones" in ui.statusLabel.text.lower() or not job.state.busy, "the network")
        self.picture("slicer_running")
        self.wait_until_idle(job)
        assert job.state.value == "finished", job.sentence
        assert not ui.resultCollapsibleButton.collapsed
        self.picture("slicer_segment", show=ui.inputSelector)

    def _step_review(self) -> None:
        ui = self._widget.ui
        ui.segmentCollapsibleButton.collapsed = True
        ui.sliceTable.cellClicked(0, 0)
        ui.sliceTable.selectRow(0)
        ui.uncertaintyCheckBox.click()
        self.picture("slicer_review", show=ui.sliceTable)
        ui.uncertaintyCheckBox.click()

    def _step_correct(self) -> None:
        from MultiJointSegSlicer.scene.views import show_in_views

        widget, ui = self._widget, self._widget.ui
        ui.measurementCollapsibleButton.collapsed = True
        bones = [row[0] for row in self.texts(ui.boneTable)]
        ui.boneTable.cellClicked(bones.index("Femur"), 0)
        ui.boneTable.selectRow(bones.index("Femur"))
        nodes = widget.form.results.nodes
        show_in_views(slicer.mrmlScene, nodes.volume, nodes.segmentation)
        widget._parameterNode.reviewer = "AB"
        ui.acceptButton.click()
        assert ui.acceptanceLabel.text.startswith("Accepted by AB")
        ui.correctButton.click()
        editor = widget.form.correction.editor
        assert editor.currentSegmentID() == "femur"
        editor.setActiveEffectByName("Paint" if slicer.util.mainWindow() else "Margin")
        self.picture("slicer_correct", show=ui.editorFrame)
        before = self._number("Femur", "Volume")
        editor.setActiveEffectByName("Margin")
        editor.activeEffect().setParameter("MarginSizeMm", -2.0)
        self.wait_until_measured(widget, editor.activeEffect().self().onApply)
        editor.setActiveEffectByName("")
        assert self._number("Femur", "Volume") < before
        assert "no longer holds" in ui.acceptanceLabel.text
        ui.measurementCollapsibleButton.collapsed = False
        self.picture("slicer_edited", show=ui.acceptanceLabel)
        self.wait_until_measured(widget, editor.undo)
        assert abs(self._number("Femur", "Volume") / before - 1) < 0.02
        ui.correctButton.click()
        ui.acceptButton.click()

    def _step_measure(self) -> None:
        ui, nodes = self._widget.ui, self._widget.form.results.nodes
        lines = [n for n in nodes.markups if n.IsA("vtkMRMLMarkupsLineNode")]
        # Lines whose length is the number: these numbers follow the points.
        lengths = [
            (line, each["key"])
            for line in lines
            for each in json.loads(line.GetAttribute("MultiJointSeg.shown"))["measurements"]
            if each["relation"] == "length"
        ]
        line, key = next((pair for pair in lengths if "width" in pair[1]), lengths[0])
        keys = [
            nodes.table.GetTable().GetValueByName(row, "Key").ToString() for row in range(ui.measurementTable.rowCount)
        ]
        row = keys.index(key)
        ui.measurementTable.selectRow(row)
        ui.measurementTable.cellClicked(row, 0)
        ui.measurementTable.verticalScrollBar().setValue(max(row - 2, 0))
        shown = [n for n in nodes.markups if n.GetDisplayNode() and n.GetDisplayNode().GetVisibility()]
        assert line in shown
        assert len(shown) < len(nodes.markups)
        center = (np.array(line.GetNthControlPointPosition(0)) + line.GetNthControlPointPosition(1)) / 2
        from MultiJointSegSlicer.scene.views import jump_everywhere

        jump_everywhere(slicer.mrmlScene, center)
        self.picture("slicer_measure", show=ui.measuredLabel)
        before = self.texts(ui.measurementTable)[row]
        point = list(line.GetNthControlPointPosition(1))
        line.SetNthControlPointPosition(1, point[0] + 5.0, point[1] + 5.0, point[2])
        slicer.app.processEvents()
        after = self.texts(ui.measurementTable)[row]
        assert after[2] != before[2]
        assert "by hand" in after[4]
        ui.geometryCheckBox.click()

    def _step_export(self) -> None:
        ui, panel = self._widget.ui, self._widget.form.export
        ui.exportCollapsibleButton.collapsed = False
        before, panel._tools = panel._tools, replace(panel._tools, choose_folder=lambda _title: str(self._folder))
        try:
            self.click_and_wait(ui.exportButton, panel.logic.job)
        finally:
            panel._tools = before
        names = {path.name for path in self._folder.glob("*/*")}
        assert {"report.html", "femur.stl", "measurements.csv", "segmentation.seg.nrrd", "review.txt"} <= names, names
        self.picture("slicer_export", show=ui.exportLabel)

    def _step_batch(self) -> None:
        widget, ui = self._widget, self._widget.ui
        (self._folder / "in").mkdir()
        assert slicer.util.saveNode(widget.form.results.nodes.volume, str(self._folder / "in" / "knee.nii.gz"))
        ui.exportCollapsibleButton.collapsed = True
        ui.batchCollapsibleButton.collapsed = False
        parameters = widget._parameterNode
        parameters.batchInput, parameters.batchOutput = str(self._folder / "in"), str(self._folder / "out")
        self.click_and_wait(ui.batchButton, widget.logic.parts.batch.job)
        assert [row[:2] for row in self.texts(ui.batchTable)] == [["knee", "Knee"]]
        assert (self._folder / "out" / "knee" / "scene.mrb").is_file()
        self.picture("slicer_batch", show=ui.batchTable)
        ui.batchCollapsibleButton.collapsed = True

    def _step_hip(self) -> None:
        from MultiJointSegLib.phantom.pelvis_ct import PelvisCtSettings, make_pelvis_ct
        from MultiJointSegSlicer.parameters import JointOption
        from MultiJointSegSlicer.scene.volumes import add_volume_node

        widget, ui = self._widget, self._widget.ui
        steps = 250 if "MULTIJOINTSEG_SCREENSHOTS" in os.environ else 40
        self._config = make_dataset(self._folder, widget.form.results.nodes, steps=steps)
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        widget = self.widget()
        widget.initializeParameterNode()
        ui.segmentCollapsibleButton.collapsed = False
        made = make_pelvis_ct(PelvisCtSettings(seed=11, spacing_mm=(1.5, 1.5, 2.0), map_spacing_mm=1.5))
        job = widget.logic.parts.segmentation.job
        widget._parameterNode.inputVolume = add_volume_node(slicer.mrmlScene, made.volume, name="Pelvis CT")
        self.click_and_wait(ui.segmentButton, job, "failed")
        assert "choose 'Hip, from CT" in ui.statusLabel.text
        widget._parameterNode.joint = JointOption.HIP_CT
        self.click_and_wait(ui.segmentButton, job)
        center = [row for row in self.texts(ui.measurementTable) if "diameter" in row[1].lower() or "head" in row[1]]
        assert center, self.texts(ui.measurementTable)
        self._look_at_a_hip()
        self.picture("slicer_hip", show=ui.inputSelector)
        widget._parameterNode.joint = JointOption.AUTOMATIC

    def _look_at_a_hip(self) -> None:
        """Move the views to the middle of the left half of the bones."""
        from MultiJointSegSlicer.scene.views import jump_everywhere

        low_high = [0.0] * 6
        self._widget.form.results.nodes.segmentation.GetRASBounds(low_high)
        x = 0.75 * low_high[0] + 0.25 * low_high[1]
        jump_everywhere(slicer.mrmlScene, (x, (low_high[2] + low_high[3]) / 2, 0.5 * low_high[4] + 0.5 * low_high[5]))

    def _step_queue(self) -> None:
        ui = self._widget.ui
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        widget = self.widget()
        widget.initializeParameterNode()
        parameters, queue = widget._parameterNode, widget.logic.parts.queue
        ui.segmentCollapsibleButton.collapsed, ui.queueCollapsibleButton.collapsed = True, False
        parameters.refineConfig, parameters.queueFolder = str(self._config), str(self._folder / "work")
        parameters.queueReader = "AB"
        job = widget.logic.parts.retraining.job
        ui.retrainButton.click()
        self.wait_until(lambda: "Training" in ui.retrainLabel.text or not job.state.busy, "training")
        self.picture("slicer_retrain", show=ui.retrainLabel)
        self.wait_until_idle(job)
        assert job.state.value == "finished", job.sentence
        self.click_and_wait(ui.nextCaseButton, queue.job)
        ui.queueSliceTable.cellClicked(2, 0)
        ui.queueSliceTable.selectRow(2)
        self.picture("slicer_queue", show=ui.nextCaseButton)
        self.click_and_wait(ui.acceptCaseButton, queue.job)
        assert "was accepted" in ui.queueStatusLabel.text
        ui.segmentCollapsibleButton.collapsed, ui.queueCollapsibleButton.collapsed = False, True

    def _number(self, bone: str, name: str) -> float:
        rows: list[Any] = self.texts(self._widget.ui.measurementTable)
        return next(float(row[2]) for row in rows if row[:2] == [bone, name])
