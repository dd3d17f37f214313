"""Room for sentences of several lines."""

from __future__ import annotations

from typing import Any

from MultiJointSegSlicer.widget.tools import Tools

INTERVAL_MS = 250


class LabelFitting:
    """Keeps every wrapped label as high as its text at its width.

    Slicer's module panel asks for minimum heights, and Qt says one line for a wrapped label: without this, sentences
    that need more squeeze the tables beside them, so that they overlap. Texts and the panel's width change at any
    time and without a signal, so a timer looks after them while the module is shown.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    tools
        Makes the timer.
    """

    def __init__(self, ui: Any, tools: Tools) -> None:
        # Tables wrap words, too.
        labels = [each for each in vars(ui).values() if hasattr(each, "wordWrap") and hasattr(each, "text")]
        self._labels = [each for each in labels if each.wordWrap]
        self._seen: list[tuple[str, int]] = []
        self._timer = tools.make_timer()
        self._timer.timeout.connect(self.fit)

    def start(self) -> None:
        """Begin; called when the module is opened."""
        self._timer.start(INTERVAL_MS)

    def stop(self) -> None:
        """Called when another module is opened."""
        self._timer.stop()

    def fit(self) -> None:
        """Give every label its height, if a text or a width is another one."""
        seen = [(str(label.text), int(label.width)) for label in self._labels]
        if seen == self._seen:
            return
        self._seen = seen
        for label, (text, width) in zip(self._labels, seen, strict=True):
            # What Qt says is never less than the minimum that was set before.
            label.minimumHeight = 0
            label.minimumHeight = label.heightForWidth(width) if text else 0
