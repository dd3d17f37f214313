"""The catalog is consistent, and the files generated from it are the committed ones."""

from __future__ import annotations

import dataclasses

import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy import terminology
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.resources import resource_path

EXPECTED_BONES = {
    "ankle": ["calcaneus", "talus", "tibia"],
    "knee": ["femur", "fibula", "patella", "tibia"],
    "shoulder": ["humerus", "scapula"],
    "hip": ["femur", "hip_bone"],
}


def has_valid_check_digit(identifier: str) -> bool:
    """Verhoeff check of a SNOMED CT identifier: a typing error in one digit, or two digits swapped, is found.

    The dihedral group D5 is computed, not tabulated: elements 0-4 are rotations, 5-9 reflections.
    """

    def product(a: int, b: int) -> int:
        rotation, reflected = a % 5, a >= 5
        turned = (rotation - b) % 5 if reflected else (rotation + b) % 5
        return turned + 5 * (reflected != (b >= 5))

    permutation = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for position, digit in enumerate(map(int, reversed(identifier))):
        for _ in range(position % 8):
            digit = permutation[digit]  # noqa: PLW2901 - the permutation is applied once per position
        check = product(check, digit)
    return check == 0


def all_codes() -> list[anatomy.Code]:
    sides = [anatomy.laterality(side) for side in anatomy.side_names()]
    return [anatomy.category(), *sides, *(bone.code for bone in anatomy.all_bones())]


def test_joints_have_their_bones_in_class_order() -> None:
    assert {key: [b.key for b in anatomy.joint(key).bones] for key in anatomy.joint_names()} == EXPECTED_BONES


def test_a_bone_has_one_label_in_every_joint() -> None:
    assert anatomy.joint("knee").bones[3] is anatomy.joint("ankle").bones[2]


@pytest.mark.parametrize("field", ["label", "name", "color", "code"])
def test_bones_differ_in(field: str) -> None:
    values = [getattr(bone, field) for bone in anatomy.all_bones()]
    assert len(set(values)) == len(values)


def test_labels_fit_into_a_byte_and_leave_zero_for_the_background() -> None:
    assert all(1 <= bone.label <= 255 for bone in anatomy.all_bones())


def test_colors_are_bytes() -> None:
    assert all(0 <= value <= 255 for bone in anatomy.all_bones() for value in bone.color)


@pytest.mark.parametrize("code", all_codes(), ids=lambda code: code.meaning)
def test_snomed_identifiers_are_valid(code: anatomy.Code) -> None:
    assert code.scheme == "SCT"
    assert has_valid_check_digit(code.value)


def test_check_digit_finds_a_typing_error() -> None:
    assert has_valid_check_digit("71341001")
    assert not has_valid_check_digit("71341002")
    assert not has_valid_check_digit("71431001")


@pytest.mark.parametrize("pick", [anatomy.joint, anatomy.bone, anatomy.laterality])
def test_unknown_keys_name_the_known_ones(pick) -> None:
    with pytest.raises(InputError, match="known are"):
        pick("elbow")


def test_a_misspelled_joint_gets_a_hint() -> None:
    with pytest.raises(InputError, match="Did you mean 'shoulder'"):
        anatomy.joint("sholder")


def test_bones_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        anatomy.bone("femur").label = 7  # type: ignore[misc]


def test_committed_terminology_is_the_generated_one() -> None:
    committed = resource_path("Anatomy", terminology.TERMINOLOGY_FILE).read_text(encoding="utf-8")
    assert committed == terminology.terminology_text(), "run `make terminology`"


def test_committed_color_table_is_the_generated_one() -> None:
    committed = resource_path("Anatomy", terminology.COLOR_TABLE_FILE).read_text(encoding="utf-8")
    assert committed == terminology.color_table_text(), "run `make terminology`"


def test_generator_writes_both_files_and_leaves_nothing_else(tmp_path) -> None:
    terminology.write_terminology_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        terminology.COLOR_TABLE_FILE,
        terminology.TERMINOLOGY_FILE,
    ]


@pytest.mark.slicer
def test_slicer_reads_the_color_table() -> None:
    slicer = pytest.importorskip("slicer", reason="needs the slicer extra")
    scene = slicer.vtkMRMLScene()
    table = slicer.vtkMRMLColorTableNode()
    scene.AddNode(table)
    storage = slicer.vtkMRMLColorTableStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(resource_path("Anatomy", terminology.COLOR_TABLE_FILE)))
    assert storage.ReadData(table)
    for bone in anatomy.all_bones():
        color = [0.0] * 4
        table.GetColor(bone.label, color)
        assert table.GetColorName(bone.label) == bone.name
        assert [round(255 * value) for value in color] == [*bone.color, 255]


@pytest.mark.slicer
def test_slicer_reads_the_terminology() -> None:
    slicer = pytest.importorskip("slicer", reason="needs the slicer extra")
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    name = logic.LoadTerminologyFromFile(str(resource_path("Anatomy", terminology.TERMINOLOGY_FILE)))
    assert name == terminology.TERMINOLOGY_NAME
    group = slicer.vtkSlicerTerminologyCategory()
    assert logic.GetNthCategoryInTerminology(name, 0, group)
    assert logic.GetNumberOfTypesInTerminologyCategory(name, group) == len(anatomy.all_bones())
    for index, bone in enumerate(anatomy.all_bones()):
        entry = slicer.vtkSlicerTerminologyType()
        assert logic.GetNthTypeInTerminologyCategory(name, group, index, entry)
        assert (entry.GetCodeValue(), entry.GetCodeMeaning()) == (bone.code.value, bone.code.meaning)
        assert entry.GetRecommendedDisplayRGBValue() == bone.color
        assert logic.GetNumberOfTypeModifiersInTerminologyType(name, group, entry) == len(anatomy.side_names())
