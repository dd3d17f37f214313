"""The catalog of bones and joints. A new joint is a change of anatomy.json alone."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.resources import resource_path

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept: `scheme` as DICOM names it ("SCT" is SNOMED CT), code `value`, `meaning` for people."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Bone:
    """One bone: `key` in code and files, `name` for people, `label` in label maps (the same in every joint).

    Parameters
    ----------
    color : tuple of 3 int
        Display color, red, green, blue, 0 to 255.
    code : Code
        SNOMED CT concept of the bone (segmented property type of a DICOM segmentation).
    paired : bool
        Whether there is a left and a right one, so that a side (`laterality`) makes sense.
    in_parts : bool
        Whether thick slices or the edge of the field of view part it, so that large parts of it are seen apart.
    """

    key: str
    name: str
    label: int
    color: tuple[int, int, int]
    code: Code
    paired: bool
    in_parts: bool = False


@dataclass(frozen=True, slots=True)
class Joint:
    """One joint: its bones in the order of the network's classes 1..n, and the modalities that are accepted."""

    key: str
    bones: tuple[Bone, ...]
    modalities: tuple[str, ...]
    name: str
    both_sides: bool
    """Whether an examination usually shows the left and the right one, so that both are kept."""

    @property
    def labels(self) -> tuple[int, ...]:
        """Label-map value of each bone, in class order."""
        return tuple(b.label for b in self.bones)

    @property
    def classes_in_parts(self) -> frozenset[int]:
        """Classes of the bones that are seen in parts, see `Bone.in_parts`."""
        return frozenset(n for n, b in enumerate(self.bones, start=1) if b.in_parts)


@dataclass(frozen=True, slots=True)
class _Catalog:
    category: Code
    sides: dict[str, Code]
    bones: dict[str, Bone]
    joints: dict[str, Joint]


@cache
def _catalog() -> _Catalog:
    data = json.loads(resource_path("Anatomy", "anatomy.json").read_text(encoding="utf-8"))
    scheme = data["coding_scheme"]

    def code(entry: Mapping[str, str]) -> Code:
        return Code(scheme, entry["code"], entry["meaning"])

    bones = {
        k: Bone(
            k, b["name"], int(b["label"]), tuple(b["color"]), code(b), bool(b["paired"]), bool(b.get("in_parts", False))
        )
        for k, b in data["bones"].items()
    }
    joints = {
        k: Joint(k, tuple(bones[name] for name in j["bones"]), tuple(j["modalities"]), j["name"], bool(j["both_sides"]))
        for k, j in data["joints"].items()
    }
    return _Catalog(code(data["category"]), {k: code(s) for k, s in data["sides"].items()}, bones, joints)


def _pick(table: Mapping[str, _Item], key: str, kind: str) -> _Item:
    if key in table:
        return table[key]
    near = difflib.get_close_matches(key, table, 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise InputError(f"Unknown {kind} '{key}'; known are {', '.join(table)}.{hint}")


def joint_names() -> tuple[str, ...]:
    """Keys of all joints.

    Examples
    --------
    >>> joint_names()
    ('ankle', 'knee', 'shoulder', 'hip')
    """
    return tuple(_catalog().joints)


def joint(key: str) -> Joint:
    """Return the joint of that key; `InputError` names the known ones otherwise.

    Examples
    --------
    >>> [b.key for b in joint("knee").bones]
    ['femur', 'fibula', 'patella', 'tibia']
    """
    return _pick(_catalog().joints, key, "joint")


def all_bones() -> tuple[Bone, ...]:
    """All bones, by label value."""
    return tuple(sorted(_catalog().bones.values(), key=lambda b: b.label))


def bone(key: str) -> Bone:
    """Return the bone of that key; `InputError` names the known ones otherwise.

    Examples
    --------
    >>> bone("femur").code
    Code(scheme='SCT', value='71341001', meaning='Femur')
    """
    return _pick(_catalog().bones, key, "bone")


def laterality(side: str) -> Code:
    """Return the code of "left" or "right" (a modifier of the bone's code); `InputError` otherwise.

    Examples
    --------
    >>> laterality("right").value
    '24028007'
    """
    return _pick(_catalog().sides, side, "side")


def side_names() -> tuple[str, ...]:
    """Keys of the sides."""
    return tuple(_catalog().sides)


def category() -> Code:
    """Code of the category that all bones belong to (segmented property category of a DICOM segmentation)."""
    return _catalog().category
