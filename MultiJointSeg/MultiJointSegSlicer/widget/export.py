"""The section that writes a result into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from MultiJointSegSlicer.exporting import ExportChoices, Exporting
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.job_display import JobDisplay
from MultiJointSegSlicer.widget.tools import Tools

if TYPE_CHECKING:
    from MultiJointSegSlicer.scene.nodes import SceneNodes


class ExportPanel:
    """Connects the export section to its logic; what it says stands below its button.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    logic
        Does the work.
    tools
        See `Tools`.
    """

    def __init__(self, ui: Any, logic: Exporting, tools: Tools) -> None:
        self.ui = ui
        self.logic = logic
        self._tools = tools
        self._nodes: SceneNodes | None = None
        self._display = JobDisplay(
            logic.job,
            ui.exportLabel,
            ui.logText.appendPlainText,
            lambda _: self.show(self._nodes),
            starting=_("Exporting ..."),
            timed=False,
        )
        ui.exportButton.clicked.connect(lambda *_: self.export())

    def show(self, nodes: SceneNodes | None) -> None:
        """Take another result, or none."""
        self._nodes = nodes
        if nodes is None and not self.logic.job.state.busy:
            self.ui.exportLabel.text = ""
        self.ui.exportButton.enabled = nodes is not None and not self.logic.job.state.busy
        self.ui.reportCheckBox.enabled = nodes is not None and self.logic.can_report(nodes)
        from_dicom = nodes is not None and self.logic.can_write_dicom(nodes)
        self.ui.dicomCheckBox.enabled = self.ui.dicomReportCheckBox.enabled = from_dicom

    def export(self) -> None:
        """Write the shown result into a folder that the user chooses."""
        if self._nodes is None:
            return
        parent = self._tools.choose_folder(_("Folder in which a folder with the result is made"))
        if not parent:
            return
        choices = ExportChoices(
            str(self.ui.surfaceFormatComboBox.currentText).lower(),
            report=bool(self.ui.reportCheckBox.enabled and self.ui.reportCheckBox.checked),
            dicom=bool(self.ui.dicomCheckBox.enabled and self.ui.dicomCheckBox.checked),
            dicom_report=bool(self.ui.dicomReportCheckBox.enabled and self.ui.dicomReportCheckBox.checked),
        )
        self.logic.export(self._nodes, Path(parent), choices)

    def close(self) -> None:
        """End what runs and let go of the logic."""
        self.logic.job.close()
        self._display.close()
