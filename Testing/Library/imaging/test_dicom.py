"""DICOM: slices in their places, series told apart, values as the scanner meant them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.dicom_series import list_series
from MultiJointSegLib.imaging.reading import read_volume

AXES = [[0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0]]


def assert_is(volume, truth: np.ndarray, *, pitch_mm: float = 3.0) -> None:
    """`truth` has slices along +x starting at -10 mm; the volume may store them the other way around."""
    size = volume.geometry.size
    assert volume.array.shape == truth.shape
    assert volume.spacing_mm == pytest.approx((0.5, 0.6, pitch_mm))
    np.testing.assert_allclose(np.linalg.det(np.asarray(volume.geometry.direction)), 1)
    for s in range(size[2]):
        x, y, z = volume.geometry.index_to_point(np.array([3, 2, s]))
        assert (y, z) == pytest.approx((-5 + 3 * 0.5, 30 - 2 * 0.6))
        np.testing.assert_array_equal(volume.array[s], truth[round((x + 10) / pitch_mm)])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.uint8])
@pytest.mark.parametrize("big_endian", [False, True])
def test_series_is_sorted_by_position(dicom, dtype, big_endian: bool) -> None:
    truth = dicom.series(6, dtype=dtype, big_endian=big_endian)
    volume = read_volume(dicom.folder)
    assert_is(volume, truth)
    assert volume.array.dtype == dtype
    assert volume.modality == "MR"


def test_rescaling_is_applied(dicom) -> None:
    truth = dicom.ct_series(slices=4, RescaleSlope=2, RescaleIntercept=-1024)
    volume = read_volume(dicom.folder)
    assert_is(volume, truth.astype(int) * 2 - 1024)
    assert volume.modality == "CT"


def test_fractional_rescaling_gives_float32(dicom) -> None:
    truth = dicom.series(4, RescaleSlope=0.25, RescaleIntercept=1.5)
    volume = read_volume(dicom.folder)
    assert volume.array.dtype == np.float32
    assert_is(volume, (truth * 0.25 + 1.5).astype(np.float32))


def test_monochrome1_is_turned_around(dicom) -> None:
    truth = dicom.series(4, PhotometricInterpretation="MONOCHROME1").astype(int)
    assert_is(read_volume(dicom.folder), -1 - truth)


def test_sub_folders_and_other_files_are_searched(dicom) -> None:
    truth = dicom.series(5, folder="disc/a/b")
    (dicom.folder / "disc" / "README.txt").write_text("viewer")
    (dicom.folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(50))
    (dicom.folder / ".hidden").mkdir()
    (dicom.folder / ".hidden" / "x").write_bytes(b"DICM")
    assert_is(read_volume(dicom.folder), truth)


def test_copies_of_a_file_count_once(dicom) -> None:
    truth = dicom.series(5, folder="a")
    (dicom.folder / "b").mkdir()
    for file in (dicom.folder / "a").iterdir():
        (dicom.folder / "b" / file.name).write_bytes(file.read_bytes())
    assert_is(read_volume(dicom.folder), truth)


def test_one_slice_stands_for_its_series(dicom) -> None:
    truth = dicom.series(5)
    dicom.series(5, SeriesInstanceUID=f"{dicom.study}.2", SeriesNumber=2)
    file = min(dicom.folder.iterdir())
    volume = read_volume(file)
    assert volume.metadata["series_number"] in (1, 2)
    assert any("5 slices of its series" in text for text in volume.metadata["warnings"])
    assert read_volume(dicom.folder, series="1").array.shape == truth.shape


def test_nothing_about_the_patient_is_kept(dicom) -> None:
    dicom.series(5)
    volume = read_volume(dicom.folder)
    text = repr(volume.metadata) + repr(list_series(dicom.folder))
    assert "SECRET" not in text.upper()
    assert "2015" not in text
    assert dicom.study not in repr(volume.metadata)
    assert volume.metadata["echo_time_ms"] == 20


def test_the_only_volume_is_taken_without_asking(dicom) -> None:
    truth = dicom.series(6, SeriesNumber=4)
    for axes in AXES:
        uid = f"{dicom.study}.2"
        dicom.series(3, SeriesInstanceUID=uid, SeriesNumber=1, SeriesDescription="plan", ImageOrientationPatient=axes)
    dicom.series(1, SeriesInstanceUID=f"{dicom.study}.3", SeriesNumber=3, SeriesDescription="single")
    dicom.series(5, SeriesInstanceUID=f"{dicom.study}.5", SeriesNumber=5, SeriesDescription="3-plane_loc")
    dicom.series(5, SeriesInstanceUID=f"{dicom.study}.6", SeriesNumber=6, Modality="PR")
    assert_is(read_volume(dicom.folder), truth)
    assert "warnings" not in read_volume(dicom.folder).metadata
    assert [s.key for s in list_series(dicom.folder) if s.usable] == ["4"]


def test_localizer_is_read_when_it_is_asked_for(dicom) -> None:
    truth = dicom.series(5, SeriesDescription="scout")
    with pytest.raises(InputError, match="localizer"):
        read_volume(dicom.folder)
    assert_is(read_volume(dicom.folder, series="1"), truth)


@pytest.mark.parametrize("selector", ["2", "sag T1", "SAG t1", "t1", "UID"])
def test_series_is_chosen_by_number_description_or_uid(dicom, selector: str) -> None:
    dicom.series(5)
    truth = dicom.series(7, SeriesInstanceUID=f"{dicom.study}.2", SeriesNumber=2, SeriesDescription="sag T1")
    assert_is(read_volume(dicom.folder, series=selector.replace("UID", f"{dicom.study}.2")), truth)


@pytest.mark.parametrize(
    ("selector", "match"),
    [("9", "No series '9'.*1: 'sag PD' MR, 5 images of 20 x 24"), ("sag", "2 series that could be meant")],
)
def test_unknown_or_ambiguous_choice_lists_the_series(dicom, selector: str, match: str) -> None:
    dicom.series(5)
    dicom.series(5, SeriesInstanceUID=f"{dicom.study}.2", SeriesNumber=2, SeriesDescription="sag T1")
    with pytest.raises(InputError, match=match):
        read_volume(dicom.folder, series=selector)


def test_long_listings_are_cut(dicom) -> None:
    for n in range(23):
        dicom.series(1, SeriesInstanceUID=f"{dicom.study}.{n}", SeriesNumber=n)
    with pytest.raises(InputError, match="and 3 more"):
        read_volume(dicom.folder)


def test_unusable_choice_says_why(dicom) -> None:
    dicom.series(2)
    with pytest.raises(InputError, match=r"'1' cannot be used: .*only 2 slices"):
        read_volume(dicom.folder, series="1")


def test_series_option_makes_no_sense_for_a_single_image(tmp_path: Path, write_nifti) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(write_nifti(np.zeros((3, 4, 5), np.int16)))
    with pytest.raises(InputError, match="single image"):
        read_volume(path, series="2")


@pytest.mark.parametrize("own_series", [False, True])
def test_shortest_echo_of_one_examination_is_taken(dicom, own_series: bool) -> None:
    uid = {"SeriesInstanceUID": f"{dicom.study}.2"} if own_series else {}
    dicom.series(5, EchoTime=30, **uid)
    truth = dicom.series(5, EchoTime=6)
    volume = read_volume(dicom.folder)
    assert volume.metadata["echo_time_ms"] == 6
    assert_is(volume, truth)
    assert len(volume.metadata["warnings"]) == 1
    assert "6 ms, was taken; others: 30 ms (--series 1.2)" in volume.metadata["warnings"][0]
    assert read_volume(dicom.folder, series="1.2").metadata["echo_time_ms"] == 30


@pytest.mark.parametrize(
    "difference",
    [
        {"RepetitionTime": 500},
        {"FrameOfReferenceUID": "1.2.3"},
        {"SeriesDescription": "sag T1"},
        {"PixelSpacing": [0.6, 0.6]},
        {"position": lambda s: [s * 3.0 + 1, 0, 0]},
    ],
    ids=lambda d: next(iter(d)),
)
def test_two_examinations_are_not_echoes(dicom, difference: dict) -> None:
    dicom.series(5)
    dicom.series(5, **({"SeriesInstanceUID": f"{dicom.study}.2", "SeriesNumber": 2, "EchoTime": 90} | difference))
    with pytest.raises(InputError, match="choose one with --series"):
        read_volume(dicom.folder)


@pytest.mark.parametrize(
    ("keyword", "values", "text"),
    [
        ("TemporalPositionIdentifier", (1, 2), "time point 2"),
        ("AcquisitionNumber", (1, 2), "acquisition 2"),
        ("ImageType", (["DERIVED", "PRIMARY", "W"], ["DERIVED", "PRIMARY", "F"]), "image type"),
        ("InversionTime", (100, 900), "inversion time 900 ms"),
    ],
)
def test_phases_of_one_series_are_told_apart(dicom, keyword: str, values, text: str) -> None:
    truths = [dicom.series(5, **{keyword: value}) for value in values]
    stacks = list_series(dicom.folder)
    assert [s.key for s in stacks] == ["1.1", "1.2"]
    assert any(text in str(s) for s in stacks)
    with pytest.raises(InputError, match="2 series that could be meant"):
        read_volume(dicom.folder)
    assert_is(read_volume(dicom.folder, series="1.2"), truths[0])


def test_phase_images_are_not_taken(dicom) -> None:
    truth = dicom.series(5, ImageType=["ORIGINAL", "PRIMARY", "M"])
    dicom.series(5, ImageType=["ORIGINAL", "PRIMARY", "P"])
    assert_is(read_volume(dicom.folder), truth)


def test_time_stamps_that_differ_on_every_slice_split_nothing(dicom) -> None:
    for echo in (10, 40):
        for s in range(4):
            dicom.series(
                1, EchoTime=echo, AcquisitionNumber=10 * s + echo, TriggerTime=s * 7 + echo,
                position=lambda _, s=s: [s * 3.0, 0, 0],
            )  # fmt: skip
    assert [(s.size[0], s.part) for s in list_series(dicom.folder)] == [(4, "echo time 10 ms"), (4, "echo time 40 ms")]


def test_small_jitter_of_positions_is_accepted(dicom) -> None:
    rng = np.random.default_rng(0)
    dicom.series(8, position=lambda s: [3.0 * s + rng.uniform(-0.03, 0.03), rng.uniform(-0.1, 0.1), 0])
    assert read_volume(dicom.folder).spacing_mm[2] == pytest.approx(3.0, abs=0.02)


def test_enhanced_multiframe_file(dicom) -> None:
    truth = dicom.enhanced(6)
    volume = read_volume(next(dicom.folder.iterdir()))
    assert_is(volume, truth[0])
    assert_is(read_volume(dicom.folder), truth[0])


def test_enhanced_multiframe_file_with_echoes(dicom) -> None:
    truth = dicom.enhanced(4, echoes=(40.0, 15.0))
    volume = read_volume(dicom.folder)
    assert volume.metadata["echo_time_ms"] == 15
    assert_is(volume, truth[1])
    assert_is(read_volume(dicom.folder, series="1.2"), truth[0])


def test_enhanced_multiframe_file_with_rescaling_per_frame(dicom) -> None:
    truth = dicom.enhanced(4, slopes=True)[0].astype(np.float32)
    factor = np.arange(4)[:, None, None]
    assert_is(read_volume(dicom.folder), truth * (1 + factor) + 10 * factor)


def test_compressed_pixels(dicom) -> None:
    truth = dicom.series(4)
    for file in list(dicom.folder.iterdir()):
        dataset = pydicom.dcmread(file)
        dataset.compress(pydicom.uid.RLELossless)
        dataset.save_as(file)
    assert_is(read_volume(dicom.folder), truth)


def test_files_without_preamble(dicom) -> None:
    truth = dicom.series(4, SpecificCharacterSet="ISO_IR 100")
    for file in list(dicom.folder.iterdir()):
        content = file.read_bytes()
        # Group 2 ends where the first element of group 8 begins; without it the syntax is implicit little endian.
        dataset = pydicom.dcmread(file)
        del dataset.file_meta
        pydicom.dcmwrite(file, dataset, implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert file.read_bytes() != content
    assert_is(read_volume(dicom.folder), truth)


def test_positions_with_rounding_noise_are_the_same_place(dicom) -> None:
    for echo, noise in ((10, -1e-4), (40, 1e-4)):
        dicom.series(5, EchoTime=echo, position=lambda s, noise=noise: [3.0 * s + 0.01 + noise, 0, 0])
    assert [s.size[0] for s in list_series(dicom.folder)] == [5, 5]


def test_real_knee(shared_data: Path) -> None:
    """Explicit VR big endian, two echoes with one series UID."""
    folder = shared_data / "knee" / "mese_dicom"
    first, second = read_volume(folder / "echo1"), read_volume(folder / "echo5")
    both = read_volume(folder)
    assert first.geometry.size == (256, 256, 24)
    assert first.spacing_mm == pytest.approx((0.625, 0.625, 4), abs=1e-4)
    assert first.geometry.same_grid(second.geometry)
    assert first.metadata["echo_time_ms"] == pytest.approx(6.312)
    assert second.metadata["echo_time_ms"] == pytest.approx(31.56)
    assert "warnings" not in first.metadata
    np.testing.assert_array_equal(both.array, first.array)
    assert "6.312 ms, was taken" in both.metadata["warnings"][0]
    assert first.array.mean() > second.array.mean()
