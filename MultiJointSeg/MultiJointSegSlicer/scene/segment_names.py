"""Which bone a segment is, whoever made and named it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Bone, Code
from MultiJointSegLib.errors import InputError
from MultiJointSegSlicer.scene.terminology import codes_of_entry

_SIDE_WORDS = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}

_BY_NAME, _BY_CODE, _BY_ID = range(3)


@dataclass(frozen=True, slots=True)
class SegmentName:
    """What a segment says of itself: ID, name, serialized terminology ("" if none)."""

    segment_id: str
    name: str
    terminology: str = ""


def match_segments(segments: Sequence[SegmentName], bones: Sequence[Bone]) -> tuple[dict[str, Bone], dict[str, str]]:
    """Bones of the segments that are bones.

    The name decides, whatever its case, separators and words for the side ("left FEMUR", "hip_bone-R"); a longer name
    is another thing ("Femur cartilage" is no femur). Next comes the standard code of the terminology, then the
    segment's ID, which in our files is the bone's key. A segment that says so more clearly keeps the bone alone.

    Returns
    -------
    tuple of (dict of str to Bone, dict of str to str)
        Bone by segment ID, in the order of the segments; side "left" or "right" by segment ID, where it is said.

    Raises
    ------
    InputError
        If two segments say equally clearly that they are the same bone.
    """
    claims: dict[str, list[tuple[int, SegmentName]]] = {}
    for segment in segments:
        claim = _claim(segment, bones)
        if claim is not None:
            claims.setdefault(claim[1].key, []).append((claim[0], segment))
    chosen: dict[str, Bone] = {}
    for bone in bones:
        ranks = sorted(claims.get(bone.key, []), key=lambda item: item[0])
        if len(ranks) > 1 and ranks[0][0] == ranks[1][0]:
            names = " and ".join(f"'{segment.name}'" for rank, segment in ranks if rank == ranks[0][0])
            raise InputError(
                f"The segments {names} are all the {bone.name.lower()}; remove or rename all but one "
                "(left and right need files of their own)."
            )
        if ranks:
            chosen[ranks[0][1].segment_id] = bone
    ordered = {s.segment_id: chosen[s.segment_id] for s in segments if s.segment_id in chosen}
    sides = {s.segment_id: side for s in segments if s.segment_id in chosen and (side := _side(s))}
    return ordered, sides


def _claim(segment: SegmentName, bones: Sequence[Bone]) -> tuple[int, Bone] | None:
    spellings = {_bare(text): bone for bone in bones for text in (bone.key, bone.name, bone.code.meaning)}
    if (name := _bare(segment.name)) in spellings:
        return _BY_NAME, spellings[name]
    type_code, _ = codes_of_entry(segment.terminology)
    for bone in bones:
        if _pair(bone.code) == type_code:
            return _BY_CODE, bone
    if (segment_id := _bare(segment.segment_id)) in spellings:
        return _BY_ID, spellings[segment_id]
    return None


def _side(segment: SegmentName) -> str | None:
    for word in _words(segment.name):
        if word in _SIDE_WORDS:
            return _SIDE_WORDS[word]
    _, modifier = codes_of_entry(segment.terminology)
    return next((side for side in anatomy.side_names() if _pair(anatomy.laterality(side)) == modifier), None)


def _bare(text: str) -> str:
    return " ".join(word for word in _words(text) if word not in _SIDE_WORDS)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", text.casefold()) if word]


def _pair(code: Code) -> tuple[str, str]:
    return code.scheme, code.value
