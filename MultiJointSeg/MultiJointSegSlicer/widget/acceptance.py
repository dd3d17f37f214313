"""A person accepts the result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from MultiJointSegSlicer.acceptance import accept, acceptance_of
from MultiJointSegSlicer.strings import tr as _


class AcceptancePanel:
    """Button, name and words of the acceptance of the segmentation that is shown.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    now
        Gives the time.
    """

    def __init__(self, ui: Any, *, now: Callable[[], datetime] = datetime.now) -> None:
        self.ui = ui
        self._now = now
        self._node: Any = None
        ui.acceptButton.clicked.connect(lambda *_: self._accept())

    def show(self, segmentation_node: Any, *, visible: bool = True) -> None:
        """Say whether the segmentation is accepted; not visible where a person decides elsewhere."""
        for widget in (self.ui.reviewerLineEdit, self.ui.acceptButton, self.ui.acceptanceLabel):
            widget.visible = visible
        self._node = segmentation_node
        acceptance = None if segmentation_node is None else acceptance_of(segmentation_node)
        self.ui.acceptButton.enabled = segmentation_node is not None and (acceptance is None or not acceptance.valid)
        if segmentation_node is None:
            self.ui.acceptanceLabel.text = ""
        elif acceptance is None:
            self.ui.acceptanceLabel.text = _("Not accepted yet.")
        else:
            self.ui.acceptanceLabel.text = acceptance.sentence()

    def _accept(self) -> None:
        if self._node is not None:
            accept(self._node, by=str(self.ui.reviewerLineEdit.text), now=self._now())
            self.show(self._node)
