"""Scenes that are saved, loaded and closed; samples; reload of the module."""

from __future__ import annotations

from pathlib import Path

import slicer

from MultiJointSegSlicer.selftests.base import SelfTest


class LifetimeTests(SelfTest):
    """What stays, and what goes without a trace."""

    def test_choices_survive_saving_and_loading(self) -> None:
        """They are in the scene."""
        from MultiJointSegSlicer.parameters import JointOption

        node = self.module().MultiJointSegLogic().getParameterNode()
        node.joint = JointOption.KNEE
        node.modelFolder = "/models/mine"
        path = Path(slicer.util.tempDirectory()) / "scene.mrb"
        assert slicer.util.saveScene(str(path))
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(str(path))
        loaded = self.module().MultiJointSegLogic().getParameterNode()
        assert loaded.joint == JointOption.KNEE
        assert loaded.modelFolder == "/models/mine"

    def test_result_survives_saving_and_loading(self) -> None:
        """Tables, markups, review and acceptance come back with the scene; closing it empties the form."""
        widget = self.sample_result()
        widget._parameterNode.reviewer = "Zoë"
        widget.ui.acceptButton.click()
        tables = [self.texts(table) for table in _tables(widget)]
        markups = sorted(node.GetName() for node in widget.form.results.nodes.markups)
        path = Path(slicer.util.tempDirectory()) / "Größe und ähnliches.mrb"
        assert slicer.util.saveScene(str(path))
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        assert [table.rowCount for table in _tables(widget)] == [0, 0, 0]
        assert not widget.ui.correctButton.enabled
        slicer.util.loadScene(str(path))
        self.widget().initializeParameterNode()
        slicer.app.processEvents()
        assert [self.texts(table) for table in _tables(widget)] == tables
        assert sorted(node.GetName() for node in widget.form.results.nodes.markups) == markups
        assert widget.ui.acceptanceLabel.text.startswith("Accepted by Zoë"), widget.ui.acceptanceLabel.text

    def test_scene_is_closed_while_the_editor_is_open(self) -> None:
        """The editor lets go of its nodes and works in the next scene."""
        widget = self.sample_result()
        widget.ui.correctButton.click()
        widget.form.correction.editor.setActiveEffectByName("Margin")
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        assert not widget.ui.correctButton.checked
        widget = self.sample_result()
        widget.ui.correctButton.click()
        editor = widget.form.correction.editor
        assert editor.segmentationNode() == widget.form.results.nodes.segmentation
        parameters = editor.mrmlSegmentEditorNode()
        assert parameters.GetOverwriteMode() == parameters.OverwriteNone
        widget.ui.correctButton.click()

    def test_segmentation_is_removed_while_it_is_shown(self) -> None:
        """The form shows what is left."""
        widget = self.sample_result()
        widget.ui.correctButton.click()
        slicer.mrmlScene.RemoveNode(widget.form.results.nodes.segmentation)
        slicer.app.processEvents()
        assert widget.ui.boneTable.rowCount == 0
        assert not widget.ui.correctButton.enabled
        slicer.mrmlScene.RemoveNode(widget._parameterNode.inputVolume)
        slicer.app.processEvents()
        assert widget.ui.measurementTable.rowCount == 0

    def test_sample_data_module_offers_the_phantom(self) -> None:
        """It is made and added like a download."""
        import SampleData

        self.module().registerSampleData()
        assert "MultiJointSeg" in slicer.modules.sampleDataSources
        source = SampleData.SampleDataLogic().sourceForSampleName("MultiJointSegKneePhantom")
        (node,) = source.customDownloader(source)
        assert node.IsA("vtkMRMLScalarVolumeNode")
        widget = self.widget()
        widget.initializeParameterNode()
        assert widget._parameterNode.inputVolume == node

    def test_module_is_reloaded(self) -> None:
        """The result is shown by the new form, and a run of the old one has ended."""
        widget = self.sample_result()
        rows = widget.ui.measurementTable.rowCount
        widget.ui.correctButton.click()
        widget.ui.segmentButton.click()
        job = widget.logic.parts.segmentation.job
        widget.onReload()
        assert not job.state.busy
        new = slicer.modules.MultiJointSegWidget
        assert new is not widget
        new.enter()
        assert new.ui.measurementTable.rowCount == rows
        new.ui.correctButton.click()
        assert new.form.correction.editor.segmentationNode() == new.form.results.nodes.segmentation
        new.ui.correctButton.click()


def _tables(widget: object) -> list:
    ui = widget.ui
    return [ui.boneTable, ui.sliceTable, ui.measurementTable]
