"""Where the files that ship with the library lie: beside it in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from MultiJointSegLib.errors import MultiJointSegError

_PACKAGE = Path(__file__).resolve().parent
_CANDIDATES = (_PACKAGE / "_resources", _PACKAGE.parent / "Resources")


def resource_path(*parts: str) -> Path:
    """Path of a shipped file or folder, for example ``resource_path("Anatomy", "anatomy.json")``.

    Raises
    ------
    MultiJointSegError
        If the installation lacks it.
    """
    for root in _CANDIDATES:
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise MultiJointSegError(f"The installation lacks the resource {'/'.join(parts)}. Install MultiJointSeg again.")
