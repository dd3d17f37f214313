"""Edits of masks, by whomever: told once the person pauses, with the segments that really differ."""

from __future__ import annotations

import json
from typing import Any, Protocol

from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.scene.digests import changed_segments, mask_digests, mask_times
from MultiJointSegSlicer.scene.mrml import Node, slicer

PAUSE_MS = 800
"""How long nothing must change before edits are told: longer than the pause between two strokes of a brush."""

MEASURED_ATTRIBUTE = "MultiJointSeg.measured"
"""Attribute of a segmentation node: fingerprints of the masks that surfaces and measurements were made from."""


class Timer(Protocol):
    """What is asked of a timer; qt.QTimer is one."""

    timeout: Any

    def start(self, interval_ms: int) -> None:
        """Emit `timeout` every so many milliseconds, counted from now."""

    def stop(self) -> None:
        """Emit no more."""


class SegmentationWatch:
    """Tells when masks of one segmentation node differ from what they were.

    Segment Editor, its undo, and programs announce edits in different ways, and most announcements are about colors
    or surfaces. So any of them only leads to a look at the masks' times, and changed times to a look at the masks.

    Notes
    -----
    Signal: `edited` (set of segment IDs).
    """

    def __init__(self, timer: Timer) -> None:
        self.edited = Signal()
        self._timer = timer
        self._timer.timeout.connect(self._look)
        self._node: Node | None = None
        self._tags: list[int] = []
        self._times: tuple[tuple[str, int, int], ...] = ()
        self._digests: dict[str, str] = {}

    def watch(self, node: Node | None) -> None:
        """Watch another node, or none."""
        if node is self._node:
            return
        self._timer.stop()
        if self._node is not None:
            for tag in self._tags:
                self._node.RemoveObserver(tag)
        self._node, self._tags = node, []
        if node is None:
            return
        self._times, self._digests = mask_times(node), mask_digests(node)
        kinds = slicer.vtkSegmentation
        events = (
            kinds.SourceRepresentationModified,
            kinds.RepresentationModified,
            kinds.SegmentAdded,
            kinds.SegmentRemoved,
            # Segment Editor's undo announces nothing else.
            kinds.SegmentModified,
            kinds.SegmentsOrderModified,
            slicer.vtkMRMLSegmentationNode.SegmentationChangedEvent,
        )
        self._tags = [node.AddObserver(event, self._on_event) for event in events]

    def _on_event(self, _caller: Any, _event: Any) -> None:
        if self._node is not None and mask_times(self._node) != self._times:
            self._timer.start(PAUSE_MS)

    def _look(self) -> None:
        self._timer.stop()
        if self._node is None:
            return
        self._times, digests = mask_times(self._node), mask_digests(self._node)
        changed = changed_segments(self._digests, digests)
        self._digests = digests
        if changed:
            self.edited.emit(changed)


def mark_as_measured(node: Node, digests: dict[str, str] | None = None) -> None:
    """Note that surfaces and measurements belong to the masks as they are, or as the given fingerprints say."""
    node.SetAttribute(MEASURED_ATTRIBUTE, json.dumps(mask_digests(node) if digests is None else digests))


def edited_since_measured(node: Node) -> set[str]:
    """IDs of segments that were edited after they were measured; empty where that is not known."""
    try:
        measured = dict(json.loads(node.GetAttribute(MEASURED_ATTRIBUTE) or ""))
    except (ValueError, TypeError):
        return set()
    return changed_segments(measured, mask_digests(node))
