"""The section in which a reader goes through the queue of a refinement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.review_queue.logic import ReviewQueue
from MultiJointSegSlicer.review_queue.open_case import OpenCase
from MultiJointSegSlicer.review_queue.standing import history_rows, standing_of
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.job_display import JobDisplay
from MultiJointSegSlicer.widget.tables import fill_table
from MultiJointSegSlicer.widget.tools import Tools


class ReviewQueuePanel:
    """Connects the review queue's section to its logic.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    logic
        Does the work.
    scene
        vtkMRMLScene.
    tools
        See `Tools`.
    log
        Takes a line for the log.

    Notes
    -----
    Signals: `opened` (OpenCase) and `closed` ().
    """

    def __init__(self, ui: Any, logic: ReviewQueue, scene: Any, tools: Tools, log: Callable[[str], None]) -> None:
        self.ui = ui
        self.logic = logic
        self.opened = Signal()
        self.closed = Signal()
        self._scene = scene
        self._tools = tools
        self._parameters: Any = None
        self._shown_folder: str | None = None
        self._display = JobDisplay(
            logic.job,
            ui.queueStatusLabel,
            log,
            self._on_changed,
            starting=_("Working ..."),
            timed=False,
            keeps_last=False,
        )
        logic.opened.connect(self._on_opened)
        logic.closed.connect(self._on_closed)
        logic.saved.connect(self._on_saved)
        logic.agreed.connect(self._on_agreed)
        for button, action in self._actions():
            button.clicked.connect(action)
        ui.queueSliceTable.cellClicked.connect(self._on_slice_clicked)

    def _actions(self) -> list[tuple[Any, Callable[..., object]]]:
        ui = self.ui
        return [
            (ui.queueFolderButton, lambda *_: self._choose_folder()),
            (ui.nextCaseButton, lambda *_: self._open()),
            (ui.secondReadingButton, lambda *_: self._open(second=True)),
            (ui.giveBackButton, lambda *_: self.logic.give_back()),
            (ui.acceptCaseButton, lambda *_: self._decide("accept")),
            (ui.correctCaseButton, lambda *_: self._decide("correct")),
            (ui.rejectCaseButton, lambda *_: self._decide("reject")),
            (ui.skipCaseButton, lambda *_: self._decide("skip")),
            (ui.agreementButton, lambda *_: self.logic.compare_readers(str(ui.queueFolderLineEdit.text))),
        ]

    def show(self, parameters: Any) -> None:
        """Take the parameter node, or None, and show where the refinement and the case stand."""
        self._parameters = parameters
        self.logic.check()
        case, busy = self.logic.case, self.logic.job.state.busy
        free = parameters is not None and not busy
        self.ui.nextCaseButton.enabled = free and case is None
        self.ui.secondReadingButton.enabled = free and case is None
        self.ui.agreementButton.enabled = free
        # While a case is open, the folder and the reader are the case's.
        for widget in (self.ui.queueFolderLineEdit, self.ui.queueFolderButton, self.ui.queueReaderLineEdit):
            widget.enabled = free and case is None
        self.ui.caseFrame.visible = case is not None
        self.ui.caseFrame.enabled = free
        # Nobody retrains with a case open, and the editor moves up.
        self.ui.refineFrame.visible = case is None
        folder = "" if parameters is None else str(parameters.queueFolder)
        if folder != self._shown_folder:
            self._shown_folder = folder
            self.show_standing()

    def show_standing(self) -> None:
        """Read anew where the refinement stands."""
        self.ui.queueLabel.text = standing_of(self._shown_folder or "")

    def close(self) -> None:
        """Keep what was drawn, end what runs and let go of the logic."""
        logic = self.logic
        logic.close()
        for signal in (logic.opened, logic.closed, logic.saved, logic.agreed):
            signal.disconnect()
        self._display.close()

    def _choose_folder(self) -> None:
        folder = self._tools.choose_folder(_("Folder of the refinement"))
        if folder and self._parameters is not None:
            self._parameters.queueFolder = folder

    def _open(self, *, second: bool = False) -> None:
        if self._parameters is not None:
            self.logic.open_next(self._parameters.queueFolder, self._parameters.queueReader, second=second)

    def _decide(self, action: str) -> None:
        self.logic.decide(action, str(self.ui.caseNoteLineEdit.text))

    def _on_opened(self, case: OpenCase) -> None:
        from MultiJointSegLib import anatomy

        bones = ", ".join(f"{anatomy.bone(key).name} {value:.2f}" for key, value in case.bones.items())
        said = _("'{name}', version {version}. Disagreement {value:.2f}").format(
            name=case.name, version=case.version, value=case.disagreement
        )
        self.ui.caseLabel.text = f"{said}: {bones}." if bones else f"{said}."
        self.ui.autosaveLabel.text = _("What you draw is saved every 30 seconds.")
        self.ui.caseNoteLineEdit.text = ""
        unknown = _("not stated")
        fill_table(
            self.ui.queueSliceTable,
            self._tools,
            [
                (str(n), str(each.number), unknown if each.disagreement is None else f"{each.disagreement:.2f}")
                for n, each in enumerate(case.slices, start=1)
            ],
        )
        fill_table(self.ui.historyTable, self._tools, history_rows(case.work, case.name))
        self.show_standing()
        self.show(self._parameters)
        self.opened.emit(case)

    def _on_closed(self) -> None:
        self.ui.queueSliceTable.rowCount = 0
        self.ui.historyTable.rowCount = 0
        self.show_standing()
        self.show(self._parameters)
        self.closed.emit()

    def _on_slice_clicked(self, row: int, _column: int) -> None:
        from MultiJointSegSlicer.scene.views import jump_to

        case = self.logic.case
        if case is None or row >= len(case.slices):
            return
        position = case.slices[row].position_ras_mm
        if position is not None:
            jump_to(self._scene, case.volume, position)

    def _on_saved(self, sentence: str) -> None:
        self.ui.autosaveLabel.text = sentence

    def _on_agreed(self, rows: list[tuple[str, ...]]) -> None:
        self.ui.agreementTable.visible = bool(rows)
        fill_table(self.ui.agreementTable, self._tools, rows)

    def _on_changed(self, state: JobState) -> None:
        if state in (JobState.FINISHED, JobState.FAILED):
            self.show_standing()
        self.show(self._parameters)
