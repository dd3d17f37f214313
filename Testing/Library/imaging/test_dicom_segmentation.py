"""Label maps as DICOM Segmentation objects, read back by another program."""

import sys

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.dicom_segmentation import cielab, write_dicom_segmentation
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.imaging.volume import Volume

BONES = anatomy.joint("knee").bones


@pytest.fixture
def highdicom():
    return pytest.importorskip("highdicom", reason="highdicom is not installed; 3D Slicer brings it along")


def labels_for(volume: Volume) -> Volume:
    array = np.zeros(volume.array.shape, np.uint8)
    array[1:4, 2:12, 3:15] = anatomy.bone("femur").label
    array[2:5, 13:18, 4:9] = anatomy.bone("tibia").label
    return volume.with_array(array)


@pytest.mark.parametrize("kind", ["series", "enhanced"])
def test_every_voxel_comes_back_at_its_place_with_codes_and_references(highdicom, dicom, tmp_path, kind: str) -> None:
    import pydicom

    if kind == "series":
        dicom.series(StudyDate="20260102", StudyID="1", AccessionNumber="7")
    else:
        dicom.enhanced()
    volume = read_volume(dicom.folder)
    labels = labels_for(volume)
    path = tmp_path / "segmentation.dcm"
    write_dicom_segmentation(path, labels, BONES, dicom.folder)
    made = highdicom.seg.segread(path)
    assert [made.get_segment_description(n).segment_label for n in (1, 2)] == ["Femur", "Tibia"]
    femur = made.get_segment_description(1)
    assert femur.segmented_property_type.value == anatomy.bone("femur").code.value
    assert femur.RecommendedDisplayCIELabValue == cielab(anatomy.bone("femur").color)
    source = pydicom.dcmread(next(dicom.folder.iterdir()))
    assert (made.StudyInstanceUID, made.FrameOfReferenceUID, made.PatientID) == (
        source.StudyInstanceUID, source.FrameOfReferenceUID, "SECRET-ID",
    )  # fmt: skip
    back = made.get_volume(combine_segments=True)
    for bone, number in (("femur", 1), ("tibia", 2)):
        kji = np.argwhere(labels.array == anatomy.bone(bone).label)
        expected = {tuple(p) for p in np.round(labels.geometry.index_to_point(kji[:, ::-1]), 2).tolist()}
        index = np.argwhere(back.array == number)
        found = {tuple(p) for p in np.round(back.map_indices_to_reference(index), 2).tolist()}
        assert found == expected


def test_bad_sources_are_sentences(highdicom, dicom, tmp_path) -> None:
    dicom.series()
    labels = labels_for(read_volume(dicom.folder))
    path = tmp_path / "a.dcm"
    with pytest.raises(InputError, match="is empty"):
        write_dicom_segmentation(path, labels.with_array(np.zeros_like(labels.array)), BONES, dicom.folder)
    moved = Volume(labels.array, Geometry(labels.geometry.size, (0.7, 0.7, 2.0), (0.3, 0.0, 0.0)))
    with pytest.raises(InputError, match="does not lie on the grid"):
        write_dicom_segmentation(path, moved, BONES, dicom.folder)
    with pytest.raises(InputError, match="There is no file"):
        write_dicom_segmentation(path, labels, BONES, [tmp_path / "gone"])
    dicom.series(EchoTime="31")
    with pytest.raises(InputError, match="10 images at 5 places, as of several echoes"):
        write_dicom_segmentation(path, labels, BONES, dicom.folder)
    dicom.series(SeriesInstanceUID="1.2.3")
    with pytest.raises(InputError, match="it holds 2 series"):
        write_dicom_segmentation(path, labels, BONES, dicom.folder)
    with pytest.raises(InputError, match=r"ends in \.dcm"):
        write_dicom_segmentation(tmp_path / "a.nii", labels, BONES, dicom.folder)
    assert not path.exists()


def test_without_highdicom_the_way_out_is_said(dicom, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    dicom.series()
    labels = labels_for(read_volume(dicom.folder))
    with pytest.raises(InputError, match="pip install highdicom"):
        write_dicom_segmentation(tmp_path / "a.dcm", labels, BONES, dicom.folder)


def test_colors_in_the_standards_numbers() -> None:
    assert cielab((255, 255, 255)) == pytest.approx([65535, 32896, 32896], abs=20)
    assert cielab((0, 0, 0)) == pytest.approx([0, 32896, 32896], abs=1)
    # CIE L*a*b* of pure red is (53.24, 80.09, 67.20).
    expected = [53.24 * 655.35, (80.09 + 128) * 257, (67.20 + 128) * 257]
    assert cielab((255, 0, 0)) == pytest.approx(expected, abs=60)
