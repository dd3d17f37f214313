"""Which bone a segment is, whoever named it."""

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene.segment_names import SegmentName, match_segments
from MultiJointSegSlicer.scene.terminology import terminology_entry

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError

pytestmark = pytest.mark.slicer
BONES = anatomy.all_bones()
FEMUR_CODE = terminology_entry(anatomy.bone("femur"), "left")


@pytest.mark.parametrize(
    ("name", "bone", "side"),
    [
        ("Femur", "femur", None),
        ("FEMUR", "femur", None),
        ("  femur ", "femur", None),
        ("left femur", "femur", "left"),
        ("Femur_R", "femur", "right"),
        ("R. Tibia", "tibia", "right"),
        ("hip_bone", "hip_bone", None),
        ("Right-Hip-Bone", "hip_bone", "right"),
        ("Innominate bone", "hip_bone", None),
        ("Femur cartilage", None, None),
        ("Femoral head", None, None),
        ("Segment_1", None, None),
        ("", None, None),
        ("Left", None, None),
        ("骨", None, None),
    ],
)
def test_name_decides(name, bone, side) -> None:
    matched, sides = match_segments([SegmentName("s", name)], BONES)
    assert [b.key for b in matched.values()] == ([bone] if bone else [])
    assert sides.get("s") == side


def test_code_decides_where_the_name_is_in_another_language() -> None:
    matched, sides = match_segments([SegmentName("s", "Oberschenkelknochen", FEMUR_CODE)], BONES)
    assert matched["s"].key == "femur"
    assert sides == {"s": "left"}


def test_id_decides_where_name_and_code_say_nothing() -> None:
    matched, _ = match_segments([SegmentName("tibia", "Segment 2")], BONES)
    assert matched["tibia"].key == "tibia"


def test_clearer_claim_keeps_the_bone() -> None:
    segments = [SegmentName("femur", "Draft", FEMUR_CODE), SegmentName("s2", "Femur")]
    assert list(match_segments(segments, BONES)[0]) == ["s2"]


def test_left_and_right_in_one_file_are_refused() -> None:
    segments = [SegmentName("1", "Left femur"), SegmentName("2", "Right femur")]
    with pytest.raises(InputError, match="'Left femur' and 'Right femur' are all the femur"):
        match_segments(segments, BONES)


def test_order_is_that_of_the_segments() -> None:
    segments = [SegmentName("b", "Tibia"), SegmentName("a", "Femur")]
    assert list(match_segments(segments, BONES)[0]) == ["b", "a"]
