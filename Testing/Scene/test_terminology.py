"""Our codes in Slicer's own form, checked by Slicer's own terminology logic."""

# ruff: noqa: E402 - what follows needs slicer-core, or is skipped

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene.terminology import codes_of_entry, load_terminology, terminology_entry

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError

pytestmark = pytest.mark.slicer


@pytest.fixture
def a_terminologies_logic():
    return slicer.vtkSlicerTerminologiesModuleLogic()


@pytest.mark.parametrize("side", [None, "left", "right"])
def test_entry_is_what_slicer_serializes(a_terminologies_logic, side) -> None:
    modifier = anatomy.laterality(side) if side else None
    femur, category = anatomy.bone("femur").code, anatomy.category()
    expected = a_terminologies_logic.SerializeTerminologyEntry(
        "MultiJointSeg bones",
        *(category.value, category.scheme, category.meaning),
        *(femur.value, femur.scheme, femur.meaning),
        *((modifier.value, modifier.scheme, modifier.meaning) if modifier else ("", "", "")),
        *("", "", "", "", "", "", ""),
    )
    assert terminology_entry(anatomy.bone("femur"), side) == expected


def test_slicer_loads_our_terminology_and_knows_every_bone_and_side(a_terminologies_logic) -> None:
    name = load_terminology(a_terminologies_logic)
    assert a_terminologies_logic.IsTerminologyContextLoaded(name)
    for bone in anatomy.all_bones():
        for side in (None, "left", "right"):
            entry = slicer.vtkSlicerTerminologyEntry()
            assert a_terminologies_logic.DeserializeTerminologyEntry(terminology_entry(bone, side), entry)
            assert entry.GetTerminologyContextName() == name
            assert entry.GetTypeObject().GetCodeValue() == bone.code.value
            # The color comes from the loaded terminology: it is ours only if Slicer found the entry in it.
            assert a_terminologies_logic.UpdateEntryFromLoadedTerminologies(entry, [name], [])
            found = entry.GetTypeModifierObject() if side else entry.GetTypeObject()
            if bone.paired or not side:
                assert list(found.GetRecommendedDisplayRGBValue()) == list(bone.color)


def test_unknown_side_is_refused() -> None:
    with pytest.raises(InputError, match="Unknown side 'middle'"):
        terminology_entry(anatomy.bone("femur"), "middle")


def test_codes_are_read_back_from_an_entry() -> None:
    entry = terminology_entry(anatomy.bone("tibia"), "left")
    assert codes_of_entry(entry) == (("SCT", "12611008"), ("SCT", "7771000"))
    assert codes_of_entry("") == (("", ""), ("", ""))
    assert codes_of_entry("nonsense~^") == (("", ""), ("", ""))
