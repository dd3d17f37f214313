"""What is known about every examination of a cohort, kept beside the results so that a run can go on later."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from MultiJointSegLib.errors import CancelledError, InputError, MultiJointSegError, RefusalError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.progress import CallbackProgress

FINISHED = "finished"
REFUSED = "refused"
FAILED = "failed"
STATE_FOLDER = ".cohort"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemState:
    """How one examination ended.

    Parameters
    ----------
    name
        Of the result folder.
    state
        `FINISHED`, `REFUSED` (none of the model's joints) or `FAILED`.
    key
        See `settings.item_key`; "" when the files could not even be read.
    sentence
        Why it was refused or failed.
    side
        "left", "right" or "" where the source does not say.
    ended
        When, UTC.
    """

    name: str
    state: str
    key: str = ""
    sentence: str = ""
    side: str = ""
    ended: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))


def failure(name: str, key: str, error: BaseException) -> ItemState:
    """State of an examination that ended with an exception: one sentence, whatever it was."""
    if isinstance(error, MultiJointSegError):
        sentence = " ".join(str(error).split())
    elif isinstance(error, MemoryError):
        sentence = "The memory is not enough for this examination."
    elif isinstance(error, OSError):
        sentence = f"A file could not be read or written ({error})."
    else:
        sentence = f"An unexpected error stopped it ({type(error).__name__}: {error})."
    return ItemState(
        name=name, state=REFUSED if isinstance(error, RefusalError) else FAILED, key=key, sentence=sentence
    )


class CohortFolder:
    """Output folder of a cohort with its hidden folder of states.

    Parameters
    ----------
    path
        Created with its parents if missing.

    Raises
    ------
    InputError
        If it cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).expanduser().absolute()
        try:
            (self.path / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The output '{path}' cannot be written ({error.strerror or error}); choose another folder."
            ) from error

    def state(self, name: str) -> ItemState | None:
        """Last state of an examination; None if there is none or it cannot be read."""
        try:
            return ItemState(**json.loads((self.path / STATE_FOLDER / f"{name}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, state: ItemState) -> None:
        """Write the state of an examination."""
        with atomic_write(self.path / STATE_FOLDER / f"{state.name}.json") as temporary:
            temporary.write_text(json.dumps(asdict(state), indent=1) + "\n", encoding="utf-8")

    def is_current(self, name: str, key: str) -> bool:
        """Whether the result of these files with these settings lies here, or they were refused before."""
        known = self.state(name)
        if known is None or known.key != key:
            return False
        return known.state == REFUSED or (known.state == FINISHED and (self.path / name / "run.json").is_file())

    def sweep(self, names: Iterable[str]) -> None:
        """Remove what a killed process left of unfinished results."""
        own = tuple(f".{name}.partial-" for name in names)
        for entry in self.path.glob(".*.partial-*"):
            if entry.name.startswith(own):
                shutil.rmtree(entry, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Context in which no other run on this computer works into the folder.

        Raises
        ------
        InputError
            If another one does.
        """
        path = self.path / STATE_FOLDER / "lock"
        mine = json.dumps({"host": socket.gethostname(), "process": os.getpid()})
        for _ in range(2):
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(mine)
                break
            except FileExistsError:
                if _is_running(path):
                    raise InputError(
                        f"Another cohort run works into '{self.path}'; wait for it, choose another folder, "
                        f"or delete '{path}' if there is none."
                    ) from None
                path.unlink(missing_ok=True)
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()

    @contextmanager
    def stop_signal(self) -> Iterator[StopSignal]:
        """Context of a signal that other processes and machines see through the file system."""
        signal = StopSignal(self.path / STATE_FOLDER / f"stop-{secrets.token_hex(4)}")
        try:
            yield signal
        finally:
            with suppress(OSError):
                signal.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class StopSignal:
    """A file whose presence asks all work of one cohort run to stop."""

    path: Path

    def give(self) -> None:
        """Ask to stop."""
        with suppress(OSError):
            self.path.touch()

    def is_given(self) -> bool:
        """Whether somebody asked to stop."""
        return self.path.exists()

    def progress(self) -> CallbackProgress:
        """Progress that reports nothing and cancels when asked to stop."""
        return CallbackProgress(lambda _fraction, _message: None, self.is_given)

    def check(self) -> None:
        """Raise `CancelledError` when asked to stop."""
        if self.is_given():
            raise CancelledError("Cancelled.")


def _is_running(lock: Path) -> bool:
    try:
        owner = json.loads(lock.read_text(encoding="utf-8"))
        same_computer = owner["host"] == socket.gethostname()
        return not same_computer or (owner["process"] != os.getpid() and psutil.pid_exists(owner["process"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False
