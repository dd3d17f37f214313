"""The section for whole folders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MultiJointSegSlicer.batch import BatchLogic, batch_rows
from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.parameters import RunSettings
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.job_display import JobDisplay
from MultiJointSegSlicer.widget.tables import fill_table
from MultiJointSegSlicer.widget.tools import Tools


class BatchPanel:
    """Connects the batch section to its logic.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    logic
        Does the work.
    tools
        See `Tools`.
    log
        Takes a line for the log.
    """

    def __init__(self, ui: Any, logic: BatchLogic, tools: Tools, log: Callable[[str], None]) -> None:
        self.ui = ui
        self.logic = logic
        self._tools = tools
        self._parameters: Any = None
        self._shown = ""
        self._display = JobDisplay(logic.job, ui.batchStatusLabel, log, self._on_changed, bar=ui.batchProgressBar)
        input_title, output_title = _("Folder of examinations"), _("Folder for the results")
        farewell = _("Cancelled. Finished examinations stay; start again to go on after them.")
        ui.batchButton.clicked.connect(lambda *_: self.start())
        ui.batchCancelButton.clicked.connect(lambda *_: logic.job.cancel(farewell))
        ui.batchInputButton.clicked.connect(lambda *_: self._choose("batchInput", input_title))
        ui.batchOutputButton.clicked.connect(lambda *_: self._choose("batchOutput", output_title))

    def show(self, parameters: Any) -> None:
        """Take the parameter node, or None; show what the results' folder holds already."""
        self._parameters = parameters
        busy = self.logic.job.state.busy
        self.ui.batchButton.enabled = parameters is not None and not busy
        self.ui.batchCancelButton.enabled = self.logic.job.state is JobState.RUNNING
        output = "" if parameters is None else parameters.batchOutput
        if output != self._shown:
            self._shown = output
            self._show_table()

    def start(self) -> None:
        """Segment all, with the joint, device and model that are chosen for one."""
        if self._parameters is None:
            return
        p = self._parameters
        settings = RunSettings(p.joint, p.device, model=p.modelFolder.strip())
        self.logic.start(p.batchInput, p.batchOutput, settings)

    def close(self) -> None:
        """End what runs and let go of the logic."""
        self.logic.job.close()
        self._display.close()

    def _choose(self, parameter: str, title: str) -> None:
        folder = self._tools.choose_folder(title)
        if folder and self._parameters is not None:
            setattr(self._parameters, parameter, folder)

    def _on_changed(self, state: JobState) -> None:
        if not state.busy:
            self._show_table()
        self.show(self._parameters)

    def _show_table(self) -> None:
        rows = [] if self._parameters is None else batch_rows(self._parameters.batchOutput)
        self.ui.batchTable.visible = bool(rows)
        fill_table(self.ui.batchTable, self._tools, [row.cells for row in rows], [row.note for row in rows])
