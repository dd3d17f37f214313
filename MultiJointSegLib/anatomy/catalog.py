"""The catalog of bones and joints. A new joint is a change of anatomy.json alone."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.resources import resource_path


@dataclass(frozen=True, slots=True)
class Bone:
    """One bone: `key` in code and files, `name` for people, `label` in label maps (the same in every joint)."""

    key: str
    name: str
    label: int
    color: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Joint:
    """One joint: its bones in the order of the network's classes 1..n, and the modalities that are accepted."""

    key: str
    bones: tuple[Bone, ...]
    modalities: tuple[str, ...]

    @property
    def labels(self) -> tuple[int, ...]:
        """Label-map value of each bone, in class order."""
        return tuple(b.label for b in self.bones)


@cache
def _catalog() -> tuple[dict[str, Bone], dict[str, Joint]]:
    data = json.loads(resource_path("Anatomy", "anatomy.json").read_text(encoding="utf-8"))
    bones = {k: Bone(k, b["name"], int(b["label"]), tuple(b["color"])) for k, b in data["bones"].items()}
    joints = {
        k: Joint(k, tuple(bones[name] for name in j["bones"]), tuple(j["modalities"])) for k, j in data["joints"].items()
    }
    return bones, joints


def _pick(table: dict, key: str, kind: str):  # noqa: ANN202
    if key in table:
        return table[key]
    near = difflib.get_close_matches(key, table, 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise InputError(f"Unknown {kind} '{key}'; known are {', '.join(table)}.{hint}")


def joint_names() -> tuple[str, ...]:
    """Keys of all joints."""
    return tuple(_catalog()[1])


def joint(key: str) -> Joint:
    """Return the joint of that key; `InputError` names the known ones otherwise."""
    return _pick(_catalog()[1], key, "joint")


def all_bones() -> tuple[Bone, ...]:
    """All bones, by label value."""
    return tuple(sorted(_catalog()[0].values(), key=lambda b: b.label))


def bone(key: str) -> Bone:
    """Return the bone of that key; `InputError` names the known ones otherwise."""
    return _pick(_catalog()[0], key, "bone")
