"""Whose case it is: locks of the refinement's folder, from the window."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegSlicer.strings import tr as _

if TYPE_CHECKING:
    from MultiJointSegSlicer.review_queue.open_case import OpenCase


def give_back(work: Path, name: str, reader: str) -> None:
    """Let another reader have the case; silent where it is not this reader's any more or the folder is gone."""
    from MultiJointSegLib.annotation.refinement.locks import read_lock
    from MultiJointSegLib.annotation.refinement.project import Project
    from MultiJointSegLib.annotation.refinement.store import LOCK_FILE
    from MultiJointSegLib.errors import InputError

    with contextlib.suppress(InputError, OSError):
        case = Project(work).case(name)
        lock = read_lock(case.folder / LOCK_FILE)
        if lock is not None and lock.who == reader:
            case.give_back(lock)


def refresh(case: OpenCase) -> None:
    """Show the others that the reader is still at it.

    Raises
    ------
    InputError
        If the case is no longer the reader's.
    """
    from MultiJointSegLib.annotation.refinement.locks import read_lock, refresh_lock
    from MultiJointSegLib.annotation.refinement.project import Project
    from MultiJointSegLib.annotation.refinement.store import LOCK_FILE
    from MultiJointSegLib.errors import InputError

    lock = read_lock(Project(case.work).case(case.name).folder / LOCK_FILE)
    if lock is None or lock.who != case.reader:
        other = _("'{who}' has it").format(who=lock.who) if lock else _("nobody has it")
        raise InputError(
            _("The case is no longer yours ({other}). Your drawing is kept as a draft; take the case again.").format(
                other=other
            )
        )
    refresh_lock(lock)
