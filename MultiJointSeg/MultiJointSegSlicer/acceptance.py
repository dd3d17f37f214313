"""A person's word that a segmentation was looked at and is right; kept in the scene with it, gone when it is edited."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from MultiJointSegSlicer.strings import tr as _

ACCEPTANCE_ATTRIBUTE = "MultiJointSeg.acceptance"
"""Attribute of the segmentation node that holds the acceptance as JSON."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted which masks, when, and when they were edited after that.

    Parameters
    ----------
    by
        Name as the person gave it; may be "".
    at
        Local date and time with the zone, ISO 8601.
    masks
        `scene.digests.mask_digests` of what was accepted.
    edited_at
        As `at`; "" as long as the masks are those that were accepted.
    """

    by: str
    at: str
    masks: dict[str, str]
    edited_at: str = ""

    @property
    def valid(self) -> bool:
        """Whether the masks are still those that were accepted."""
        return not self.edited_at

    def sentence(self) -> str:
        """What a reader needs to know."""
        by = _(" by {name}").format(name=self.by) if self.by else ""
        if self.valid:
            return _("Accepted{by} on {at}.").format(by=by, at=_shown(self.at))
        return _(
            "Edited on {edited}: the acceptance{by} of {at} no longer holds. Look at it again and accept it anew."
        ).format(edited=_shown(self.edited_at), by=by, at=_shown(self.at))


def accept(segmentation_node: Any, *, by: str, now: datetime) -> Acceptance:
    """Note on a segmentation node that a person accepted it as it is."""
    from MultiJointSegSlicer.scene.digests import mask_digests

    acceptance = Acceptance(" ".join(by.split()), _stamp(now), mask_digests(segmentation_node))
    _write(segmentation_node, acceptance)
    return acceptance


def acceptance_of(segmentation_node: Any) -> Acceptance | None:
    """The acceptance of a segmentation node, None if it was never accepted."""
    try:
        return Acceptance(**json.loads(segmentation_node.GetAttribute(ACCEPTANCE_ATTRIBUTE) or ""))
    except (ValueError, TypeError):
        return None


def withdraw_if_edited(segmentation_node: Any, *, now: datetime) -> Acceptance | None:
    """Let go of an acceptance whose masks are not there any more; returns what holds now, None if nothing ever did."""
    from MultiJointSegSlicer.scene.digests import changed_segments, mask_digests

    acceptance = acceptance_of(segmentation_node)
    if acceptance is None or not acceptance.valid:
        return acceptance
    if changed_segments(acceptance.masks, mask_digests(segmentation_node)):
        acceptance = replace(acceptance, edited_at=_stamp(now))
        _write(segmentation_node, acceptance)
    return acceptance


def _write(segmentation_node: Any, acceptance: Acceptance) -> None:
    segmentation_node.SetAttribute(ACCEPTANCE_ATTRIBUTE, json.dumps(asdict(acceptance)))


def _stamp(now: datetime) -> str:
    return now.astimezone().isoformat(timespec="seconds")


def _shown(stamp: str) -> str:
    return stamp[:16].replace("T", " ")
