"""Converted networks kept in the user's cache folder: optional, checked, safe with several programs at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

CACHE_VARIABLE = "MULTIJOINTSEG_CACHE"
"""Environment variable that names another cache folder; "off" turns the cache off."""

KEPT_FILES = 16
"""At most so many converted networks are kept; the longest unused go first."""


def cache_folder() -> Path | None:
    """The program's folder for files that can be made again; None when the cache is turned off.

    ``MULTIJOINTSEG_CACHE`` if set, else the platform's: ``%LOCALAPPDATA%``, ``~/Library/Caches``,
    ``$XDG_CACHE_HOME`` or ``~/.cache``. It is not created here.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return None if chosen.lower() == "off" else Path(chosen)
    try:
        home = Path.home()
    except RuntimeError:  # no home folder, as in some containers
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "multijointseg"


def read_cached(name: str) -> bytes | None:
    """Content stored under a name; None if there is none or it is damaged (then it is removed)."""
    folder = cache_folder()
    if folder is None:
        return None
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[32:]
    if hashlib.sha256(content).digest() != data[:32]:
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # recently used
    return content


def write_cached(name: str, content: bytes) -> bool:
    """Store content under a name, whole or not at all; False where that is not possible."""
    folder = cache_folder()
    if folder is None:
        return False
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
        os.replace(temporary, folder / name)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False
    _drop_oldest(folder, Path(name).suffix)
    return True


def _drop_oldest(folder: Path, suffix: str) -> None:
    with contextlib.suppress(OSError):  # another program may remove the same files
        kept = sorted(folder.glob(f"*{suffix}"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[KEPT_FILES:]:
            path.unlink()
