"""Every kind of bad image gets one clear sentence, and nothing else is printed."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.checks import check_examination, check_modality, looks_like_ct
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.limits import MAXIMUM_BYTES, check_bytes
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.imaging.volume import Volume

SENTENCES = {
    "missing": "does not exist",
    "empty_folder": "is empty",
    "folder_without_images": "None of the 1 files",
    "folder_with_nifti_only": "for example knee.nii.gz",
    "empty_file": "is empty",
    "text_file": "not an image that can be read",
    "junk_nifti": "truncated or corrupt|not a NIfTI-1 image",
    "junk_nrrd": "not a NRRD image",
    "junk_mha": "not a MetaImage",
    "truncated_nifti": "is truncated",
    "truncated_nifti_header": "is truncated",
    "truncated_gzip": "truncated or corrupt",
    "gzip_with_wrong_checksum": "truncated or corrupt",
    "truncated_nrrd": "truncated or corrupt",
    "truncated_mha": "truncated or corrupt",
    "mhd_without_raw": "truncated or corrupt",
    "zero_spacing_nifti": "spacing in zero.nii is 1 x 1 x 0 mm",
    "nan_spacing_nifti": "spacing in nan.nii is 1 x nan x 1 mm",
    "negative_spacing_nifti": "spacing in negative.nii is 1 x -1 x 1 mm",
    "contradicting_nifti": "contradicts itself",
    "sheared_nifti": "not perpendicular",
    "tiny_spacing_nifti": "spacing is 0.0005 x 0.0005 x 0.003 mm",
    "huge_spacing_nifti": "spacing is 1 x 1 x 1000 mm",
    "zero_spacing_nrrd": "spacing in zero.nrrd is 1 x 0 x 1 mm",
    "no_spacing_nrrd": "does not state its voxel spacing",
    "sheared_nrrd": "not perpendicular",
    "zero_spacing_mha": "spacing in zero.mha is 1 x 0 x 1 mm",
    "no_spacing_mha": "does not state its voxel spacing",
    "two_dimensional_nifti": "two-dimensional",
    "single_slice_nrrd": "two-dimensional",
    "two_slices": "only 2 slices",
    "narrow": "at least 16 pixels",
    "four_dimensional": "4 dimensions",
    "color_nifti": "color image",
    "color_mha": "color image",
    "two_components": "2 values per voxel",
    "complex": "complex values",
    "nan_voxels": "NaN or infinite",
    "nan_voxels_nifti": "NaN or infinite",
    "infinite_voxels_gzip": "NaN or infinite",
    "infinite_voxels": "NaN or infinite",
    "constant": "same value 7",
    "over_two_gigabytes": "2.2 GB",
    "localizer_only": "no usable volume.*localizer",
    "named_localizer_only": "no usable volume.*localizer",
    "single_dicom_image": "single image",
    "color_dicom": "color images",
    "ultrasound": "modality US",
    "dicom_without_positions": "no position",
    "zero_spacing_dicom": "pixel spacing",
    "truncated_dicom": "is truncated",
    "dicom_cut_in_header": "None of the 5 files",
    "missing_slice": "a slice is missing",
    "uneven_slices": "not evenly spaced",
    "tilted_gantry": "gantry tilt of 18.4 degrees",
    "two_good_series": "2 series that could be meant.*1: 'sag PD'.*2: 'sag T1'",
    "repeated_slices": "occur up to 2 times",
}


def test_the_table_covers_every_bad_file(bad_files) -> None:
    assert sorted(SENTENCES) == bad_files.names()


@pytest.mark.parametrize("name", SENTENCES)
def test_bad_file_is_refused_with_a_sentence(name: str, bad_files, capfd: pytest.CaptureFixture[str]) -> None:
    path = bad_files.make(name)
    with pytest.raises(InputError, match=f"(?s){SENTENCES[name]}") as caught:
        check_examination(read_volume(path))
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert "Secret" not in text
    assert "ITK" not in text
    assert caught.value.exit_code == 2
    assert capfd.readouterr() == ("", "")


def mr(array: np.ndarray, modality: str = "MR", spacing_mm=(1.0, 1.0, 1.0)) -> Volume:
    return Volume(array, Geometry(array.shape[::-1], spacing_mm), modality)


@pytest.fixture
def contrast() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 900, (8, 30, 30)).astype(np.int16)


def test_good_examination_passes(contrast: np.ndarray) -> None:
    check_examination(mr(contrast), "knee")
    check_examination(mr(contrast, modality=""), "knee")


def test_wrong_modality_for_the_joint(contrast: np.ndarray) -> None:
    with pytest.raises(InputError, match="The image is CT"):
        check_examination(mr(contrast, "CT"), "knee")
    check_modality(mr(contrast, "CT"), "hip")
    with pytest.raises(InputError, match="Unknown joint"):
        check_modality(mr(contrast), "elbow")


def test_hounsfield_units_give_ct_away(contrast: np.ndarray) -> None:
    ct = contrast - 400
    ct[:, :15] = -1000
    assert looks_like_ct(ct)
    assert not looks_like_ct(contrast)
    assert not looks_like_ct(np.full_like(ct, -1000))
    with pytest.raises(InputError, match="probably CT"):
        check_modality(mr(ct, modality=""), "knee")


def test_field_of_view_has_to_be_plausible(contrast: np.ndarray) -> None:
    with pytest.raises(InputError, match="The image covers"):
        check_examination(mr(contrast, spacing_mm=(0.1, 0.1, 0.1)))


def test_complex_values_are_refused(contrast: np.ndarray) -> None:
    with pytest.raises(InputError, match="complex64"):
        check_examination(mr(contrast.astype(np.complex64)))


def test_two_gigabytes_are_the_limit() -> None:
    check_bytes(MAXIMUM_BYTES, "It")
    with pytest.raises(InputError, match=r"It holds 2\.0 GB"):
        check_bytes(MAXIMUM_BYTES + 1, "It")
