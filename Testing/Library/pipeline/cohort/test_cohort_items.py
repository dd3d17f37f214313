"""Which examinations a folder holds, and what their results are called."""

from __future__ import annotations

import shutil

import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline.cohort.items import find_items


def names(folder, *more):
    items, left_out = find_items([folder, *more], output=folder / "out")
    return [item.name for item in items], left_out


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    return root


def touched(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"not read here")


def test_images_are_named_after_their_place(root):
    touched(root, "a/knee 1.nii.gz", "b.mha", "p7/image.nii.gz", "c/Müller/x.nrrd")
    assert names(root)[0] == ["a_knee-1", "b", "c_Müller_x", "p7"]


def test_label_maps_hidden_files_other_files_and_the_output_are_left_out(root):
    touched(root, "p/image.nii.gz", "p/labels.nii.gz", "p/k.seg.nrrd", ".x.nii", "p/notes.txt", "out/p/labels.nii.gz")
    touched(root, "q/01_seg.nii.gz", "q/segal.nii.gz")
    found, left_out = names(root)
    assert found == ["p", "q_segal"]
    assert [sentence.split()[0] for sentence in left_out] == ["p/k.seg.nrrd", "p/labels.nii.gz", "q/01_seg.nii.gz"]


def test_equal_names_are_told_apart_for_good(root):
    touched(root, "a/b.nii", "a/b.mha", "a_b.nrrd")
    first = names(root)[0]
    assert len(set(first)) == 3
    assert all(name.startswith("a_b-") for name in first)
    touched(root, "0.nii", "z.nii")
    assert set(first) < set(names(root)[0])


def test_several_inputs_carry_their_names_and_files_stand_for_themselves(root):
    touched(root, "one/k.nii", "two/k.nii", "three.nii")
    assert names(root / "one", root / "two", root / "three.nii")[0] == ["one_k", "three", "two_k"]
    assert names(root / "one", root / "one")[0] == ["k"]


def test_dicom_folders_are_one_examination_per_series(dicom, root):
    shutil.move(dicom.two_series(), root / "patient")
    items, _ = find_items([root], output=root / "out")
    assert [(item.name, item.series) for item in items] == [
        ("patient_series-1", "1.2.3.1"),
        ("patient_series-2", "1.2.3.2"),
    ]


def test_a_localizer_is_left_out_with_a_sentence(dicom, root):
    shutil.move(dicom.series(4), root / "knee")
    dicom.folder.joinpath("dicom").mkdir()
    shutil.move(dicom.localizer(), root / "scout")
    found, left_out = names(root)
    assert found == ["knee"]
    assert left_out[0].startswith("scout, series 1")


def test_nothing_found_is_an_error(root):
    with pytest.raises(InputError, match="No examination was found"):
        find_items([root], output=root / "out")
    with pytest.raises(InputError, match="no file or folder"):
        find_items([root / "x"], output=root / "out")
