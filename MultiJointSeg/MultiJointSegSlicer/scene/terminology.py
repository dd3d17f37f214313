"""Standard codes of bones in the form that Slicer keeps them in."""

from __future__ import annotations

from typing import Any

from vtkmodules.vtkCommonCore import reference

from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Bone, Code
from MultiJointSegLib.anatomy.terminology import TERMINOLOGY_FILE, TERMINOLOGY_NAME
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.resources import resource_path

TERMINOLOGY_TAG = "TerminologyEntry"
"""Tag of a segment that holds its terminology (vtkSegment::GetTerminologyEntryTagName)."""

_NO_CODE = "^^"


def terminology_entry(bone: Bone, side: str | None = None) -> str:
    """Terminology of a bone as Slicer serializes it: context, category, type, modifier and, empty, the region.

    Parameters
    ----------
    side
        "left", "right" or None where it is not known. Ignored for bones that are not paired.

    Raises
    ------
    InputError
        If the side is neither.
    """
    modifier = _NO_CODE
    if side is not None:
        code = anatomy.laterality(side)
        modifier = _triple(code) if bone.paired else _NO_CODE
    fields = (TERMINOLOGY_NAME, _triple(anatomy.category()), _triple(bone.code), modifier, "", _NO_CODE, _NO_CODE)
    return "~".join(fields)


def codes_of_entry(entry: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """(scheme, value) of the type and of its modifier in a serialized entry; empty strings where there is none."""
    fields = [field.split("^") for field in entry.split("~")]

    def code(index: int) -> tuple[str, str]:
        return (fields[index][0], fields[index][1]) if index < len(fields) and len(fields[index]) > 1 else ("", "")

    return code(2), code(3)


def segment_terminology(segment: Any) -> str:
    """Serialized terminology of a vtkSegment, "" if it has none."""
    value = reference("")
    return str(value) if segment.GetTag(TERMINOLOGY_TAG, value) else ""


def load_terminology(terminologies_logic: Any) -> str:
    """Load our terminology into Slicer's terminology logic, so that its selector offers our bones.

    Returns
    -------
    str
        Name of the terminology context.

    Raises
    ------
    MultiJointSegError
        If Slicer could not load it.
    """
    path = resource_path("Anatomy", TERMINOLOGY_FILE)
    loaded = terminologies_logic.LoadTerminologyFromFile(str(path))
    if loaded != TERMINOLOGY_NAME:
        raise MultiJointSegError(f"Slicer could not load the terminology {path}. Install MultiJointSeg again.")
    return TERMINOLOGY_NAME


def _triple(code: Code) -> str:
    return f"{code.scheme}^{code.value}^{code.meaning}"
