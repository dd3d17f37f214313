"""Makes DICOM files with their format's own library, never with MultiJointSegLib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)


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
