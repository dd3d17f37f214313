"""The form: buttons to the logic, the logic's signals to labels, results of the scene to tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.parameters import RunSettings
from MultiJointSegSlicer.segmenting import SegmentationLogic
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.results import ResultTables
from MultiJointSegSlicer.widget.tools import Tools

PROGRESS_STEPS = 1000


class Form:
    """Connects the widgets of the .ui file.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    logic
        Does the work; closed with the form.
    scene
        vtkMRMLScene.
    tools
        See `Tools`.
    """

    def __init__(self, ui: Any, logic: SegmentationLogic, scene: Any, tools: Tools) -> None:
        self.ui = ui
        self.logic = logic
        self._tools = tools
        self._parameters: Any = None
        self._segment_sample = False
        self.results = ResultTables(ui, scene, tools)
        job = logic.job
        job.state_changed.connect(self._on_state_changed)
        job.progressed.connect(self._on_progressed)
        job.logged.connect(ui.logText.appendPlainText)
        logic.sample_added.connect(self._on_sample_added)
        for button, action in self._actions():
            button.clicked.connect(action)
        self._on_state_changed(job.state, job.sentence)

    def _actions(self) -> list[tuple[Any, Callable[[], None]]]:
        # Functions without parameters: Qt's clicked(bool) would otherwise fill one.
        return [
            (self.ui.segmentButton, lambda *_: self.segment()),
            (self.ui.cancelButton, lambda *_: self.cancel()),
            (self.ui.sampleButton, lambda *_: self.try_sample()),
            (self.ui.copyLogButton, lambda *_: self._tools.copy_text(self.ui.logText.plainText)),
            (self.ui.exportButton, lambda *_: self.export()),
        ]

    def set_parameters(self, parameters: Any) -> None:
        """Take the parameter node, or None when there is none for a while."""
        self._parameters = parameters
        self.refresh()

    def refresh(self) -> None:
        """Show the chosen volume's result, and what can be done now."""
        volume = self._volume()
        self.results.show(volume)
        busy = self.logic.job.state.busy
        self.ui.segmentButton.enabled = bool(volume) and not busy
        self.ui.segmentButton.toolTip = _("Segment the bones of the volume") if volume else _("Choose a volume first")
        self.ui.sampleButton.enabled = not busy and self._parameters is not None
        self.ui.cancelButton.enabled = self.logic.job.state is JobState.RUNNING

    def segment(self) -> None:
        """Segment the chosen volume with the chosen settings."""
        if self._parameters is None:
            return
        parameters = self._parameters
        self.logic.segment(
            parameters.inputVolume,
            RunSettings(parameters.joint, parameters.device, parameters.earlier, parameters.modelFolder.strip()),
        )

    def cancel(self) -> None:
        """Cancel what runs."""
        self._segment_sample = False
        self.logic.cancel()

    def try_sample(self) -> None:
        """Make a phantom, choose it, and segment it."""
        self._segment_sample = self.logic.make_sample()

    def export(self) -> None:
        """Write the shown result into a folder that the user chooses."""
        if self.results.nodes is None:
            return
        parent = self._tools.choose_folder(_("Folder in which a folder with the result is made"))
        if not parent:
            return
        from MultiJointSegLib.errors import MultiJointSegError
        from MultiJointSegSlicer.exporting import export_result

        chosen = str(self.ui.surfaceFormatComboBox.currentText).lower()
        try:
            folder = export_result(self.results.nodes, Path(parent), surface_format=chosen)
        except MultiJointSegError as error:
            self._tools.show_error(str(error))
            return
        self.ui.statusLabel.text = _("Exported to {folder}.").format(folder=folder)

    def close(self) -> None:
        """End what runs and let go of the logic."""
        self.logic.close()
        for signal in (self.logic.job.state_changed, self.logic.job.progressed, self.logic.job.logged):
            signal.disconnect()
        self.logic.sample_added.disconnect()

    def _volume(self) -> Any:
        return None if self._parameters is None else self._parameters.inputVolume

    def _on_sample_added(self, volume_node: Any) -> None:
        if self._parameters is not None:
            self._parameters.inputVolume = volume_node

    def _on_progressed(self, fraction: float, message: str, elapsed_s: float) -> None:
        self.ui.progressBar.value = round(PROGRESS_STEPS * fraction)
        minutes, seconds = divmod(int(elapsed_s), 60)
        self.ui.statusLabel.text = f"{message or _('Starting ...')}  ({minutes}:{seconds:02d})"

    def _on_state_changed(self, state: JobState, sentence: str) -> None:
        self.ui.progressBar.visible = state.busy
        if state is JobState.RUNNING:
            self.ui.progressBar.value = 0
        if sentence:
            prefix = _("Failed: ") if state is JobState.FAILED else ""
            self.ui.statusLabel.text = f"{prefix}{sentence}"
        self.refresh()
        if self._segment_sample and not state.busy:
            self._segment_sample = False
            if state is JobState.FINISHED:
                self.segment()
