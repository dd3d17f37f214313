"""Studies read from DICOM folders and volumes."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.pretext.study import Study
from MultiJointSegLib.learning.pretext.study_images import read_images
from MultiJointSegLib.learning.pretext.study_reading import read_studies, read_study

SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
AXIAL = (1, 0, 0, 0, 1, 0)


def views(study: Study) -> list[str]:
    return [s.view.name for s in study.series]


def test_views_come_from_geometry_and_contradictions_are_told(a_study) -> None:
    a_study.series(1, SAGITTAL, (0, 3, 6, 9), SeriesDescription="pd sag")
    a_study.series(2, CORONAL, (0, 4, 8), SeriesDescription="t1 tra")
    oblique = np.concatenate([Rotation.from_euler("z", 40, degrees=True).apply(v) for v in ((1, 0, 0), (0, 0, -1))])
    a_study.series(3, oblique.tolist(), (0, 4, 8), SeriesDescription="acl")
    study = read_study(a_study.folder)
    assert views(study) == ["sagittal", "coronal", "oblique"]
    assert len(study.notes) == 1
    assert "'t1 tra' but lies coronal" in study.notes[0]


def test_slices_are_sorted_by_anatomy_whatever_the_normal(a_study) -> None:
    a_study.series(1, AXIAL, (6, 0, 3))
    a_study.series(2, (1, 0, 0, 0, -1, 0), (6, 0, 3))  # mirrored rows: the normal points to the feet
    study = read_study(a_study.folder)
    for series in study.series:
        assert (np.diff(series.centers_mm[:, 2]) > 0).all()
    assert not np.allclose(study.series[0].normal, study.series[1].normal)


def test_gapped_stack_keeps_its_gap(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6, 15))
    series = read_study(a_study.folder).series[0]
    assert len(series.slices) == 4
    assert series.extent_mm == pytest.approx(15)
    assert series.middle_plane.point_mm[2] == pytest.approx(7.5)


def test_phases_are_images_of_one_place(a_study) -> None:
    a_study.series(1, AXIAL, (0, 5), phases=4)
    series = read_study(a_study.folder).series[0]
    assert (len(series.slices), series.phases) == (2, 4)
    images = read_images(series, phases=2)
    assert images.shape == (2, 2, 16, 20)
    assert not np.array_equal(images[0, 0], images[0, 1])
    assert np.array_equal(read_images(series)[:, 0], images[:, 0])


def test_repeated_places_that_nothing_tells_apart_are_kept(a_study) -> None:
    a_study.series(1, AXIAL, (0, 5, 10, 0, 5, 10))
    series = read_study(a_study.folder).series[0]
    assert (len(series.slices), series.phases) == (3, 2)


def test_copies_are_left_out_and_other_contrasts_kept(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6), seed=5)
    a_study.series(2, AXIAL, (0, 3, 6), seed=5)
    a_study.series(3, AXIAL, (0, 3, 6), seed=6)
    study = read_study(a_study.folder)
    assert [s.key for s in study.series] == ["1", "3"]
    assert "copy of series 1" in study.notes[0]
    assert "same slices as series 1" in study.notes[1]


def test_single_slices_are_joined(a_study) -> None:
    for number, place in enumerate((20.0, 0.0, 10.0), start=1):
        a_study.series(number, AXIAL, (place,))
    a_study.series(4, SAGITTAL, (0.0,))
    study = read_study(a_study.folder)
    assert [s.key for s in study.series] == ["1+2+3", "4"]
    np.testing.assert_allclose(study.series[0].centers_mm[:, 2], (0, 10, 20), atol=1e-9)
    assert "joined to one stack" in study.notes[0]


def test_missing_tags_leave_out_a_series_with_a_sentence(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6))
    a_study.series(2, CORONAL, (0, 3, 6), ImageOrientationPatient=None)
    study = read_study(a_study.folder)
    assert [s.key for s in study.series] == ["1"]
    assert study.notes == ("Series 2 was left out: it has no usable orientation (two perpendicular unit vectors).",)


def test_frames_of_reference_are_kept_apart(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6))
    a_study.series(2, CORONAL, (0, 3, 6), FrameOfReferenceUID="1.2.3")
    a_study.series(3, SAGITTAL, (0, 3, 6), FrameOfReferenceUID=None)
    study = read_study(a_study.folder)
    assert len({s.frame_of_reference for s in study.series}) == 3
    assert any("no frame of reference" in n for n in study.notes)
    assert any("several frames of reference" in n for n in study.notes)


def test_side_from_the_tags(a_study) -> None:
    a_study.series(1, SAGITTAL, (0, 3, 6), Laterality="R")
    study = read_study(a_study.folder)
    assert study.side == "right"
    assert study.series[0].centers_mm[0, 0] > study.series[0].centers_mm[-1, 0]  # medial first: towards the left


def test_contradictory_sides_are_unknown(a_study) -> None:
    a_study.series(1, SAGITTAL, (0, 3, 6), Laterality="R")
    a_study.series(2, AXIAL, (0, 3, 6), Laterality="L")
    study = read_study(a_study.folder)
    assert study.side is None
    assert "different sides" in study.notes[0]


def test_several_studies_in_one_folder(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6))
    a_study.series(2, AXIAL, (0, 3, 6), StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1")
    assert len(read_studies(a_study.folder)) == 2
    with pytest.raises(InputError, match="holds 2 studies"):
        read_study(a_study.folder)


def test_nothing_usable_is_an_error(a_study, tmp_path: Path) -> None:
    a_study.series(1, AXIAL, (0, 3), PixelSpacing=None)
    with pytest.raises(InputError, match="no usable series"):
        read_study(a_study.folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither DICOM images nor volumes"):
        read_study(tmp_path / "empty")


def write_volume(
    path: Path, spacing: tuple[float, float, float], seed: int, direction: np.ndarray | None = None
) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(seed).integers(0, 900, (6, 12, 14)).astype(np.int16))
    image.SetSpacing(spacing)
    if direction is not None:
        image.SetDirection(direction.ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def test_folder_of_volumes_is_a_study_and_labels_are_never_read(tmp_path: Path) -> None:
    folder = tmp_path / "patient"
    write_volume(folder / "ax.nii.gz", (1, 1, 4), 1)
    write_volume(folder / "cor.nrrd", (1, 1, 4), 2, np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]))
    for name in ("ax_seg.nii.gz", "truth.seg.nrrd", "labels.nii.gz"):
        write_volume(folder / name, (1, 1, 4), 3)
    (folder / "study.json").write_text(json.dumps({"joint": "knee", "side": "left"}))
    study = read_study(folder)
    assert [s.key for s in study.series] == ["ax", "cor"]
    assert views(study) == ["axial", "coronal"]
    assert (study.joint, study.side) == ("knee", "left")
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "ax.nii.gz")))
    np.testing.assert_array_equal(read_images(study.series[0])[:, 0], array)
    assert len(read_studies(tmp_path)) == 1
    assert [s.name for s in read_studies(folder, each_file=True)] == ["ax", "cor"]


def test_unknown_joint_in_the_study_file(tmp_path: Path) -> None:
    write_volume(tmp_path / "ax.nii.gz", (1, 1, 4), 1)
    (tmp_path / "study.json").write_text(json.dumps({"joint": "elbow"}))
    with pytest.raises(InputError, match="no joint 'elbow'"):
        read_study(tmp_path)


def test_real_heart_examination(shared_data: Path) -> None:
    folder = shared_data / "heart_mr" / "biv_me_patient1"
    if not folder.is_dir():
        pytest.skip("The heart examination is not in the shared data.")
    study = read_study(folder)
    assert [len(s.slices) for s in study.series] == [6, 1, 1, 1, 1, 1]
    steps = np.diff(study.series[0].centers_mm @ study.series[0].normal)
    np.testing.assert_allclose(np.abs(steps), 17.7, atol=0.1)
    assert len({s.frame_of_reference for s in study.series}) == 1


def test_one_bad_study_does_not_stop_an_archive(tmp_path: Path) -> None:
    write_volume(tmp_path / "good" / "ax.nii.gz", (1, 1, 4), 1)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ax.nii.gz").write_bytes(b"not an image")
    problems: list[str] = []
    assert [s.name for s in read_studies(tmp_path, problems=problems)] == ["good"]
    assert len(problems) == 1 and "bad holds no usable series" in problems[0]
    with pytest.raises(InputError, match="bad holds no usable series"):
        read_studies(tmp_path)


def test_joint_and_side_of_an_archive_can_be_written_down(a_study) -> None:
    a_study.folder = a_study.folder / "first"
    a_study.series(1, SAGITTAL, (0, 3, 6), Laterality="R")
    a_study.folder = a_study.folder.parent / "second"
    a_study.series(2, SAGITTAL, (0, 3, 6), StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1", Laterality="R")
    archive = a_study.folder.parent
    (archive / "study.json").write_text('{"joint": "ankle"}')
    (archive / "second" / "study.json").write_text('{"joint": "knee", "side": "left"}')
    first, second = read_studies(archive)
    assert [(s.name, s.joint, s.side) for s in (first, second)] == [
        ("first", "ankle", "right"), ("second", "knee", "left")
    ]  # fmt: skip
    assert second.notes == ("The tags say right, but study.json says left, which is believed.",)
    assert read_study(archive / "first").joint == ""  # what lies above the folder that was asked for is not looked at
