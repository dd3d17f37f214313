"""The part of the review queue that trains again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.review_queue.retraining import Retraining
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.tools import Tools

PROGRESS_STEPS = 1000


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
        logic.job.state_changed.connect(self._on_state_changed)
        logic.job.progressed.connect(self._on_progressed)
        logic.job.logged.connect(log)
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
        for signal in (self.logic.job.state_changed, self.logic.job.progressed, self.logic.job.logged):
            signal.disconnect()

    def _choose(self) -> None:
        path = self._tools.open_file(_("Configuration of the refinement"), "TOML, JSON (*.toml *.json)")
        if path and self._parameters is not None:
            self._parameters.refineConfig = path

    def _on_progressed(self, fraction: float, message: str, elapsed_s: float) -> None:
        self.ui.retrainProgressBar.value = round(PROGRESS_STEPS * fraction)
        minutes, seconds = divmod(int(elapsed_s), 60)
        self.ui.retrainLabel.text = f"{message or _('Starting ...')}  ({minutes}:{seconds:02d})"

    def _on_state_changed(self, state: JobState, sentence: str) -> None:
        self.ui.retrainProgressBar.visible = state.busy
        if state is JobState.RUNNING:
            self.ui.retrainProgressBar.value = 0
        if sentence:
            prefix = _("Failed: ") if state is JobState.FAILED else ""
            self.ui.retrainLabel.text = f"{prefix}{sentence}"
        self.show(self._parameters)
        if not state.busy:
            self._on_ended()
