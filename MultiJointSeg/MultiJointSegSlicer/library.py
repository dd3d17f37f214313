"""Where the library lies: beside the module when packaged, beside the module's folder in a checkout."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

MODULE_FOLDER = Path(__file__).resolve().parent.parent
"""Folder of the module's file and of this package."""


def put_library_on_path() -> None:
    """Make `import MultiJointSegLib` work in this process; does nothing where it works already."""
    if importlib.util.find_spec("MultiJointSegLib") is None:
        sys.path.append(str(MODULE_FOLDER.parent))


def python_path() -> list[str]:
    """Folders that a child process needs on its path to import the library."""
    put_library_on_path()
    spec = importlib.util.find_spec("MultiJointSegLib")
    found = [] if spec is None or spec.origin is None else [str(Path(spec.origin).resolve().parents[1])]
    return [*found, str(MODULE_FOLDER)]
