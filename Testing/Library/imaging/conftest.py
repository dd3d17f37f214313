"""Makers of image files, good and bad. They use the formats' own libraries, never MultiJointSegLib."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real examinations, which are not part of the repository."""
    folder = Path(os.environ.get("MULTIJOINTSEG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("The real examinations are not here; set MULTIJOINTSEG_SHARED_DATA to their folder.")
    return folder


class DicomMaker:
    """Writes DICOM files slice by slice; any attribute can be changed by keyword."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study = generate_uid(entropy_srcs=[str(folder)])[:56].rstrip(".")
        self.frame_of_reference = generate_uid(entropy_srcs=[str(folder), "frame"])
        self.count = 0

    def header(self, **changes: object) -> Dataset:
        self.count += 1
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.SOPClassUID = MRImageStorage
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(self.folder), str(self.count)])
        dataset.PatientName = "Secret^Name"
        dataset.PatientID = "SECRET-ID"
        dataset.PatientBirthDate = "20150304"
        dataset.Modality = "MR"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        dataset.StudyInstanceUID = self.study
        dataset.SeriesInstanceUID = f"{self.study}.1"
        dataset.FrameOfReferenceUID = self.frame_of_reference
        dataset.SeriesNumber = 1
        dataset.SeriesDescription = "sag PD"
        dataset.RepetitionTime = 3000
        dataset.EchoTime = 20
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [0, 0, 0]
        dataset.PixelSpacing = [0.6, 0.5]
        dataset.SliceThickness = 3
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        for keyword, value in changes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        return dataset

    def save(self, dataset: Dataset, pixels: np.ndarray, name: str | None = None, *, big_endian: bool = False) -> Path:
        if pixels.ndim == 3 and dataset.SamplesPerPixel == 1:
            dataset.NumberOfFrames = len(pixels)
        dataset.Rows, dataset.Columns = pixels.shape[1:] if "NumberOfFrames" in dataset else pixels.shape[:2]
        dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
        dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian if big_endian else ExplicitVRLittleEndian
        # The names carry no order: slices have to be sorted by their positions.
        path = self.folder / (name or f"IM{(self.count * 7919) % 10007:05d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        pydicom.dcmwrite(path, dataset, little_endian=not big_endian, implicit_vr=False, enforce_file_format=True)
        return path

    def series(
        self,
        slices: int = 5,
        *,
        pitch_mm: float = 3.0,
        dtype: type = np.int16,
        skip: tuple[int, ...] = (),
        position: Callable[[int], list[float]] | None = None,
        folder: str = "",
        big_endian: bool = False,
        shape: tuple[int, int] = (20, 24),
        **changes: object,
    ) -> np.ndarray:
        """Write a sagittal series; returns the volume (slice along +x, row, column) that it holds."""
        rng = np.random.default_rng(7)
        low = -500 if np.dtype(dtype).kind == "i" and np.dtype(dtype).itemsize > 1 else 0
        high = min(3000, np.iinfo(dtype).max)
        volume = rng.integers(low, high, (slices, *shape)).astype(dtype)
        # row x column of this orientation points to -x, so that file order and slice order differ.
        for s in range(slices):
            if s in skip:
                continue
            place = position(s) if position else [s * pitch_mm - 10.0, -5.0, 30.0]
            dataset = self.header(InstanceNumber=slices - s, **({"ImagePositionPatient": place} | changes))
            name = f"{folder}/IM{(self.count * 7919) % 10007:05d}" if folder else None
            self.save(dataset, volume[s], name, big_endian=big_endian)
        return volume

    def ct_series(self, **changes: object) -> np.ndarray:
        return self.series(**({"Modality": "CT", "SOPClassUID": CTImageStorage} | changes))

    def enhanced(self, slices: int = 5, *, echoes: tuple[float, ...] = (20.0,), slopes: bool = False) -> np.ndarray:
        """Write one enhanced multi-frame file; returns (echo, slice along +x, row, column) of stored values."""
        rng = np.random.default_rng(9)
        volume = rng.integers(0, 3000, (len(echoes), slices, 20, 24)).astype(np.uint16)
        dataset = self.header(
            SOPClassUID=EnhancedMRImageStorage, ImagePositionPatient=None, ImageOrientationPatient=None,
            PixelSpacing=None, EchoTime=None, SliceThickness=None,
        )  # fmt: skip
        frames, pixels = [], []
        for s in reversed(range(slices)):
            for e, echo_time in enumerate(echoes):
                frame = Dataset()
                place, echo, transform = Dataset(), Dataset(), Dataset()
                place.ImagePositionPatient = [s * 3.0 - 10.0, -5.0, 30.0]
                echo.EffectiveEchoTime = echo_time
                transform.RescaleSlope = 1 + s if slopes else 1
                transform.RescaleIntercept = 10 * s if slopes else 0
                transform.RescaleType = "US"
                frame.PlanePositionSequence = [place]
                frame.MREchoSequence = [echo]
                frame.PixelValueTransformationSequence = [transform]
                frames.append(frame)
                pixels.append(volume[e, s])
        shared, orientation, measures = Dataset(), Dataset(), Dataset()
        orientation.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        measures.PixelSpacing = [0.6, 0.5]
        measures.SliceThickness = 3
        measures.SpacingBetweenSlices = 3
        shared.PlaneOrientationSequence = [orientation]
        shared.PixelMeasuresSequence = [measures]
        dataset.SharedFunctionalGroupsSequence = [shared]
        dataset.PerFrameFunctionalGroupsSequence = frames
        self.save(dataset, np.stack(pixels), "enhanced.dcm")
        return volume


@pytest.fixture
def dicom(tmp_path: Path) -> DicomMaker:
    folder = tmp_path / "dicom"
    folder.mkdir()
    return DicomMaker(folder)


def nifti_bytes(
    array: np.ndarray,
    *,
    pixdim: tuple[float, ...] = (1.0, 1.0, 1.0),
    sform: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 0),
    datatype: int | None = None,
    units: int = 2,
) -> bytes:
    """A NIfTI-1 file written byte by byte, so that its header can be wrong. The array has axes (..., k, j, i)."""
    types = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "complex64": 32, "float64": 64}
    size = array.shape[::-1] if datatype != 128 else array.shape[-2::-1]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(size), *size, *([1] * (7 - len(size))))
    bits = array.dtype.itemsize * 8 * (3 if datatype == 128 else 1)
    struct.pack_into("<2h", header, 70, datatype or types[array.dtype.name], bits)
    struct.pack_into("<8f", header, 76, 1, *pixdim, *([0.0] * (7 - len(pixdim))))
    struct.pack_into("<3f", header, 108, 352, 0, 0)
    header[123] = units
    struct.pack_into("<2h", header, 252, *codes)
    if sform is not None:
        struct.pack_into("<12f", header, 280, *np.ravel(sform))
    header[344:348] = b"n+1\0"
    return bytes(header) + array.tobytes()


class BadFiles:
    """Writes files that must be refused: `make(name)` returns the path of the one of that name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.good = np.random.default_rng(0).integers(0, 500, (10, 24, 26)).astype(np.int16)

    def names(self) -> list[str]:
        return sorted(name.removeprefix("_make_") for name in dir(self) if name.startswith("_make_"))

    def make(self, name: str) -> Path:
        return getattr(self, f"_make_{name}")()

    def _bytes(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def _image(self, name: str, array: np.ndarray, *, vector: bool = False) -> Path:
        path = self.folder / name
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
        return path

    def _edited(self, name: str, old: bytes, new: bytes) -> Path:
        path = self._image(name, self.good)
        content = path.read_bytes()
        assert old in content
        return self._bytes(name, content.replace(old, new))

    def _dicom(self) -> DicomMaker:
        folder = self.folder / "dicom"
        folder.mkdir()
        return DicomMaker(folder)

    def _make_missing(self) -> Path:
        return self.folder / "nowhere.nii.gz"

    def _make_empty_folder(self) -> Path:
        (self.folder / "empty").mkdir()
        return self.folder / "empty"

    def _make_folder_without_images(self) -> Path:
        (self.folder / "notes").mkdir()
        (self.folder / "notes" / "readme.txt").write_text("no images here")
        return self.folder / "notes"

    def _make_folder_with_nifti_only(self) -> Path:
        (self.folder / "study").mkdir()
        (self.folder / "study" / "knee.nii.gz").write_bytes(gzip.compress(nifti_bytes(self.good)))
        return self.folder / "study"

    def _make_empty_file(self) -> Path:
        return self._bytes("empty.nii.gz", b"")

    def _make_text_file(self) -> Path:
        return self._bytes("report.pdf", b"%PDF-1.4 nothing to see")

    def _make_junk_nifti(self) -> Path:
        return self._bytes("junk.nii.gz", b"hello" * 500)

    def _make_junk_nrrd(self) -> Path:
        return self._bytes("junk.nrrd", b"hello" * 500)

    def _make_junk_mha(self) -> Path:
        return self._bytes("junk.mha", b"hello" * 500)

    def _make_truncated_nifti(self) -> Path:
        content = nifti_bytes(self.good)
        return self._bytes("cut.nii", content[: len(content) // 2])

    def _make_truncated_nifti_header(self) -> Path:
        return self._bytes("cut.nii", nifti_bytes(self.good)[:200])

    def _make_truncated_gzip(self) -> Path:
        content = gzip.compress(nifti_bytes(self.good))
        return self._bytes("cut.nii.gz", content[: len(content) // 2])

    def _make_gzip_with_wrong_checksum(self) -> Path:
        content = bytearray(gzip.compress(nifti_bytes(self.good)))
        content[-6] ^= 0xFF
        return self._bytes("flipped.nii.gz", bytes(content))

    def _make_truncated_nrrd(self) -> Path:
        content = self._image("cut.nrrd", self.good).read_bytes()
        return self._bytes("cut.nrrd", content[: len(content) // 2])

    def _make_truncated_mha(self) -> Path:
        content = self._image("cut.mha", self.good).read_bytes()
        return self._bytes("cut.mha", content[: len(content) // 2])

    def _make_mhd_without_raw(self) -> Path:
        path = self._image("alone.mhd", self.good)
        (self.folder / "alone.raw").unlink()
        return path

    def _make_zero_spacing_nifti(self) -> Path:
        return self._bytes("zero.nii", nifti_bytes(self.good, pixdim=(1, 1, 0)))

    def _make_nan_spacing_nifti(self) -> Path:
        return self._bytes("nan.nii", nifti_bytes(self.good, pixdim=(1, float("nan"), 1)))

    def _make_negative_spacing_nifti(self) -> Path:
        return self._bytes("negative.nii", nifti_bytes(self.good, pixdim=(1, -1, 1)))

    def _make_contradicting_nifti(self) -> Path:
        affine = np.diag([2.0, 3.0, 4.0, 1.0])[:3]
        return self._bytes("both.nii", nifti_bytes(self.good, sform=affine, codes=(0, 1)))

    def _make_sheared_nifti(self) -> Path:
        angle = 0.3
        affine = np.array([[1, np.sin(angle), 0, 0], [0, np.cos(angle), 0, 0], [0, 0, 1, 0.0]])
        return self._bytes("sheared.nii", nifti_bytes(self.good, sform=affine, codes=(0, 1)))

    def _make_tiny_spacing_nifti(self) -> Path:
        return self._bytes("meters.nii", nifti_bytes(self.good, pixdim=(0.0005, 0.0005, 0.003)))

    def _make_huge_spacing_nifti(self) -> Path:
        return self._bytes("huge.nii", nifti_bytes(self.good, pixdim=(1, 1, 1000)))

    def _make_zero_spacing_nrrd(self) -> Path:
        return self._edited("zero.nrrd", b"(0,1,0)", b"(0,0,0)")

    def _make_no_spacing_nrrd(self) -> Path:
        return self._edited(
            "none.nrrd", b"space directions: (1,0,0) (0,1,0) (0,0,1)", b"space directions: none none none"
        )

    def _make_sheared_nrrd(self) -> Path:
        return self._edited("sheared.nrrd", b"(0,1,0)", b"(0.4,1,0)")

    def _make_zero_spacing_mha(self) -> Path:
        return self._edited("zero.mha", b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 0 1")

    def _make_no_spacing_mha(self) -> Path:
        return self._edited("none.mha", b"ElementSpacing = 1 1 1\n", b"")

    def _make_two_dimensional_nifti(self) -> Path:
        return self._bytes("flat.nii", nifti_bytes(self.good[0], pixdim=(1, 1)))

    def _make_single_slice_nrrd(self) -> Path:
        return self._image("flat.nrrd", self.good[:1])

    def _make_two_slices(self) -> Path:
        return self._image("two.nrrd", self.good[:2])

    def _make_narrow(self) -> Path:
        return self._image("narrow.nrrd", self.good[:, :12, :8])

    def _make_four_dimensional(self) -> Path:
        return self._bytes("series.nii", nifti_bytes(np.stack([self.good] * 3), pixdim=(1, 1, 1, 1)))

    def _make_color_nifti(self) -> Path:
        color = np.zeros((5, 24, 26, 3), np.uint8)
        return self._bytes("color.nii", nifti_bytes(color, datatype=128))

    def _make_color_mha(self) -> Path:
        return self._image("color.mha", np.zeros((5, 24, 26, 3), np.uint8), vector=True)

    def _make_two_components(self) -> Path:
        return self._image("vector.mha", np.zeros((5, 24, 26, 2), np.float32), vector=True)

    def _make_complex(self) -> Path:
        return self._bytes("complex.nii", nifti_bytes(self.good.astype(np.complex64)))

    def _make_nan_voxels(self) -> Path:
        array = self.good.astype(np.float32)
        array[3, 4, 5] = np.nan
        return self._image("nan.mha", array)

    def _make_nan_voxels_nifti(self) -> Path:
        array = self.good.astype(np.float32)
        array[3, 4, 5] = np.nan
        return self._bytes("nan.nii", nifti_bytes(array))

    def _make_infinite_voxels_gzip(self) -> Path:
        array = self.good.astype(np.float64)
        array[-1, -1, -1] = np.inf
        return self._bytes("inf.nii.gz", gzip.compress(nifti_bytes(array)))

    def _make_infinite_voxels(self) -> Path:
        array = self.good.astype(np.float32)
        array[3, 4, 5] = -np.inf
        return self._image("inf.mha", array)

    def _make_constant(self) -> Path:
        return self._image("constant.nrrd", np.full_like(self.good, 7))

    def _make_over_two_gigabytes(self) -> Path:
        header = bytearray(nifti_bytes(np.zeros((2, 2, 2), np.float32))[:352])
        struct.pack_into("<3h", header, 42, 1000, 1000, 600)
        path = self._bytes("large.nii", bytes(header))
        os.truncate(path, 352 + 1000 * 1000 * 600 * 4)  # a sparse file: takes no space
        return path

    def _make_localizer_only(self) -> Path:
        maker = self._dicom()
        for n, axes in enumerate(([0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0])):
            maker.series(3, ImageOrientationPatient=axes, position=lambda s, n=n: [5.0 * s] * 3, SeriesNumber=1)
        return maker.folder

    def _make_named_localizer_only(self) -> Path:
        maker = self._dicom()
        maker.series(5, SeriesDescription="AAHead_Scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        return maker.folder

    def _make_single_dicom_image(self) -> Path:
        maker = self._dicom()
        maker.series(1)
        return next(maker.folder.iterdir())

    def _make_color_dicom(self) -> Path:
        maker = self._dicom()
        for s in range(4):
            dataset = maker.header(
                SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
                ImagePositionPatient=[s, 0, 0],
            )  # fmt: skip
            maker.save(dataset, np.zeros((8, 8, 3), np.uint8))
        return maker.folder

    def _make_ultrasound(self) -> Path:
        maker = self._dicom()
        maker.series(5, Modality="US")
        return maker.folder

    def _make_dicom_without_positions(self) -> Path:
        maker = self._dicom()
        maker.series(5, ImagePositionPatient=None, ImageOrientationPatient=None)
        return maker.folder

    def _make_zero_spacing_dicom(self) -> Path:
        maker = self._dicom()
        maker.series(5, PixelSpacing=[0, 0])
        return maker.folder

    def _make_truncated_dicom(self) -> Path:
        maker = self._dicom()
        maker.series(5)
        victim = sorted(maker.folder.iterdir())[2]
        victim.write_bytes(victim.read_bytes()[:-400])
        return maker.folder

    def _make_dicom_cut_in_header(self) -> Path:
        maker = self._dicom()
        maker.series(5)
        for file in maker.folder.iterdir():
            file.write_bytes(file.read_bytes()[:400])
        return maker.folder

    def _make_missing_slice(self) -> Path:
        maker = self._dicom()
        maker.series(8, skip=(3,))
        return maker.folder

    def _make_uneven_slices(self) -> Path:
        maker = self._dicom()
        maker.series(8, position=lambda s: [3.0 * s + (1.0 if s > 4 else 0.0), 0, 0])
        return maker.folder

    def _make_tilted_gantry(self) -> Path:
        maker = self._dicom()
        maker.series(8, position=lambda s: [3.0 * s, 0, 1.0 * s])
        return maker.folder

    def _make_two_good_series(self) -> Path:
        maker = self._dicom()
        maker.series(5, folder="a")
        maker.series(5, folder="b", SeriesInstanceUID=f"{maker.study}.2", SeriesNumber=2, SeriesDescription="sag T1")
        return maker.folder

    def _make_repeated_slices(self) -> Path:
        maker = self._dicom()
        maker.series(5)
        maker.series(5)
        return maker.folder


@pytest.fixture
def bad_files(tmp_path: Path) -> BadFiles:
    return BadFiles(tmp_path)


@pytest.fixture
def write_nifti() -> Callable[..., bytes]:
    return nifti_bytes
