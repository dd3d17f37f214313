"""Review, correct, accept, measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

from MultiJointSegSlicer.selftests.base import SelfTest


class ReviewingTests(SelfTest):
    """What a person does with a result."""

    def test_click_on_a_slice_goes_there_and_doubt_is_laid_over(self) -> None:
        """The list of doubtful slices moves the views; the overlay comes and goes."""
        widget = self.sample_result()
        assert widget.ui.sliceTable.rowCount > 0
        widget.ui.sliceTable.cellClicked(0, 0)
        position = widget.form.results._slices[0].position_ras_mm
        node = self.slice_view("Yellow")
        assert abs(node.GetSliceToRAS().GetElement(0, 3) - position[0]) < 1.0, position
        composite = self.slice_view("Yellow", "vtkMRMLSliceCompositeNode")
        widget.ui.uncertaintyCheckBox.click()
        assert composite.GetLabelVolumeID() == widget.form.results.nodes.uncertainty.GetID()
        self.picture("review", show=widget.ui.sliceTable)
        widget.ui.uncertaintyCheckBox.click()
        assert not composite.GetLabelVolumeID()

    def test_no_two_parts_of_the_form_overlap(self) -> None:
        """With all sections open, the editor too, every widget has a place of its own and tables show whole rows."""
        widget = self.sample_result()
        ui = widget.ui
        sections = [each for name, each in vars(ui).items() if name.endswith("CollapsibleButton")]
        assert len(sections) > 7
        for section in sections:
            section.collapsed = False
        # As a result with many warnings, which takes several lines in a narrow panel.
        ui.summaryLabel.text = "\n".join(["Note: a sentence of the length that warnings usually have, or longer."] * 6)
        slicer.app.processEvents()
        # What comes later needs room, too.
        for label in (ui.batchStatusLabel, ui.exportLabel, ui.planeLabel, ui.queueStatusLabel, ui.retrainLabel):
            label.text = (
                "1 segmented, 0 refused; 0 of them before. Results: /a/path/that/is/as/long/as/paths/are/in/hospitals"
            )
        for table in (ui.batchTable, ui.planeTable, ui.agreementTable, ui.caseFrame):
            table.visible = True
        slicer.app.processEvents()
        if slicer.util.mainWindow():
            for editor in ("", "editor_", "after_"):
                for n, shown in enumerate((ui.boneTable, ui.sliceTable, ui.measurementTable, ui.logText)):
                    self.picture(f"all_{editor}{n}", show=shown)
                self.expect_no_overlap(widget)
                widget.ui.correctButton.click()
            widget.ui.correctButton.click()
        usual = (ui.segmentCollapsibleButton, ui.resultCollapsibleButton, ui.measurementCollapsibleButton)
        for section in sections:
            section.collapsed = section not in usual

    def test_editor_opens_here_and_gives_the_keyboard_back(self) -> None:
        """The chosen bone is selected; shortcuts are there only while the editor is open and the module is shown."""
        widget = self.sample_result()
        nodes, correction = widget.form.results.nodes, widget.form.correction
        before = _shortcuts()
        widget.ui.boneTable.cellClicked(1, 0)
        widget.ui.correctButton.click()
        editor = correction.editor
        assert editor.segmentationNode() == nodes.segmentation
        assert editor.sourceVolumeNode() == nodes.volume
        assert editor.currentSegmentID() == list(widget.form.results.review.bone_confidence)[1]
        assert widget.ui.editorFrame.visible or not slicer.util.mainWindow()
        # Without a main window the effects that show a brush crash in Slicer itself.
        effect = "Paint" if slicer.util.mainWindow() else "Margin"
        editor.setActiveEffectByName(effect)
        assert editor.activeEffect().name == effect
        if slicer.util.mainWindow():
            assert _shortcuts() > before
            self.picture("correct", show=editor)
            slicer.util.selectModule("Data")
            assert _shortcuts() == before
            assert editor.activeEffect() is None
            slicer.util.selectModule("MultiJointSeg")
            assert _shortcuts() > before
        widget.ui.correctButton.click()
        assert _shortcuts() == before
        assert editor.activeEffect() is None
        assert not widget.ui.editorFrame.visible

    def test_an_edit_is_measured_withdraws_the_acceptance_and_can_be_undone(self) -> None:
        """Surfaces and numbers follow the masks; a person's word does not."""
        widget = self.sample_result()
        nodes = widget.form.results.nodes
        widget.ui.boneTable.cellClicked(0, 0)
        widget.ui.correctButton.click()
        editor = widget.form.correction.editor
        segment = editor.currentSegmentID()
        widget._parameterNode.reviewer = "Zoë"
        widget.ui.acceptButton.click()
        assert widget.ui.acceptanceLabel.text.startswith("Accepted by Zoë"), widget.ui.acceptanceLabel.text
        self.picture("accepted", show=widget.ui.acceptanceLabel)
        volume = self._value(widget, "Volume")

        def shrink() -> None:
            editor.setActiveEffectByName("Margin")
            editor.activeEffect().setParameter("MarginSizeMm", -2.0)
            editor.activeEffect().self().onApply()

        self.wait_until_measured(widget, shrink)
        assert self._value(widget, "Volume") < 0.95 * volume
        assert "no longer holds" in widget.ui.acceptanceLabel.text
        self.picture("edited", show=widget.ui.measurementTable)
        self.wait_until_measured(widget, editor.undo)
        assert abs(self._value(widget, "Volume") / volume - 1) < 0.03
        assert nodes.models[segment].GetPolyData().GetNumberOfPoints() > 0
        widget.ui.correctButton.click()

    def test_moved_markup_changes_its_number_and_the_table_is_copied(self) -> None:
        """Geometry of the measurements is shown, moved by hand, and the row says so."""
        import qt

        widget = self.sample_result()
        widget.ui.geometryCheckBox.click()
        markups = widget.form.results.nodes.markups
        assert all(node.GetDisplayNode().GetVisibility() for node in markups)
        self.picture("measure_all", show=widget.ui.measurementTable)
        line = next(node for node in markups if node.IsA("vtkMRMLMarkupsLineNode"))
        key = line.GetAttribute("MultiJointSeg.measurement")
        keys = widget.form.results.nodes.table.GetTable().GetColumnByName("Key")
        row = next(n for n in range(keys.GetNumberOfValues()) if keys.GetValue(n) == key)
        widget.ui.measurementTable.selectRow(row)
        widget.ui.measurementTable.cellClicked(row, 0)
        assert line.GetDisplayNode().GetVisibility()
        assert sum(bool(node.GetDisplayNode().GetVisibility()) for node in markups) < len(markups)
        self.picture("measure", show=widget.ui.measurementTable)
        before = self.texts(widget.ui.measurementTable)
        point = list(line.GetNthControlPointPosition(1))
        line.SetNthControlPointPosition(1, point[0] + 7.0, point[1] + 9.0, point[2] + 11.0)
        slicer.app.processEvents()
        changed = [new for new, old in zip(self.texts(widget.ui.measurementTable), before, strict=True) if new != old]
        assert changed
        assert all("by hand" in row[4] for row in changed), changed
        assert len(widget.ui.measurementTable.item(0, 1).toolTip()) > 10
        widget.ui.copyMeasurementsButton.click()
        assert len(qt.QApplication.clipboard().text().splitlines()) == len(before) + 1

    def test_segment_statistics_measures_the_bones(self) -> None:
        """The stock module shows our measures of a segment that is a bone."""
        import SegmentStatistics

        widget = self.sample_result()
        self.module().registerStatistics()
        logic = SegmentStatistics.SegmentStatisticsLogic()
        logic.getParameterNode().SetParameter("Segmentation", widget.form.results.nodes.segmentation.GetID())
        logic.computeStatistics()
        found = logic.getStatistics()["femur", "MultiJointSegSegmentStatisticsPlugin.volume"]
        expected = logic.getStatistics()["femur", "LabelmapSegmentStatisticsPlugin.volume_mm3"]
        assert abs(found / expected - 1) < 0.05

    def _value(self, widget: Any, name: str) -> float:
        rows = self.texts(widget.ui.measurementTable)
        return next(float(row[2]) for row in rows if row[1] == name)


class ExportingTests(SelfTest):
    """Files for others."""

    def test_surfaces_report_and_acceptance_are_written(self) -> None:
        """STL and, into a second folder, glTF with the report."""
        from MultiJointSegSlicer.exporting import ExportChoices

        widget = self.sample_result()
        exporting, nodes = widget.logic.parts.exporting, widget.form.results.nodes
        folder = Path(slicer.util.tempDirectory())
        widget.ui.acceptButton.click()
        widget.ui.exportCollapsibleButton.collapsed = False
        exporting.export(nodes, folder, ExportChoices("stl"))
        self.wait_until_idle(exporting.job)
        assert exporting.job.state.value == "finished", exporting.job.sentence
        names = {path.name for path in folder.glob("*/*")}
        assert {"femur.stl", "tibia.stl", "measurements.csv", "segmentation.seg.nrrd"} <= names
        exporting.export(nodes, folder, ExportChoices("glb", report=True))
        self.wait_until_idle(exporting.job)
        assert exporting.job.state.value == "finished", exporting.job.sentence
        names = {path.name for path in folder.glob("*_2/*")}
        assert {"report.html", "bones.glb", "measurements.csv", "review.txt"} <= names
        assert "Exported to" in widget.ui.exportLabel.text
        self.picture("export", show=widget.ui.exportLabel)
        loaded = slicer.util.loadSegmentation(str(next(folder.glob("*/segmentation.seg.nrrd"))))
        assert "femur" in loaded.GetSegmentation().GetSegmentIDs()

    def test_dicom_segmentation_refers_to_its_source(self) -> None:
        """Offered for a volume of the DICOM database; the file has the bones, their codes, and the source's slices."""
        from MultiJointSegSlicer.exporting import ExportChoices
        from MultiJointSegSlicer.scene.volumes import volume_from_node
        from MultiJointSegSlicer.selftests.dicom_files import Database, write_series

        widget = self.sample_result()
        exporting, nodes = widget.logic.parts.exporting, widget.form.results.nodes
        assert not widget.ui.dicomCheckBox.enabled
        folder = Path(slicer.util.tempDirectory())
        (folder / "series").mkdir()
        database, before = Database(), getattr(slicer, "dicomDatabase", None)
        database.files = write_series(volume_from_node(nodes.volume), folder / "series")
        slicer.dicomDatabase = database
        try:
            nodes.volume.SetAttribute("DICOM.instanceUIDs", " ".join(database.files))
            widget.form.refresh()
            assert widget.ui.dicomCheckBox.enabled
            exporting.export(nodes, folder, ExportChoices("stl", dicom=True))
            self.wait_until_idle(exporting.job)
        finally:
            if before is None:
                del slicer.dicomDatabase
            else:
                slicer.dicomDatabase = before
        assert exporting.job.state.value == "finished", exporting.job.sentence
        import pydicom

        (path,) = folder.glob("*/segmentation.dcm")
        made = pydicom.dcmread(path)
        assert made.Modality == "SEG"
        names = {segment.SegmentLabel for segment in made.SegmentSequence}
        assert {"Femur", "Tibia"} <= names, names
        referred = made.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        assert {each.ReferencedSOPInstanceUID for each in referred} <= set(database.files)
        codes = {segment.SegmentedPropertyTypeCodeSequence[0].CodeValue for segment in made.SegmentSequence}
        assert "71341001" in codes, codes


def _shortcuts() -> int:
    window = slicer.util.mainWindow()
    return 0 if window is None else len(slicer.util.findChildren(window, className="QShortcut"))
