"""What a reader does: take the next case, decide, give it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.annotation.refinement.drafts import drop_draft
from MultiJointSegLib.annotation.refinement.facts import case_image, case_joint
from MultiJointSegLib.annotation.refinement.history import REVIEWED, Event, EventKind
from MultiJointSegLib.annotation.refinement.locks import CaseLock, read_lock
from MultiJointSegLib.annotation.refinement.project import Project
from MultiJointSegLib.annotation.refinement.queue import QueueEntry
from MultiJointSegLib.annotation.refinement.store import LOCK_FILE, CaseStore
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.reordering import reordered
from MultiJointSegLib.imaging.volume import Volume


@dataclass(frozen=True, slots=True)
class Assignment:
    """A case that a reader has open.

    Parameters
    ----------
    case : CaseStore
    lock : CaseLock
    entry : QueueEntry
        Why it is asked for.
    image : Path
    labels : Path
        The version that the reader gets to see; to be copied, never written to.
    version : int
        Its number.
    """

    case: CaseStore
    lock: CaseLock
    entry: QueueEntry
    image: Path
    labels: Path
    version: int


def next_case(project: Project, who: str) -> Assignment | None:
    """Open the first waiting case of the queue that no other reader has; None where there is none."""
    for entry in project.waiting():
        assignment = open_case(project, entry, who)
        if assignment is not None:
            return assignment
    return None


def second_reading(project: Project, who: str) -> Assignment | None:
    """Open a case of the queue that others decided on and this reader did not; None where there is none.

    The reader sees what the first one saw, the proposal, so that the two readings do not depend on each other.
    """
    for entry in project.queue().entries:
        case = project.case(entry.case)
        history = case.history()
        readers = {event.who for event in history if event.kind in REVIEWED}
        seen = first_proposal_seen(history)
        if readers and who not in readers and seen:
            assignment = open_case(project, entry, who, version=seen)
            if assignment is not None:
                return assignment
    return None


def first_proposal_seen(history: Sequence[Event]) -> int:
    """Version of the newest proposal before anybody decided; 0 where there is none."""
    version = 0
    for event in history:
        if event.kind in REVIEWED:
            break
        if event.kind == "proposed":
            version = event.version
    return version


def open_case(project: Project, entry: QueueEntry, who: str, *, version: int = 0) -> Assignment | None:
    """Open a case for a reader; None while another has it.

    Parameters
    ----------
    project : Project
    entry : QueueEntry
    who : str
    version : int
        Of the labels that the reader gets to see; the one that counts now if 0.

    Raises
    ------
    InputError
        If its image is no longer where the manifest had it.
    """
    case = project.case(entry.case)
    image = case_image(case)
    if not image.exists():
        raise InputError(
            f"The image of '{case.name}' is gone ({image}); put it back, or take the case out of the queue."
        )
    lock = case.take(who)
    if lock is None:
        return None
    version = version or case.state().version
    return Assignment(case, lock, entry, image, case.labels_path(version), version)


def held_lock(case: CaseStore, who: str) -> CaseLock:
    """The lock that a reader has on a case.

    Raises
    ------
    InputError
        If they have none.
    """
    lock = read_lock(case.folder / LOCK_FILE)
    if lock is None or lock.who != who:
        other = f"'{lock.who}' has it" if lock else "nobody has it"
        raise InputError(f"'{who}' does not have the case '{case.name}' open ({other}); take it first.")
    return lock


def decide(
    case: CaseStore,
    lock: CaseLock,
    kind: EventKind,
    labels: Path | None = None,
    *,
    note: str = "",
    version: int = 0,
    second: bool = False,
) -> int:
    """Store a decision; corrected labels are checked against the version they were drawn over.

    Parameters
    ----------
    case : CaseStore
    lock : CaseLock
    kind : str
        "corrected", "accepted", "rejected" or "skipped".
    labels : Path, optional
        Label map with the catalog's values.
    note : str
    version : int
        The version that the reader saw; the one that counts now if 0.
    second : bool
        A second reading: what the first reader decided still counts.

    Returns
    -------
    int
        Version that the decision is about.

    Raises
    ------
    InputError
        If the labels cannot be read, lie on another grid or hold other values, or the case is no longer the reader's.
    """
    drawn = None if labels is None else checked_labels(case, read_label_map(labels), labels.name)
    decided = case.submit(lock, kind, drawn, note=note, version=version, second=second)
    if drawn is not None and version:
        drop_draft(case, lock.who, version)
    return decided


def checked_labels(case: CaseStore, drawn: Volume, name: str) -> Volume:
    """Labels as uint8 on the case's grid, or a sentence why they cannot be taken."""
    joint = case_joint(case)
    bones = sorted(anatomy.joint(joint).bones, key=lambda bone: bone.label)
    known = {bone.label: f"{bone.label} {bone.key.replace('_', ' ')}" for bone in bones}
    values = {int(value) for value in np.unique(drawn.array)} - {0}
    wrong = sorted(values - set(known))
    if wrong:
        raise InputError(
            f"{name} holds the label value {wrong[0]}; labels of the {joint} are {', '.join(known.values())}."
        )
    if not values:
        raise InputError(f"{name} holds no bone; reject the case if its labels cannot be mended.")
    standing = read_label_map(case.labels_path(case.state().version))
    if not drawn.geometry.same_grid(standing.geometry):
        drawn = reordered(drawn, standing.geometry) or drawn
    if not drawn.geometry.same_grid(standing.geometry):
        raise InputError(f"{name} lies on another grid than the labels of '{case.name}'; draw on its image.")
    return drawn.with_array(drawn.array.astype(np.uint8))
