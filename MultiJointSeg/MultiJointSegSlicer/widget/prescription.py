"""The section that proposes imaging planes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MultiJointSegSlicer.job.state import JobState
from MultiJointSegSlicer.prescription import Prescription, ProposedPlane
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.job_display import JobDisplay
from MultiJointSegSlicer.widget.tables import fill_table
from MultiJointSegSlicer.widget.tools import Tools


class PrescriptionPanel:
    """Connects the section to its logic.

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
    """

    def __init__(self, ui: Any, logic: Prescription, scene: Any, tools: Tools, log: Callable[[str], None]) -> None:
        self.ui = ui
        self.logic = logic
        self._scene = scene
        self._tools = tools
        self._parameters: Any = None
        self._planes: list[ProposedPlane] = []
        self._display = JobDisplay(logic.job, ui.planeLabel, log, lambda _: self.show(self._parameters))
        logic.proposed.connect(self._on_proposed)
        model_title, study_title = _("Folder of a pretraining"), _("Folder of one study")
        ui.planeModelButton.clicked.connect(lambda *_: self._choose("planeModel", model_title))
        ui.planeStudyButton.clicked.connect(lambda *_: self._choose("planeStudy", study_title))
        ui.planeButton.clicked.connect(lambda *_: self.start())
        ui.planeCancelButton.clicked.connect(lambda *_: logic.job.cancel())
        ui.planeTable.cellClicked.connect(self._on_clicked)

    def show(self, parameters: Any) -> None:
        """Take the parameter node, or None; planes that were removed from the scene go."""
        self._parameters = parameters
        self.ui.planeButton.enabled = parameters is not None and not self.logic.job.state.busy
        self.ui.planeCancelButton.enabled = self.logic.job.state is JobState.RUNNING
        left = [plane for plane in self._planes if plane.node.GetScene() is not None]
        if len(left) != len(self._planes):
            self._on_proposed(left)

    def start(self) -> None:
        """Look for planes in the chosen study."""
        if self._parameters is not None:
            self.logic.start(self._parameters.planeModel, self._parameters.planeStudy)

    def forget_scene(self) -> None:
        """Let go of all nodes before the scene goes."""
        self.logic.job.cancel()
        self._on_proposed([])

    def close(self) -> None:
        """End what runs and let go of the logic."""
        self.logic.job.close()
        self.logic.proposed.disconnect()
        self._display.close()

    def _choose(self, parameter: str, title: str) -> None:
        folder = self._tools.choose_folder(title)
        if folder and self._parameters is not None:
            setattr(self._parameters, parameter, folder)

    def _on_proposed(self, planes: list[ProposedPlane]) -> None:
        self._planes = planes
        self.ui.planeTable.visible = bool(planes)
        fill_table(self.ui.planeTable, self._tools, [plane.cells for plane in planes])

    def _on_clicked(self, row: int, _column: int) -> None:
        """Go to the middle of a plane, wherever it was moved to."""
        from MultiJointSegSlicer.scene.views import jump_everywhere

        if row < len(self._planes):
            jump_everywhere(self._scene, self._planes[row].node.GetOriginWorld())
