"""A result folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from MultiJointSegLib.errors import InputError

_FOREIGN_CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers drop into any folder; they do not make a result somebody else's."""


def _check_replaceable(path: Path, overwrite: bool, own_names: frozenset[str]) -> None:
    if not path.exists():
        return
    if not overwrite:
        raise InputError(f"The output '{path}' exists already; choose another folder or add --overwrite.")
    if not path.is_dir():
        raise InputError(f"The output '{path}' is a file; --overwrite replaces only the folder of an earlier result.")
    # Replacing a folder deletes it: never one that holds anything this command did not write.
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in own_names | _FOREIGN_CLUTTER)
    if foreign:
        raise InputError(
            f"The output '{path}' holds '{foreign[0]}', which is not part of an earlier result; "
            "choose another folder, since --overwrite replaces only earlier results."
        )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Context in which a second, impatient Ctrl-C does not stop the tidying up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _create_parents(folder: Path) -> list[Path]:
    """Create missing folders up to `folder`; returns those created, innermost first."""
    missing = []
    here = folder
    while not here.exists():
        missing.append(here)
        here = here.parent
    created: list[Path] = []
    try:
        for path in reversed(missing):
            path.mkdir()
            created.insert(0, path)
    except OSError:
        _remove_empty(created)
        raise
    return created


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _move_into_place(staging: Path, path: Path) -> None:
    if not path.exists():
        staging.rename(path)
        return
    retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.old-", dir=path.parent))
    path.rename(retired / "old")
    try:
        staging.rename(path)
    except OSError:
        (retired / "old").rename(path)
        retired.rmdir()
        raise
    shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def staged_folder(
    path: str | Path, *, overwrite: bool = False, own_names: frozenset[str] = frozenset()
) -> Iterator[Path]:
    """Context in which a folder is filled beside its final place and moved there at the end.

    Parameters
    ----------
    path
        The folder to make. Missing parents are created.
    overwrite
        Replace an existing folder, after success and only if it holds nothing but `own_names`.
    own_names
        Names of files and folders that an earlier result consists of.

    Yields
    ------
    Path
        An empty temporary folder in the same parent. If the context ends with an exception (an interrupt
        included) it is removed, with the parents created for it, and `path` is as it was.

    Raises
    ------
    InputError
        If `path` exists and may not be replaced, or its parent cannot be written to.
    """
    path = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow a link
    if path.is_symlink():
        path = path.resolve()
    _check_replaceable(path, overwrite, own_names)
    created: list[Path] = []
    try:
        created = _create_parents(path.parent)
        staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
    except OSError as error:
        _remove_empty(created)
        raise InputError(
            f"The output '{path}' cannot be written ({error.strerror or error}); "
            "choose a folder in which you may create files."
        ) from error
    try:
        yield staging
        # mkdtemp makes the folder private; a result has the permissions of any new folder.
        mask = os.umask(0)
        os.umask(mask)
        staging.chmod(0o777 & ~mask)
        with _undisturbed():
            _move_into_place(staging, path)
    except BaseException:
        with _undisturbed():
            shutil.rmtree(staging, ignore_errors=True)
            _remove_empty(created)
        raise
