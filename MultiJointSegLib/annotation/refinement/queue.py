"""The queue of a round: which cases a person should look at, in order, and why."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A case with the reason why it is asked for.

    Parameters
    ----------
    case : str
    disagreement : float
        See `disagreement.CaseEvidence`.
    bones : dict of str to float
        Disagreement of each bone.
    slices : list of int
        The canonical slices that disagree most, worst first.
    slice_disagreement : list of float
        Of each of these slices.
    points_mm : list of list of float
        Middle of what disagrees in each of these slices, LPS mm; empty in queues of earlier versions.
    entropy, variance : float
    """

    case: str
    disagreement: float
    bones: dict[str, float] = field(default_factory=dict)
    slices: list[int] = field(default_factory=list)
    slice_disagreement: list[float] = field(default_factory=list)
    points_mm: list[list[float]] = field(default_factory=list)
    entropy: float = 0.0
    variance: float = 0.0


@dataclass(frozen=True, slots=True)
class Queue:
    """Entries of a round, most wanted first."""

    round_number: int
    strategy: str
    entries: list[QueueEntry]


def write_queue(queue: Queue, path: Path) -> None:
    """Write a queue as JSON, whole or not at all."""
    content = {
        "format": _FORMAT,
        "round": queue.round_number,
        "strategy": queue.strategy,
        "entries": [asdict(entry) for entry in queue.entries],
    }
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def read_queue(path: Path, cases: Collection[str]) -> Queue:
    """Read a queue, which a person may have sorted or shortened by hand.

    Parameters
    ----------
    path : Path
    cases : collection of str
        Names that may stand in it.

    Raises
    ------
    InputError
        Naming the file and the entry: if it is no queue, names an unknown case or one twice.
    """
    advice = "correct it or run 'refine' again."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The queue {path} cannot be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise InputError(f"The queue {path} is no JSON ({error}); {advice}") from error
    try:
        entries = [_entry(entry, number, path) for number, entry in enumerate(content["entries"], 1)]
        queue = Queue(int(content["round"]), str(content["strategy"]), entries)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"The queue {path} lacks or misuses {error}; {advice}") from error
    seen: set[str] = set()
    for entry in entries:
        if entry.case not in cases:
            raise InputError(f"The queue {path} names the case '{entry.case}', which is not there; {advice}")
        if entry.case in seen:
            raise InputError(f"The queue {path} names the case '{entry.case}' twice; {advice}")
        seen.add(entry.case)
    return queue


def _entry(content: Any, number: int, path: Path) -> QueueEntry:
    known = set(QueueEntry.__slots__)
    if not isinstance(content, dict) or not {"case", "disagreement"} <= set(content) <= known:
        raise InputError(
            f"The queue {path}, entry {number}: an object with {', '.join(QueueEntry.__slots__)} is needed; "
            "correct it or run 'refine' again."
        )
    return QueueEntry(**content)
