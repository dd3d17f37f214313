"""The section for whole folders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MultiJointSegSlicer.batch import BatchLogic, batch_rows
from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.parameters import RunSettings
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.tables import fill_table
from MultiJointSegSlicer.widget.tools import Tools

PROGRESS_STEPS = 1000


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
        job = logic.job
        job.state_changed.connect(self._on_state_changed)
        job.progressed.connect(self._on_progressed)
        job.logged.connect(log)
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
        for signal in (self.logic.job.state_changed, self.logic.job.progressed, self.logic.job.logged):
            signal.disconnect()

    def _choose(self, parameter: str, title: str) -> None:
        folder = self._tools.choose_folder(title)
        if folder and self._parameters is not None:
            setattr(self._parameters, parameter, folder)

    def _on_progressed(self, fraction: float, message: str, elapsed_s: float) -> None:
        self.ui.batchProgressBar.value = round(PROGRESS_STEPS * fraction)
        minutes, seconds = divmod(int(elapsed_s), 60)
        self.ui.batchStatusLabel.text = f"{message or _('Starting ...')}  ({minutes}:{seconds:02d})"

    def _on_state_changed(self, state: JobState, sentence: str) -> None:
        self.ui.batchProgressBar.visible = state.busy
        if state is JobState.RUNNING:
            self.ui.batchProgressBar.value = 0
        if sentence:
            prefix = _("Failed: ") if state is JobState.FAILED else ""
            self.ui.batchStatusLabel.text = f"{prefix}{sentence}"
        if not state.busy:
            self._show_table()
        self.show(self._parameters)

    def _show_table(self) -> None:
        rows = [] if self._parameters is None else batch_rows(self._parameters.batchOutput)
        self.ui.batchTable.visible = bool(rows)
        fill_table(self.ui.batchTable, self._tools, [row.cells for row in rows], [row.note for row in rows])
