"""The part of the review queue that trains again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.review_queue.retraining import Retraining
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.job_display import JobDisplay
from MultiJointSegSlicer.widget.tools import Tools


class RetrainingPanel:
    """Connects configuration, button, progress and cancel to the logic.

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
    on_ended
        Called when a run has ended, however it did.
    """

    def __init__(
        self, ui: Any, logic: Retraining, tools: Tools, log: Callable[[str], None], on_ended: Callable[[], None]
    ) -> None:
        self.ui = ui
        self.logic = logic
        self._tools = tools
        self._on_ended = on_ended
        self._parameters: Any = None
        self._display = JobDisplay(logic.job, ui.retrainLabel, log, self._on_changed, bar=ui.retrainProgressBar)
        farewell = _("Cancelled; trainings that ended are kept: Retrain goes on from there.")
        ui.retrainButton.clicked.connect(lambda *_: self.start())
        ui.retrainCancelButton.clicked.connect(lambda *_: logic.job.cancel(farewell))
        ui.refineConfigButton.clicked.connect(lambda *_: self._choose())

    def show(self, parameters: Any) -> None:
        """Take the parameter node, or None."""
        self._parameters = parameters
        self.ui.retrainButton.enabled = parameters is not None and not self.logic.job.state.busy
        self.ui.retrainCancelButton.enabled = self.logic.job.state is JobState.RUNNING

    def start(self) -> None:
        """Train on the device that is chosen for segmenting."""
        p = self._parameters
        if p is not None:
            anyway = bool(self.ui.retrainAnywayCheckBox.checked)
            self.logic.start(p.refineConfig, p.queueFolder, p.device, anyway=anyway)

    def close(self) -> None:
        """End what runs and let go of the logic."""
        self.logic.job.close()
        self._display.close()

    def _choose(self) -> None:
        path = self._tools.open_file(_("Configuration of the refinement"), "TOML, JSON (*.toml *.json)")
        if path and self._parameters is not None:
            self._parameters.refineConfig = path

    def _on_changed(self, state: JobState) -> None:
        self.show(self._parameters)
        if not state.busy:
            self._on_ended()
