"""Makers of image files, good and bad."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_image_files import BadFiles
from dicom_files import DicomMaker
from nifti_files import nifti_bytes

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real examinations, which are not part of the repository."""
    folder = Path(os.environ.get("MULTIJOINTSEG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("The real examinations are not here; set MULTIJOINTSEG_SHARED_DATA to their folder.")
    return folder


@pytest.fixture
def dicom(tmp_path: Path) -> DicomMaker:
    folder = tmp_path / "dicom"
    folder.mkdir()
    return DicomMaker(folder)


@pytest.fixture
def bad_files(tmp_path: Path) -> BadFiles:
    return BadFiles(tmp_path)


@pytest.fixture
def write_nifti() -> Callable[..., bytes]:
    return nifti_bytes
