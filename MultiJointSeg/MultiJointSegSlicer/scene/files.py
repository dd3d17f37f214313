"""Files that are there whole or not at all, and errors about them in sentences."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from MultiJointSegLib.errors import InputError, MultiJointSegError


@contextlib.contextmanager
def written_whole(path: Path, *, suffix: str) -> Iterator[Path]:
    """Context in which a file is written under another name; it gets its own when the context ends well.

    Yields a path with a short name and the suffix in a temporary folder beside the file: Slicer derives names inside
    of bundles from it, and the last rename stays within one file system.

    Raises
    ------
    InputError
        If the path does not end with the suffix, or its folder is missing or cannot be written to.
    MultiJointSegError
        If nothing was written.
    """
    path = path.absolute()
    if not path.name.endswith(suffix):
        raise InputError(f"The file name '{path.name}' must end with '{suffix}'.")
    try:
        folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    except OSError as error:
        raise InputError(_no_writing(path, error)) from error
    try:
        partial = folder / f"scene{suffix}"
        yield partial
        if not partial.is_file() or not partial.stat().st_size:
            raise MultiJointSegError(f"{path} could not be written; check the free space of its disk.")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(_no_writing(path, error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _no_writing(path: Path, error: OSError) -> str:
    return f"{path} cannot be written ({error.strerror}); choose a folder that exists and that you may write to."
