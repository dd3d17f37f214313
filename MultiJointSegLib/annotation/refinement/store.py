"""Versions of every case's labels: written once, never replaced, each with its history."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from MultiJointSegLib.annotation.refinement.history import (
    REVIEWED,
    Event,
    EventKind,
    append_event,
    now,
    read_history,
)
from MultiJointSegLib.annotation.refinement.locks import CaseLock, read_lock, refresh_lock, release_lock, take_lock
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.hashing import sha256_of
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume

PROGRAM = "refine"
"""Who proposes labels in histories."""

LOCK_FILE = "lock.json"
_HISTORY, _VERSIONS = "history.jsonl", "labels"
_VERSION_NAME = re.compile(r"(\d{4,})\.nii\.gz")
_SAFE_NAME = re.compile(r"[\w][\w.\- ]{0,99}")


@dataclass(frozen=True, slots=True)
class CaseState:
    """Where a case stands.

    Parameters
    ----------
    name : str
    status : str
        "proposed", "corrected", "accepted", "rejected" or "skipped": the last of these that happened.
    version : int
        Version of the labels that counts: what a person decided on, otherwise the newest proposal. 0: none.
    reader : str
        Who decided; "" for nobody.
    taken_by : str
        Who has the case open; "" for nobody.
    """

    name: str
    status: str
    version: int
    reader: str
    taken_by: str

    @property
    def reviewed(self) -> bool:
        """Whether a person has decided."""
        return self.status in REVIEWED

    @property
    def trusted(self) -> bool:
        """Whether its labels are what a person drew or accepted."""
        return self.status in ("corrected", "accepted")


class CaseStore:
    """Folder of one case: its label versions, history and lock.

    Nothing in it is ever replaced: a version is written under a temporary name and linked to its number, which
    fails where the number is taken; the history is only added to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name

    def versions(self) -> dict[int, Path]:
        """Number and file of the label versions, oldest first."""
        found = {}
        for path in (self.folder / _VERSIONS).glob("*.nii.gz"):
            match = _VERSION_NAME.fullmatch(path.name)
            if match:
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def history(self) -> list[Event]:
        """See `history.read_history`."""
        return read_history(self.folder / _HISTORY)

    def state(self) -> CaseState:
        """Where the case stands; see `CaseState`."""
        events = self.history()
        decisions = [event for event in events if event.kind in (*REVIEWED, "skipped") and not event.second]
        proposals = [event for event in events if event.kind == "proposed"]
        lock = read_lock(self.folder / LOCK_FILE)
        taken_by = lock.who if lock else ""
        reviews = [event for event in decisions if event.kind in REVIEWED]
        if reviews:
            last = reviews[-1]
            return CaseState(self.name, last.kind, last.version, last.who, taken_by)
        version = proposals[-1].version if proposals else 0
        status = "skipped" if decisions and decisions[-1].version == version else "proposed"
        return CaseState(self.name, status, version, decisions[-1].who if decisions else "", taken_by)

    def labels_path(self, version: int) -> Path:
        """File of a version.

        Raises
        ------
        InputError
            If there is none, for example because it was deleted by hand.
        """
        path = self.folder / _VERSIONS / f"{version:04d}.nii.gz"
        if not path.is_file():
            raise InputError(f"Version {version} of the labels of '{self.name}' is missing ({path}); restore it.")
        return path

    def propose(self, labels: Volume | Path, *, note: str = "") -> int:
        """Store what the program proposes.

        Raises
        ------
        InputError
            If a person has decided on this case: their labels stay.
        """
        state = self.state()
        if state.reviewed:
            raise InputError(f"'{self.name}' was {state.status} by '{state.reader}'; nothing is proposed over it.")
        return self._add("proposed", PROGRAM, labels, note)

    def submit(
        self,
        lock: CaseLock,
        kind: EventKind,
        labels: Volume | Path | None = None,
        *,
        note: str = "",
        version: int = 0,
        second: bool = False,
    ) -> int:
        """Store a reader's decision and give the case back.

        Parameters
        ----------
        lock : CaseLock
            From `take`: the reader still has the case.
        kind : str
            "corrected" (with labels), "accepted", "rejected" or "skipped" (about the version that counts now).
        labels : Volume or Path, optional
            Label map on the image's grid, or a .nii.gz file of one.
        note : str
        version : int
            The version that the reader saw, without labels; the one that counts now if 0.
        second : bool
            A second reading: what the first reader decided still counts.

        Returns
        -------
        int
            Version that the decision is about.

        Raises
        ------
        InputError
            If the case is no longer the reader's, or labels are missing or not wanted.
        """
        if (kind == "corrected") != (labels is not None):
            raise InputError(
                f"A case that is {kind} {'needs' if kind == 'corrected' else 'takes no'} labels; "
                "give labels with 'corrected' only."
            )
        refresh_lock(lock)
        if labels is not None:
            version = self._add(kind, lock.who, labels, note, second=second)
        else:
            if version:
                self.labels_path(version)  # says so where it is missing
            version = version or self.state().version
            self._tell(kind, lock.who, version, note=note, second=second)
        release_lock(lock)
        return version

    def take(self, who: str) -> CaseLock | None:
        """Open the case for a reader; None while another has it."""
        if not who.strip() or len(who) > 60 or "\n" in who:
            raise InputError(f"The reader's name is {who!r}; give a short name or initials.")
        had = read_lock(self.folder / LOCK_FILE)
        lock = take_lock(self.folder / LOCK_FILE, who)
        if lock is not None and (had is None or had.token != lock.token):
            self._tell("taken", who)
        return lock

    def give_back(self, lock: CaseLock) -> None:
        """Close the case without a decision."""
        release_lock(lock)
        self._tell("returned", lock.who)

    def recover(self) -> list[int]:
        """Write down versions that a crash left without a line in the history; their numbers.

        They are kept, and count for nothing until a person decides on them.
        """
        told = {event.version for event in self.history()}
        lost = [number for number in self.versions() if number not in told]
        for number in lost:
            self._tell("recovered", PROGRAM, number, sha256_of(self.labels_path(number)))
        return lost

    def check(self) -> None:
        """Compare the files with the history.

        Raises
        ------
        InputError
            If a version was changed or deleted by hand.
        """
        for event in self.history():
            if event.sha256 and sha256_of(self.labels_path(event.version)) != event.sha256:
                raise InputError(
                    f"Version {event.version} of the labels of '{self.name}' is not what '{event.who}' saved on "
                    f"{event.when}; restore it from a copy."
                )

    def _add(self, kind: EventKind, who: str, labels: Volume | Path, note: str, *, second: bool = False) -> int:
        folder = self.folder / _VERSIONS
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{secrets.token_hex(6)}.nii.gz"
        try:
            if isinstance(labels, Volume):
                write_volume(labels, temporary)
            else:
                shutil.copyfile(labels, temporary)
            _flush(temporary)
            digest = sha256_of(temporary)
            number = max((*self.versions(), *(event.version for event in self.history()), 0)) + 1
            while True:
                try:
                    os.link(temporary, folder / f"{number:04d}.nii.gz")
                    break
                except FileExistsError:
                    number += 1
        finally:
            temporary.unlink(missing_ok=True)
        self._tell(kind, who, number, digest, note, second=second)
        return number

    def _tell(
        self, kind: EventKind, who: str, version: int = 0, sha256: str = "", note: str = "", *, second: bool = False
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        event = Event(kind=kind, who=who, when=now(), version=version, sha256=sha256, note=note, second=second)
        append_event(self.folder / _HISTORY, event)


def case_stores(folder: Path) -> Iterator[CaseStore]:
    """The cases below a folder, by name."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            yield CaseStore(path)


def case_folder_name(name: str) -> str:
    """The name of a case's folder.

    Raises
    ------
    InputError
        If the name cannot be that of a folder everywhere.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise InputError(
            f"The case name '{name}' cannot be a folder's; use up to 100 letters, digits, '.', '-', '_' and spaces."
        )
    return name


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
