"""Which files belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.pairing import image_beside, image_files, label_files, pair


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_names(tmp_path) -> None:
    folder = touch(tmp_path, "01_img.nii.gz", "01_seg.nii.gz", "b-labels.nrrd", "c.seg.nrrd", "notes.txt", ".x.nii")
    assert {case: p.name for case, p in label_files(folder).items()} == {
        "01": "01_seg.nii.gz",
        "b": "b-labels.nrrd",
        "c": "c.seg.nrrd",
    }
    assert image_files(touch(tmp_path / "i", "01_img.nii.gz", "01_seg.nii.gz", "2_0000.mha")).keys() == {"01", "2"}


def test_result_folders(tmp_path) -> None:
    folder = touch(tmp_path, "one/labels.nii.gz", "one/image.nii.gz", "two/segmentation.seg.nrrd", "empty/x.txt")
    assert {case: p.name for case, p in label_files(folder).items()} == {
        "one": "labels.nii.gz",
        "two": "segmentation.seg.nrrd",
    }
    assert label_files(folder / "one") == {"one": folder / "one" / "labels.nii.gz"}
    assert image_beside(folder / "one" / "labels.nii.gz") == folder / "one" / "image.nii.gz"
    assert image_beside(folder / "two" / "segmentation.seg.nrrd") is None
    assert image_files(folder) == {"one": folder / "one" / "image.nii.gz"}


def test_pairs() -> None:
    truths = {"a": Path("t/a"), "b": Path("t/b")}
    found, notes = pair(truths, {"b": Path("p/b"), "a": Path("p/a"), "c": Path("p/c")}, Path("p"))
    assert found == {"a": Path("p/a"), "b": Path("p/b")}
    assert notes == ["p: no truth for 'c', so not scored."]
    assert pair({"a": Path("t/a")}, {"z": Path("z")}, Path("z")) == ({"a": Path("z")}, [])


def test_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no prediction for 'case2' of 2 cases.*Did you mean 'case_2'"):
        pair({"case1": Path(), "case2": Path()}, {"case1": Path(), "case_2": Path()}, Path("p"))
    with pytest.raises(InputError, match=r"holds two files of the case 'a': a.nii and a_seg.nii"):
        label_files(touch(tmp_path / "double", "a.nii", "a_seg.nii"))
    with pytest.raises(InputError, match="holds no label map"):
        label_files(touch(tmp_path / "none", "a.txt"))
    with pytest.raises(InputError, match="does not exist"):
        label_files(tmp_path / "nowhere")
