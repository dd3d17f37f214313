"""Small studies for the tests of pretraining, written with the formats' own libraries."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

REPOSITORY = Path(__file__).resolve().parents[3]
SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
AXIAL = (1, 0, 0, 0, 1, 0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real examinations, which are not part of the repository."""
    folder = Path(os.environ.get("MULTIJOINTSEG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("The real examinations are not here; set MULTIJOINTSEG_SHARED_DATA to their folder.")
    return folder


@pytest.fixture(autouse=True, scope="package")
def _fast_arithmetic() -> None:
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)  # threads that wait for each other cost more than these small images


class StudyMaker:
    """Writes DICOM series of small slices; any attribute can be changed by keyword."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.study = generate_uid(entropy_srcs=[str(folder)])[:50].rstrip(".")

    def series(
        self,
        number: int,
        axes: Sequence[float],
        offsets_mm: Sequence[float],
        *,
        phases: int = 1,
        seed: int | None = None,
        shape: tuple[int, int] = (16, 20),
        **changes: object,
    ) -> None:
        """Slices at these distances along row x column from the first; centered on the origin within the slice."""
        row, column = np.asarray(axes[:3], float), np.asarray(axes[3:], float)
        rng = np.random.default_rng(number if seed is None else seed)
        for offset in offsets_mm:
            for phase in range(phases):
                self.count += 1
                d = Dataset()
                d.file_meta = FileMetaDataset()
                d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = MRImageStorage
                d.SOPInstanceUID = generate_uid(entropy_srcs=[str(self.folder), str(self.count)])
                d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
                d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                d.StudyInstanceUID, d.SeriesInstanceUID = self.study, f"{self.study}.{number}"
                d.FrameOfReferenceUID = f"{self.study}.9999"
                d.Modality, d.SeriesNumber, d.SeriesDescription = "MR", number, f"series {number}"
                d.ImageType = ["ORIGINAL", "PRIMARY", "M"]
                d.PixelSpacing = [2.0, 1.5]
                d.ImageOrientationPatient = [float(v) for v in axes]
                half = row * 1.5 * (shape[1] - 1) / 2 + column * 2.0 * (shape[0] - 1) / 2
                d.ImagePositionPatient = (np.cross(row, column) * offset - half).tolist()
                d.SliceThickness, d.SamplesPerPixel, d.PhotometricInterpretation = 3, 1, "MONOCHROME2"
                if phases > 1:
                    d.TriggerTime = 40.0 * phase
                for keyword, value in changes.items():
                    if value is None:
                        delattr(d, keyword)
                    else:
                        setattr(d, keyword, value)
                pixels = rng.integers(0, 2000, shape).astype(np.uint16)
                d.Rows, d.Columns = shape
                d.BitsAllocated = d.BitsStored = 16
                d.HighBit, d.PixelRepresentation = 15, 0
                d.PixelData = pixels.tobytes()
                d["PixelData"].VR = "OW"
                self.folder.mkdir(parents=True, exist_ok=True)
                # The names carry no order.
                pydicom.dcmwrite(self.folder / f"IM{(self.count * 7919) % 10007:05d}", d, enforce_file_format=True)


@pytest.fixture
def a_study(tmp_path: Path) -> StudyMaker:
    return StudyMaker(tmp_path / "study")
