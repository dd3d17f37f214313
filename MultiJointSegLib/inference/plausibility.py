"""Whether the segmented bones can be those of the joint: wide limits of volume, to refuse other body parts.

The limits are data: Resources/Anatomy/volume_limits.json says where they come from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from MultiJointSegLib.anatomy import Joint
from MultiJointSegLib.resources import resource_path


@dataclass(frozen=True, slots=True)
class VolumeLimits:
    """Volume in milliliters that a bone can have in an examination, and whether it may be absent."""

    minimum_ml: float
    maximum_ml: float
    optional: bool


@cache
def volume_limits() -> dict[str, VolumeLimits]:
    """Limits by bone key."""
    data = json.loads(resource_path("Anatomy", "volume_limits.json").read_text(encoding="utf-8"))
    return {key: VolumeLimits(**limits) for key, limits in data["bones"].items()}


def implausible_bones(joint: Joint, volumes_ml: Mapping[str, float]) -> dict[str, str]:
    """What is wrong with the bones found.

    Parameters
    ----------
    joint : Joint
        The joint they should be of.
    volumes_ml : mapping of str to float
        Bone key to volume; 0 or no entry for a bone that was not found.

    Returns
    -------
    dict of str to str
        Bone key to one sentence; empty when all is plausible. A bone without limits is not judged.
    """
    problems = {}
    for bone in joint.bones:
        volume, limits = volumes_ml.get(bone.key, 0.0), volume_limits().get(bone.key)
        if volume <= 0:
            why = " It may not be ossified yet or lie outside the image." if limits and limits.optional else ""
            problems[bone.key] = f"No {bone.name.lower()} was found.{why}"
        elif limits:
            maximum_ml = limits.maximum_ml * (2 if joint.both_sides else 1)
            if not limits.minimum_ml <= volume <= maximum_ml:
                problems[bone.key] = (
                    f"The {bone.name.lower()} measures {volume:.3g} ml, outside the plausible range of "
                    f"{limits.minimum_ml:g} to {maximum_ml:g} ml: check it."
                )
    return problems


def is_consistent(joint: Joint, volumes_ml: Mapping[str, float]) -> bool:
    """Whether every bone that must be there is there with a plausible volume, and no bone is implausible."""
    limits = volume_limits()
    return not any(
        volumes_ml.get(key, 0.0) > 0 or key not in limits or not limits[key].optional
        for key in implausible_bones(joint, volumes_ml)
    )
