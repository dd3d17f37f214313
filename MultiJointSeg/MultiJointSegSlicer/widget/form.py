"""The form: buttons to the logic, the logic's signals to labels, results of the scene to tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.parameters import RunSettings
from MultiJointSegSlicer.review_queue.open_case import CASE_ATTRIBUTE, OpenCase
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.acceptance import AcceptancePanel
from MultiJointSegSlicer.widget.batch import BatchPanel
from MultiJointSegSlicer.widget.correction import Correction
from MultiJointSegSlicer.widget.export import ExportPanel
from MultiJointSegSlicer.widget.fitting import LabelFitting
from MultiJointSegSlicer.widget.job_display import JobDisplay
from MultiJointSegSlicer.widget.prescription import PrescriptionPanel
from MultiJointSegSlicer.widget.results import ResultTables
from MultiJointSegSlicer.widget.retraining import RetrainingPanel
from MultiJointSegSlicer.widget.review_queue import ReviewQueuePanel
from MultiJointSegSlicer.widget.tools import Tools

if TYPE_CHECKING:
    from MultiJointSegSlicer.logics import Logics


class Form:
    """Connects the widgets of the .ui file.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    logic
        Does the work: its parts `segmentation` and `remeasuring`, closed with the form.
    scene
        vtkMRMLScene.
    tools
        See `Tools`.
    """

    def __init__(self, ui: Any, logic: Logics, scene: Any, tools: Tools) -> None:
        self.ui = ui
        self.logic = logic.segmentation
        self.remeasuring = logic.remeasuring
        self.markups = logic.markups
        self._tools = tools
        self._parameters: Any = None
        self._segment_sample = False
        self.fitting = LabelFitting(ui, tools)
        self.results = ResultTables(ui, scene, tools)
        self.correction = Correction(ui, scene, tools)
        self.acceptance = AcceptancePanel(ui)
        self.export = ExportPanel(ui, logic.exporting, tools)
        log = ui.logText.appendPlainText
        self.batch = BatchPanel(ui, logic.batch, tools, log)
        self.queue = ReviewQueuePanel(ui, logic.queue, scene, tools, log)
        self.retraining = RetrainingPanel(ui, logic.retraining, tools, log, self.queue.show_standing)
        self.prescription = PrescriptionPanel(ui, logic.prescription, scene, tools, log)
        self.queue.opened.connect(self._on_case_opened)
        self.queue.closed.connect(self.refresh)
        self.results.bone_chosen.connect(self.correction.choose)
        self.remeasuring.edited.connect(self.refresh)
        self.remeasuring.stated.connect(self._on_measured)
        self.remeasuring.updated.connect(lambda: self.refresh(again=True))
        self.markups.moved.connect(lambda _keys: self.results.show_moved())
        adding = _("Adding to the scene")
        self._display = JobDisplay(
            self.logic.job, ui.statusLabel, log, self._on_changed, bar=ui.progressBar, ending=adding
        )
        self.logic.sample_added.connect(self._on_sample_added)
        for button, action in self._actions():
            button.clicked.connect(action)
        self._display.show()

    def _actions(self) -> list[tuple[Any, Callable[[], None]]]:
        # Functions without parameters: Qt's clicked(bool) would otherwise fill one.
        return [
            (self.ui.segmentButton, lambda *_: self.segment()),
            (self.ui.cancelButton, lambda *_: self.cancel()),
            (self.ui.sampleButton, lambda *_: self.try_sample()),
            (self.ui.copyLogButton, lambda *_: self._tools.copy_text(self.ui.logText.plainText)),
            (self.ui.measureAgainButton, lambda *_: self.remeasuring.measure(everything=True)),
        ]

    def set_parameters(self, parameters: Any) -> None:
        """Take the parameter node, or None when there is none for a while."""
        self._parameters = parameters
        self.refresh()

    def refresh(self, *, again: bool = False) -> None:
        """Show the chosen volume's result, and what can be done now; `again` also where its numbers changed."""
        volume = self._volume()
        self.results.show(volume, again=again)
        nodes, review = self.results.nodes, self.results.review
        segmentation = None if nodes is None else nodes.segmentation
        self.correction.show(nodes)
        self.remeasuring.set_automatic(self._parameters is not None and self._parameters.followEdits)
        is_case = segmentation is not None and segmentation.GetAttribute(CASE_ATTRIBUTE) is not None
        # A case of the review queue is only drawn; measuring it after every stroke would slow the reader down.
        self.remeasuring.follow(None if is_case else nodes, "" if review is None else review.joint)
        self.markups.watch(() if nodes is None else nodes.markups, None if nodes is None else nodes.table)
        self.acceptance.show(segmentation, visible=not is_case)
        self.export.show(nodes)
        self.batch.show(self._parameters)
        self.queue.show(self._parameters)
        self.retraining.show(self._parameters)
        self.prescription.show(self._parameters)
        self.ui.measureAgainButton.enabled = segmentation is not None and not is_case
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
            RunSettings(
                parameters.joint,
                parameters.device,
                parameters.earlier,
                parameters.modelFolder.strip(),
                parameters.outlineFile.strip(),
            ),
        )

    def cancel(self) -> None:
        """Cancel what runs."""
        self._segment_sample = False
        self.logic.cancel()

    def try_sample(self) -> None:
        """Make a phantom, choose it, and segment it."""
        self._segment_sample = self.logic.make_sample()

    def enter(self) -> None:
        """Take up what another module may have used meanwhile; called when the module is opened."""
        self.correction.enter()
        self.fitting.start()

    def exit(self) -> None:
        """Give keyboard and views back; called when another module is opened."""
        self.correction.exit()
        self.fitting.stop()

    def start_closing_scene(self) -> None:
        """Cancel a run and let go of all nodes; called before the scene goes."""
        self.cancel()
        self.queue.logic.leave_scene()
        self.prescription.forget_scene()
        self.correction.forget_scene()

    def close(self) -> None:
        """End what runs and let go of the logic."""
        self.correction.exit()
        self.fitting.stop()
        self.remeasuring.close()
        for signal in (self.remeasuring.edited, self.remeasuring.stated, self.remeasuring.updated, self.markups.moved):
            signal.disconnect()
        self.markups.watch((), None)
        self.export.close()
        self.batch.close()
        self.queue.close()
        self.retraining.close()
        self.prescription.close()
        self.logic.close()
        self._display.close()
        self.logic.sample_added.disconnect()

    def _on_measured(self, sentence: str) -> None:
        self.ui.measuredLabel.text = sentence

    def _on_case_opened(self, case: OpenCase) -> None:
        """Show the case, with the bone that disagrees most in the Segment Editor."""
        if self._parameters is not None:
            self._parameters.inputVolume = case.volume
        worst = max(case.bones, key=lambda key: case.bones[key], default="")
        self.refresh()
        self.correction.choose(worst)
        self.correction.open()

    def _volume(self) -> Any:
        return None if self._parameters is None else self._parameters.inputVolume

    def _on_sample_added(self, volume_node: Any) -> None:
        if self._parameters is not None:
            self._parameters.inputVolume = volume_node

    def _on_changed(self, state: JobState) -> None:
        self.refresh()
        if self._segment_sample and not state.busy:
            self._segment_sample = False
            if state is JobState.FINISHED:
                self.segment()
