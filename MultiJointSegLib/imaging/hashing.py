"""Which input was it? A fingerprint that says so without saying whose it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.dicom_headers import find_files


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files.

    Parameters
    ----------
    path : Path
        A file, or a folder with all its sub-folders (hidden files left out).

    Returns
    -------
    str
        64 hexadecimal digits. For a folder: the SHA-256 of the sorted digests of its files, one per line, so that
        neither file names nor their order matter.

    Raises
    ------
    InputError
        If the path does not exist or cannot be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            digests = sorted(_sha256_of_file(file) for file in find_files(path))
            return hashlib.sha256("\n".join(digests).encode("ascii")).hexdigest()
        return _sha256_of_file(path)
    except FileNotFoundError as error:
        raise InputError(f"The path {path} does not exist; check its spelling.") from error
    except OSError as error:
        raise InputError(f"The path {path} cannot be read: {error.strerror or error}.") from error


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
