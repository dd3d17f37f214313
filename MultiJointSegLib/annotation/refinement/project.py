"""A refinement on disk: cases, rounds and queues, from which every command starts. Light: nothing here computes."""

from __future__ import annotations

from pathlib import Path

from MultiJointSegLib.annotation.refinement.effort import proposal_closeness
from MultiJointSegLib.annotation.refinement.queue import Queue, QueueEntry, read_queue
from MultiJointSegLib.annotation.refinement.store import CaseStore, case_folder_name, case_stores
from MultiJointSegLib.errors import InputError

CASES, ROUNDS, PLAN, QUEUE = "cases", "rounds", "round.json", "queue.json"
"""Folders and files of a refinement."""


class Project:
    """Folder of a refinement.

    Parameters
    ----------
    folder : Path
        Holds `cases`, each a `store.CaseStore`, and `rounds`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def cases(self) -> list[CaseStore]:
        """All cases, by name."""
        return list(case_stores(self.folder / CASES))

    def case(self, name: str) -> CaseStore:
        """The case of a name.

        Raises
        ------
        InputError
            If there is none.
        """
        path = self.folder / CASES / case_folder_name(name)
        if not path.is_dir():
            known = ", ".join(case.name for case in self.cases()) or "none; run 'refine' first"
            raise InputError(f"There is no case '{name}' in {self.folder}; there are {known}.")
        return CaseStore(path)

    def queue(self) -> Queue:
        """The newest queue.

        Raises
        ------
        InputError
            If no round has ended yet, or the file was spoiled.
        """
        done = [path for path in self.round_folders() if (path / QUEUE).exists()]
        if not done:
            raise InputError(f"{self.folder} has no queue yet; run 'multijointseg refine CONFIG -o {self.folder}'.")
        return read_queue(done[-1] / QUEUE, {case.name for case in self.cases()})

    def waiting(self) -> list[QueueEntry]:
        """Entries of the newest queue that nobody has decided on or skipped."""
        return [entry for entry in self.queue().entries if self.case(entry.case).state().status == "proposed"]

    def effort(self) -> tuple[int, list[float]]:
        """Cases that persons decided on, and for each, oldest first, how close the proposal was (mean Dice)."""
        closeness = proposal_closeness(self.cases())
        return len(closeness), closeness

    def round_folder(self, number: int) -> Path:
        """Folder of a round."""
        return self.folder / ROUNDS / f"{number:03d}"

    def round_folders(self) -> list[Path]:
        """Folders of the rounds that were begun, oldest first."""
        parent = self.folder / ROUNDS
        return sorted(path for path in parent.iterdir() if (path / PLAN).exists()) if parent.is_dir() else []
