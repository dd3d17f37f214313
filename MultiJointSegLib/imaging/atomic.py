"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from MultiJointSegLib.errors import InputError, MultiJointSegError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name and rename it when the block ends well.

    Parameters
    ----------
    path : Path
        The file to make or replace. Its folder has to exist.

    Yields
    ------
    Path
        Temporary name in the same folder with the same extension. The block writes there.

    Raises
    ------
    InputError
        If the folder is missing or cannot be written to, or `path` is a folder.
    MultiJointSegError
        If writing fails, for example because the disk is full. The temporary file is removed, whatever the error.

    Examples
    --------
    >>> with atomic_write(Path("report.html")) as temporary:  # doctest: +SKIP
    ...     temporary.write_text("<html></html>")
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"Cannot write {path.name}: the folder {path.parent} does not exist; create it first.")
    if path.is_dir():
        raise InputError(f"Cannot write {path}: a folder of that name exists; choose another name.")
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except PermissionError as error:
        raise InputError(f"Cannot write {path}: permission denied; choose another folder.") from error
    except OSError as error:
        raise MultiJointSegError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
