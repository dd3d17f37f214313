"""A volume as the files of an MR series, and a DICOM database that knows nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class Database:
    """What the module asks of Slicer's DICOM database."""

    isOpen = True  # noqa: N815 - as Slicer's

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def fileForInstance(self, instance: str) -> str:  # noqa: N802 - as Slicer's
        """Path of an instance's file."""
        return self.files.get(instance, "")

    def instanceValue(self, instance: str, tag: str) -> str:  # noqa: ARG002, N802 - asked for by the views' corners
        """Nothing: only the place of the files is known."""
        return ""


def write_series(volume: Any, folder: Path) -> dict[str, str]:
    """Write every slice along k as a file; returns the files by instance UID."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    geometry = volume.geometry
    direction = np.asarray(geometry.direction)
    found = {}
    for k, part in enumerate(volume.array):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MRImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
        data.Modality, data.PatientName, data.PatientID = "MR", "Phantom^Knee", "phantom"
        data.PatientBirthDate = data.PatientSex = data.StudyDate = data.StudyTime = data.StudyID = ""
        data.AccessionNumber = data.ReferringPhysicianName = data.Manufacturer = ""
        data.SeriesNumber, data.InstanceNumber = 1, k + 1
        data.Rows, data.Columns = part.shape
        data.PixelSpacing = [float(geometry.spacing_mm[1]), float(geometry.spacing_mm[0])]
        data.SliceThickness = data.SpacingBetweenSlices = float(geometry.spacing_mm[2])
        place = geometry.index_to_point(np.array([0, 0, k]))
        data.ImagePositionPatient = [f"{x:.6f}" for x in place]
        data.ImageOrientationPatient = [f"{x:.8f}" for x in (*direction[:, 0], *direction[:, 1])]
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 1
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit = 15
        data.PixelData = np.ascontiguousarray(part, "<i2").tobytes()
        path = folder / f"{k:04d}.dcm"
        data.save_as(path, enforce_file_format=True)
        found[str(data.SOPInstanceUID)] = str(path)
    return found
