"""One reader at a time on a case, also when several share a network folder."""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from MultiJointSegLib.annotation.refinement.history import now
from MultiJointSegLib.errors import InputError

STALE_AFTER_S = 12 * 3600.0
"""A lock that nobody refreshed for so long is of a reader who went home: another may take the case."""


@dataclass(frozen=True, slots=True)
class CaseLock:
    """Whose turn a case is.

    Parameters
    ----------
    path : Path
    who : str
    since : str
        UTC, ISO 8601.
    token : str
        Tells this lock from a later one of the same reader.
    """

    path: Path
    who: str
    since: str
    token: str


def take_lock(path: Path, who: str, *, stale_after_s: float = STALE_AFTER_S) -> CaseLock | None:
    """Take a case for a reader.

    Parameters
    ----------
    path : Path
        Lock file of the case.
    who : str
    stale_after_s : float
        Age in seconds from which somebody else's lock no longer counts.

    Returns
    -------
    CaseLock or None
        None while another reader has the case. A reader who has it already gets it again.
    """
    for _ in range(2):
        lock = CaseLock(path, who, now(), secrets.token_hex(8))
        content = json.dumps({"who": lock.who, "since": lock.since, "token": lock.token}).encode()
        # A hard link of a whole file appears at once and fails where one exists: no reader sees half a lock.
        temporary = path.with_name(f".{lock.token}.lock")
        temporary.write_bytes(content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            held = read_lock(path)
            if held is not None and held.who == who:
                refresh_lock(held)
                return held
            if held is not None and not _is_stale(path, stale_after_s):
                return None
            _remove_stale(path, held)
        else:
            return lock
        finally:
            temporary.unlink(missing_ok=True)
    return None


def read_lock(path: Path) -> CaseLock | None:
    """The lock on a case; None where there is none or it is unreadable (and so nobody's)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return CaseLock(path, str(content["who"]), str(content["since"]), str(content["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refresh_lock(lock: CaseLock) -> None:
    """Show that the reader is still at it.

    Raises
    ------
    InputError
        If the lock is no longer theirs.
    """
    _require(lock)
    os.utime(lock.path)


def release_lock(lock: CaseLock) -> None:
    """Give a case back; a lock that is no longer this one is left alone."""
    held = read_lock(lock.path)
    if held is not None and held.token == lock.token:
        lock.path.unlink(missing_ok=True)


def _require(lock: CaseLock) -> None:
    held = read_lock(lock.path)
    if held is None or held.token != lock.token:
        other = f"'{held.who}' has it since {held.since}" if held else "nobody has it"
        raise InputError(
            f"The case {lock.path.parent.name} is no longer with '{lock.who}' ({other}); take it again before saving."
        )


def _is_stale(path: Path, stale_after_s: float) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > stale_after_s
    return True


def _remove_stale(path: Path, held: CaseLock | None) -> None:
    """Take a stale lock away, unless it was renewed or replaced in between."""
    aside = path.with_name(f".{secrets.token_hex(8)}.stale")
    with suppress(OSError):
        path.rename(aside)
        moved = read_lock(aside)
        if moved is not None and held is not None and moved.token != held.token:
            with suppress(FileExistsError):
                os.link(aside, path)  # somebody was faster: give it back
    aside.unlink(missing_ok=True)
