"""Where the image of a case is, and which joint it shows."""

from __future__ import annotations

import json
from pathlib import Path

from MultiJointSegLib.annotation.refinement.store import CaseStore
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write

FACTS_FILE = "case.json"


def write_facts(case: CaseStore, image: Path, joint: str) -> None:
    """Note where a case's image is, for those who review it."""
    case.folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(case.folder / FACTS_FILE) as temporary:
        content = {"image": str(image.resolve()), "joint": joint}
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def case_image(case: CaseStore) -> Path:
    """Where a case's image is.

    Raises
    ------
    InputError
        If its note is missing or spoiled.
    """
    return Path(_fact(case, "image"))


def case_joint(case: CaseStore) -> str:
    """Key of the joint that a case shows; raises as `case_image`."""
    return _fact(case, "joint")


def _fact(case: CaseStore, key: str) -> str:
    path = case.folder / FACTS_FILE
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read; run 'refine' again to have it written.") from error
