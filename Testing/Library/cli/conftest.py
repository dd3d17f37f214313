"""Runs the command line in this process, and makes inputs that it must refuse."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from MultiJointSegLib.cli.main import main


@dataclass(frozen=True)
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def command(capsys) -> Callable[..., Answer]:
    def run(*arguments: object) -> Answer:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def truth(monkeypatch, a_truth_segmenter) -> Callable[..., None]:
    """Puts a segmenter that knows the truth in the place of the network."""

    def use(**keywords: object) -> None:
        segmenter = a_truth_segmenter(**keywords)
        for module in ("pipeline.segment_examination", "cli.detect_command"):
            monkeypatch.setattr(f"MultiJointSegLib.{module}.load_segmenter", lambda *_, **__: segmenter)

    return use


def _image(shape: tuple[int, ...] = (8, 40, 40), *, dtype: type = np.int16) -> sitk.Image:
    rng = np.random.default_rng(3)
    image = sitk.GetImageFromArray(rng.integers(0, 500, shape).astype(dtype), isVector=False)
    if image.GetDimension() == 3:
        image.SetSpacing((1.0, 1.0, 4.0))
    return image


class BadInputs:
    """One method per input that must be refused; each returns the path to give."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _written(self, image: sitk.Image, name: str = "image.nrrd") -> Path:
        path = self.folder / name
        sitk.WriteImage(image, str(path))
        return path

    def good(self) -> Path:
        return self._written(_image())

    def missing(self) -> Path:
        return self.folder / "nothing.nii.gz"

    def empty_folder(self) -> Path:
        (self.folder / "empty").mkdir()
        return self.folder / "empty"

    def folder_without_images(self) -> Path:
        folder = self.empty_folder()
        (folder / "notes.txt").write_text("no image")
        return folder

    def text_file(self) -> Path:
        path = self.folder / "notes.txt"
        path.write_text("no image")
        return path

    def truncated(self) -> Path:
        path = self._written(_image(), "image.nii.gz")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    def corrupt(self) -> Path:
        path = self.folder / "image.nrrd"
        path.write_bytes(bytes(range(256)) * 40)
        return path

    def two_dimensional(self) -> Path:
        return self._written(_image((40, 40)), "image.mha")

    def four_dimensional(self) -> Path:
        rng = np.random.default_rng(3)
        volumes = [sitk.GetImageFromArray(rng.integers(0, 500, (8, 20, 20)).astype(np.int16)) for _ in range(3)]
        return self._written(sitk.JoinSeries(volumes), "image.nii.gz")

    def rgb(self) -> Path:
        rng = np.random.default_rng(3)
        return self._written(
            sitk.GetImageFromArray(rng.integers(0, 255, (8, 20, 20, 3)).astype(np.uint8), isVector=True)
        )

    def nan(self) -> Path:
        array = np.random.default_rng(3).random((8, 40, 40), np.float32)
        array[3, 4, 5] = np.nan
        return self._written(sitk.GetImageFromArray(array))

    def constant(self) -> Path:
        return self._written(sitk.GetImageFromArray(np.full((8, 40, 40), 7, np.int16)))

    def zero_spacing(self) -> Path:
        path = self.folder / "image.mha"
        header = (
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
            "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 0 1 1\nDimSize = 20 20 8\n"
            "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        )
        path.write_bytes(header.encode() + np.arange(3200, dtype="<i2").tobytes())
        return path

    def absurd_spacing(self) -> Path:
        image = _image()
        image.SetSpacing((1000.0, 1000.0, 4000.0))
        return self._written(image)

    def two_slices(self) -> Path:
        return self._written(_image((2, 40, 40)))

    def over_two_gigabytes(self) -> Path:
        """A header that promises 4 GB; the voxels are not there, and must not be asked for."""
        path = self.folder / "image.nii.gz"
        header = bytearray(348)
        struct.pack_into("<i", header, 0, 348)
        struct.pack_into("<8h", header, 40, 3, 1500, 1500, 1000, 1, 1, 1, 1)
        struct.pack_into("<hh", header, 70, 4, 16)
        struct.pack_into("<8f", header, 76, 1, 0.3, 0.3, 0.3, 1, 1, 1, 1)
        struct.pack_into("<f", header, 108, 352)
        header[344:348] = b"n+1\0"
        path.write_bytes(gzip.compress(bytes(header) + bytes(4)))
        return path

    def _dicom(self, name: str, **changes: object) -> None:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = MRImageStorage
        dataset.Modality = "MR"
        dataset.StudyInstanceUID = "1.2.3"
        dataset.SeriesInstanceUID = "1.2.3.1"
        dataset.SeriesNumber = 1
        dataset.PatientName = "Secret^Name"
        dataset.ImageType = ["ORIGINAL", "PRIMARY"]
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.PixelSpacing = [1, 1]
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Rows = dataset.Columns = 24
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = 1
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[name])
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PixelData = np.random.default_rng(1).integers(0, 900, (24, 24)).astype("<i2").tobytes()
        path = self.folder / "dicom" / name
        path.parent.mkdir(exist_ok=True)
        pydicom.dcmwrite(path, dataset, little_endian=True, implicit_vr=False, enforce_file_format=True)

    def series(self, number: int, **changes: object) -> Path:
        for s in range(6):
            given = {
                "SeriesNumber": number,
                "SeriesInstanceUID": f"1.2.3.{number}",
                "ImagePositionPatient": [5.0 * s, 0, 0],
            }
            self._dicom(f"{number}-{s}", **(given | changes))
        return self.folder / "dicom"

    def localizer(self) -> Path:
        for n, axes in enumerate(([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1])):
            self._dicom(
                f"{n}",
                ImageOrientationPatient=axes,
                ImagePositionPatient=[0, 0, 0],
                ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
            )
        return self.folder / "dicom"

    def ct(self) -> Path:
        return self.series(1, Modality="CT", SOPClassUID=CTImageStorage)

    def two_series(self) -> Path:
        self.series(1, SeriesDescription="sag PD")
        return self.series(2, SeriesDescription="sag T1")


@pytest.fixture
def bad(tmp_path) -> BadInputs:
    folder = tmp_path / "in"
    folder.mkdir()
    return BadInputs(folder)
