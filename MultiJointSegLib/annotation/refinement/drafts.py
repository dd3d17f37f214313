"""What a reader has drawn so far: kept beside the versions, so that a crash loses no more than the last minute."""

from __future__ import annotations

import hashlib
from pathlib import Path

from MultiJointSegLib.annotation.refinement.store import CaseStore
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume

_DRAFTS = "drafts"


def draft_path(case: CaseStore, who: str, version: int) -> Path:
    """File of a reader's draft over a version of the labels, whether or not there is one.

    Every reader has files of their own, so that no draft can replace another's.
    """
    reader = hashlib.sha256(who.encode()).hexdigest()[:16]
    return case.folder / _DRAFTS / f"{reader}_{version:04d}.nii"


def save_draft(case: CaseStore, who: str, version: int, labels: Volume) -> Path:
    """Keep what a reader has drawn over a version so far; not compressed, which would take a second.

    Parameters
    ----------
    case : CaseStore
    who : str
    version : int
        Of the labels that were opened.
    labels : Volume
        uint8 (k, j, i), the catalog's label values.
    """
    path = draft_path(case, who, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(labels, path)
    return path


def find_draft(case: CaseStore, who: str, version: int) -> Path | None:
    """The reader's draft over a version; None if there is none."""
    path = draft_path(case, who, version)
    return path if path.is_file() else None


def drop_draft(case: CaseStore, who: str, version: int) -> None:
    """Remove a draft whose content has become a version."""
    draft_path(case, who, version).unlink(missing_ok=True)
