"""What all DICOM objects made with highdicom (doi:10.1007/s10278-022-00683-y) share: the package, the source, saving.

3D Slicer brings highdicom along; elsewhere it is optional.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import MultiJointSegLib
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.dicom_headers import DicomFrame, find_files, looks_like_dicom, read_frames

_MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def highdicom_for(path: Path, what: str) -> Any:
    """The module highdicom, to write a file of that kind.

    Parameters
    ----------
    path : Path
        Must end in .dcm.
    what : str
        Kind of the object: "DICOM segmentation".

    Raises
    ------
    InputError
        If the name does not end in .dcm, or highdicom is not installed.
    """
    if path.suffix.lower() != ".dcm":
        raise InputError(f"Cannot write {path.name}: a {what} ends in .dcm.")
    try:
        return importlib.import_module("highdicom")
    except ImportError as error:
        raise InputError(
            f"{what}s need the package highdicom, which 3D Slicer brings along; install it with: pip install highdicom"
        ) from error


def new_series(highdicom: Any, number: int, description: str) -> dict[str, Any]:
    """What every object says of its new series and of who made it: arguments of highdicom's classes."""
    return {
        "series_instance_uid": highdicom.UID(),
        "series_number": number,
        "sop_instance_uid": highdicom.UID(),
        "instance_number": 1,
        "manufacturer": "MultiJointSeg",
        "manufacturer_model_name": "MultiJointSeg",
        "software_versions": MultiJointSegLib.__version__,
        "device_serial_number": "0",
        "series_description": description,
    }


def save_object(path: Path, what: str, make: Callable[[], Any]) -> None:
    """Make a highdicom object and write it, whole or not at all.

    Raises
    ------
    MultiJointSegError
        If the object cannot be made from its source, or not written.
    """
    try:
        with warnings.catch_warnings():
            # Identifiers and dates of the source are passed on as they are, also where they break the standard.
            warnings.simplefilter("ignore")
            made = make()
            with atomic_write(path) as temporary:
                made.save_as(temporary)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise MultiJointSegError(f"The {what} could not be made from this source: {str(error).rstrip('.')}.") from error


def series_frames(source: Path | Sequence[Path], what: str = "DICOM segmentation") -> list[DicomFrame]:
    """Frames of the source, one DICOM series (a folder, or its files): by position, or as the one file orders them.

    Raises
    ------
    InputError
        If a file is missing, or the source is not one series of images with a place.
    """
    files = (find_files(source) if source.is_dir() else [source]) if isinstance(source, Path) else list(source)
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise InputError(f"There is no file {missing}; the source of a {what} has to be on this computer.")
    frames = [frame for file in files if looks_like_dicom(file) for frame in read_frames(file)]
    frames = [frame for frame in frames if frame.position_mm is not None and frame.axes is not None and frame.pixel_mm]
    series = {frame.text("SeriesInstanceUID") for frame in frames}
    if len(series) != 1:
        found = "no image with a place" if not series else f"{len(series)} series"
        raise InputError(f"The source of a {what} has to be one series; it holds {found}.")
    if len({frame.path for frame in frames}) == 1:
        return frames  # one file with many frames: its own order counts
    axes = np.asarray(frames[0].axes)
    normal = np.cross(axes[:3], axes[3:])
    return sorted(frames, key=lambda frame: float(np.asarray(frame.position_mm) @ normal))


def completed(dataset: Any) -> Any:
    """The data set with the attributes that must be there but may be empty; de-identified files often lack them."""
    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    return dataset
