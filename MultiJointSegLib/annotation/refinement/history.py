"""The history of a case: one line for each thing that happened to its labels, only ever added to."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from MultiJointSegLib.errors import InputError

EventKind = Literal["proposed", "corrected", "accepted", "rejected", "skipped", "taken", "returned", "recovered"]
REVIEWED: tuple[EventKind, ...] = ("corrected", "accepted", "rejected")
"""Events after which a case is no longer asked for: a person has decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a case.

    Parameters
    ----------
    kind : str
        One of `EventKind`.
    who : str
        The reader's name or initials as given; "refine" for what the program did.
    when : str
        UTC, ISO 8601, to the second.
    version : int
        The version of the labels that it is about; 0 where none is.
    sha256 : str
        Of that version's file; "" where the event made none.
    note : str
        Free text.
    second : bool
        A second reading: it tells how far readers agree and changes nothing else.
    """

    kind: EventKind
    who: str
    when: str
    version: int = 0
    sha256: str = ""
    note: str = ""
    second: bool = False


def now() -> str:
    """The present, UTC, as events carry it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def append_event(path: Path, event: Event) -> None:
    """Add a line to a history in one write, and wait until it is on the disk.

    A line that a crash cut off is first closed, so that the new one stands by itself.
    """
    line = (json.dumps(asdict(event), ensure_ascii=False) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


def read_history(path: Path) -> list[Event]:
    """Events in the order in which they were written; none where the file does not exist.

    A line cut off by a crash is left out: what it told did not happen. It is the last line of its time, so it has no
    end or is followed by a whole one.

    Raises
    ------
    InputError
        If a whole line is no event, for example after an edit by hand.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"The history {path} cannot be read ({error.strerror or error}).") from error
    events = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError:
            if _is_cut_off(line):
                continue
            raise InputError(
                f"{path}, line {number} is no JSON object; histories are not to be edited: restore a copy."
            ) from None
        events.append(_event(content, f"{path}, line {number}"))
    return events


def _is_cut_off(line: bytes) -> bool:
    """Whether a line is the beginning of an event rather than something else."""
    return line.lstrip().startswith(b'{"kind"') and not line.rstrip().endswith(b"}")


def _event(content: object, where: str) -> Event:
    fields = set(Event.__slots__)
    if not isinstance(content, dict) or not {"kind", "who", "when"} <= set(content) <= fields:
        raise InputError(f"{where} is no event; its keys have to be {', '.join(Event.__slots__)}.")
    if content["kind"] not in get_args(EventKind):
        raise InputError(f"{where}: unknown kind '{content['kind']}'; known are {', '.join(get_args(EventKind))}.")
    if not isinstance(content.get("version", 0), int):
        raise InputError(f"{where}: the version is {content['version']!r}; a whole number is needed.")
    return Event(**content)
