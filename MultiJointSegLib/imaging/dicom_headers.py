"""Headers of DICOM files: one `DicomFrame` per two-dimensional image, also of multi-frame files.

Names, birth dates and identifiers of patients are never read.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

_TAGS = [
    "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "Manufacturer", "ManufacturerModelName",
    "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SeriesNumber", "SeriesDescription",
    "ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType", "SliceThickness", "RepetitionTime",
    "EchoTime", "InversionTime", "MagneticFieldStrength", "FlipAngle", "DiffusionBValue", "TriggerTime",
    "AcquisitionNumber", "InstanceNumber", "TemporalPositionIdentifier", "Laterality", "ImageLaterality",
    "SliceLocation", "SpacingBetweenSlices", "PatientPosition",
    "ImagePositionPatient", "ImageOrientationPatient", "SamplesPerPixel", "PhotometricInterpretation",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "RescaleSlope", "RescaleIntercept",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DicomFrame:
    """One two-dimensional image of a DICOM file.

    Parameters
    ----------
    path : Path
        The file.
    index : int
        Frame within the file, from 0.
    frames_in_file : int
        Frames of the file.
    shape : tuple of 2 int
        Rows and columns.
    position_mm : tuple of 3 float or None
        LPS center of the first pixel; None when the file does not say.
    axes : tuple of 6 float or None
        LPS unit vectors along a row and along a column.
    pixel_mm : tuple of 2 float or None
        Distance of rows and of columns.
    tags : dict
        The other values, by DICOM keyword: numbers, strings or tuples of strings.
    problem : str
        Why the pixels cannot be used, or "".
    """

    path: Path
    index: int
    frames_in_file: int
    shape: tuple[int, int]
    position_mm: tuple[float, float, float] | None
    axes: tuple[float, ...] | None
    pixel_mm: tuple[float, float] | None
    tags: dict[str, object]
    problem: str = ""

    def text(self, keyword: str) -> str:
        """Value as text, "" when absent."""
        value = self.tags.get(keyword)
        return "" if value is None else str(value)

    def number(self, keyword: str) -> float | None:
        """Value as a number, None when absent or not a number."""
        value = self.tags.get(keyword)
        return float(value) if isinstance(value, int | float) else None


def looks_like_dicom(path: Path) -> bool:
    """Whether the file starts as DICOM files do, with or without the 128-byte preamble."""
    try:
        with path.open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or start[:4] in (b"\x08\x00\x05\x00", b"\x08\x00\x08\x00", b"\x08\x00\x16\x00")


def find_files(folder: Path) -> list[Path]:
    """All files below a folder, sorted by path; hidden ones are left out."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return found


def read_frames(path: Path) -> list[DicomFrame]:
    """Read the header of one file.

    Returns
    -------
    list of DicomFrame
        Empty when the file is no DICOM image (a report, a directory record, not DICOM at all).
    """
    if not looks_like_dicom(path):
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd but harmless values are common in clinical files
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=True)
            if not dataset.get("Rows") or not dataset.get("Columns"):
                return []
            return _frames(dataset, path)
    except (InvalidDicomError, OSError, ValueError, AttributeError, KeyError, TypeError, EOFError, NotImplementedError):
        return []


def _frames(dataset: Dataset, path: Path) -> list[DicomFrame]:
    count = int(dataset.get("NumberOfFrames") or 1)
    common = {
        keyword: value
        for keyword in _TAGS
        if not keyword.endswith("GroupsSequence") and (value := _plain(dataset.get(keyword))) is not None
    }
    problem = _truncation(dataset, path, count)
    shared = _groups(dataset.get("SharedFunctionalGroupsSequence"), 0)
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    result = []
    for index in range(count):
        tags = common | shared | (_groups(per_frame, index) if per_frame else {})
        result.append(
            DicomFrame(
                path=path,
                index=index,
                frames_in_file=count,
                shape=(int(dataset.Rows), int(dataset.Columns)),
                position_mm=_numbers(tags.pop("ImagePositionPatient", None), 3),
                axes=_axes(_numbers(tags.pop("ImageOrientationPatient", None), 6)),
                pixel_mm=_numbers(tags.pop("PixelSpacing", None), 2),
                tags=tags,
                problem=problem,
            )
        )
    return result


def _groups(sequence: Any, index: int) -> dict[str, object]:
    """Values of one item of a functional group sequence of a multi-frame file, flattened."""
    if not sequence or index >= len(sequence):
        return {}
    values: dict[str, object] = {}
    for group in sequence[index]:
        if group.VR != "SQ" or not group.value:
            continue
        for element in group.value[0]:
            if element.VR != "SQ" and element.keyword and (value := _plain(element.value)) is not None:
                values[element.keyword] = value
    wanted = {
        "EffectiveEchoTime": "EchoTime",
        "FrameType": "ImageType",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
        "NominalCardiacTriggerDelayTime": "TriggerTime",
        "FrameLaterality": "ImageLaterality",
    }
    return {wanted.get(k, k): v for k, v in values.items() if k in wanted or k in _TAGS}


def _plain(value: Any) -> object:
    """Numbers, strings and tuples of them; None for what is empty or unreadable."""
    if value is None or isinstance(value, bytes):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) or type(value).__name__ == "DSdecimal":
        return float(value)
    if isinstance(value, pydicom.multival.MultiValue | list | tuple):
        return tuple(_plain(v) for v in value) or None
    return str(value).strip() or None


def _numbers(value: object, count: int) -> Any:
    if not isinstance(value, tuple) or len(value) != count:
        return None
    if not all(isinstance(v, int | float) and np.isfinite(v) for v in value):
        return None
    return tuple(float(v) for v in value)


def _axes(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Row and column vectors made exactly perpendicular and of unit length; None when they are far from it."""
    if values is None:
        return None
    row, column = np.array(values[:3]), np.array(values[3:])
    if abs(np.linalg.norm(row) - 1) > 0.01 or abs(np.linalg.norm(column) - 1) > 0.01 or abs(row @ column) > 0.01:
        return None
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    return (*row.tolist(), *column.tolist())


def _truncation(dataset: Dataset, path: Path, frames: int) -> str:
    """Sentence part if an uncompressed file is too short for its pixels."""
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if syntax is not None and (syntax.is_compressed or syntax.is_deflated):
        return ""
    bits = int(dataset.get("BitsAllocated") or 16)
    needed = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1) * frames * bits // 8
    return f"the file {path.name} is truncated" if path.stat().st_size < needed else ""
