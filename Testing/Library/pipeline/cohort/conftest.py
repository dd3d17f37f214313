"""DICOM folders for the search for examinations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid


class DicomFolders:
    """Writes small series; each method returns the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _write(self, name: str, **values: object) -> None:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(entropy_srcs=[name])
        dataset.Modality, dataset.StudyInstanceUID = "MR", "1.2.3"
        dataset.ImageType = ["ORIGINAL", "PRIMARY"]
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.PixelSpacing, dataset.Rows, dataset.Columns = [1, 1], 24, 24
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 1
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = np.arange(576, dtype="<i2").tobytes()
        path = self.folder / "dicom" / name
        path.parent.mkdir(exist_ok=True)
        pydicom.dcmwrite(path, dataset, little_endian=True, implicit_vr=False, enforce_file_format=True)

    def series(self, number: int, **values: object) -> Path:
        for s in range(6):
            given = {
                "SeriesNumber": number,
                "SeriesInstanceUID": f"1.2.3.{number}",
                "ImagePositionPatient": [5.0 * s, 0, 0],
            }
            self._write(f"{number}-{s}", **(given | values))
        return self.folder / "dicom"

    def two_series(self) -> Path:
        self.series(1, SeriesDescription="sag PD")
        return self.series(2, SeriesDescription="sag T1")

    def localizer(self) -> Path:
        return self.series(1, SeriesInstanceUID="1.2.3.9", SeriesDescription="Localizer")


@pytest.fixture
def dicom(tmp_path) -> DicomFolders:
    folder = tmp_path / "made"
    folder.mkdir()
    return DicomFolders(folder)


@pytest.fixture(scope="session")
def a_tiny_bundle(tmp_path_factory) -> Path:
    """Folder of an untrained model."""
    import torch

    from MultiJointSegLib.inference.bundle import save_bundle
    from MultiJointSegLib.networks.shared_unet import SharedUNet

    torch.manual_seed(1)
    network = SharedUNet({"ankle": 3, "knee": 4, "shoulder": 2}, decoder_channels=(8, 8, 8, 8, 8)).eval()
    settings = dict(name="tiny", version="0.1.0", license="Apache-2.0", card="# tiny\nUntrained; for tests.\n")
    return save_bundle(tmp_path_factory.mktemp("models") / "tiny", network, **settings).path
