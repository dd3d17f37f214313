"""One DICOM series to one volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.dicom_headers import DicomFrame
from MultiJointSegLib.imaging.dicom_series import SeriesSummary, slice_positions_mm
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.limits import check_bytes
from MultiJointSegLib.imaging.native_output import silent_native_output
from MultiJointSegLib.imaging.volume import Volume

GAP_TOLERANCE = 0.05
"""Distances of neighboring slices may differ from their median by this fraction."""
LATERAL_TOLERANCE_PIXELS = 0.5
"""Slices may be displaced sideways by this much over the whole stack."""

# What is safe and useful to report; nothing about the person or the institution.
_REPORTED = {
    "SeriesDescription": "series_description",
    "SeriesNumber": "series_number",
    "Manufacturer": "manufacturer",
    "ManufacturerModelName": "scanner_model",
    "MagneticFieldStrength": "field_strength_t",
    "ScanningSequence": "scanning_sequence",
    "SequenceVariant": "sequence_variant",
    "MRAcquisitionType": "acquisition_type",
    "RepetitionTime": "repetition_time_ms",
    "EchoTime": "echo_time_ms",
    "InversionTime": "inversion_time_ms",
    "FlipAngle": "flip_angle_deg",
    "SliceThickness": "slice_thickness_mm",
    "Laterality": "laterality",
    "ImageLaterality": "laterality",
}


def read_series(series: SeriesSummary) -> Volume:
    """Read the pixels of a series and put the slices in order.

    Parameters
    ----------
    series : SeriesSummary
        A usable one, see `series_choice.choose_series`.

    Returns
    -------
    Volume
        Rescaled intensities; slices sorted along their normal. The decoder turns MONOCHROME1 around, so that bright
        is high.

    Raises
    ------
    InputError
        If slices are missing, unevenly spaced, displaced sideways or unreadable, or there are over 2 GB.
    """
    positions = slice_positions_mm(series.frames)
    order = np.argsort(positions, kind="stable")
    frames = [series.frames[n] for n in order]
    check_bytes(
        int(np.prod(series.size)) * max(1, int(frames[0].number("BitsAllocated") or 16) // 8),
        f"The series {series.key}",
    )
    pitch_mm = _slice_pitch(series, positions[order])
    _check_lateral(series, frames, pitch_mm)
    array = read_pixels(frames, series)
    axes = np.asarray(frames[0].axes)
    row, column = axes[:3], axes[3:]
    pixel_mm = frames[0].pixel_mm or (1.0, 1.0)
    geometry = Geometry(
        (array.shape[2], array.shape[1], array.shape[0]),
        (pixel_mm[1], pixel_mm[0], pitch_mm),
        frames[0].position_mm or (0.0, 0.0, 0.0),
        tuple(tuple(line) for line in np.stack([row, column, np.cross(row, column)], axis=1)),
    )
    metadata: dict[str, object] = {
        name: frames[0].tags[keyword] for keyword, name in _REPORTED.items() if keyword in frames[0].tags
    }
    return Volume(array, geometry, series.modality, metadata)


def _slice_pitch(series: SeriesSummary, positions_mm: np.ndarray) -> float:
    """Distance of neighboring slices, the same everywhere."""
    gaps = np.diff(positions_mm)
    median = float(np.median(gaps))
    worst = int(np.argmax(np.abs(gaps - median)))
    if abs(gaps[worst] - median) > GAP_TOLERANCE * median:
        multiple = round(gaps[worst] / median)
        between = (
            f"between {positions_mm[worst]:.1f} and {positions_mm[worst + 1]:.1f} mm along the stack the distance is "
            f"{gaps[worst]:.2f} mm, elsewhere {median:.2f} mm"
        )
        if multiple >= 2 and abs(gaps[worst] - multiple * median) < 2 * GAP_TOLERANCE * median * multiple:
            missing = "a slice is" if multiple == 2 else f"{multiple - 1} slices are"
            raise InputError(f"In series {series.key} {missing} missing: {between}; export the whole series again.")
        raise InputError(f"The slices of series {series.key} are not evenly spaced: {between}; use another series.")
    return float((positions_mm[-1] - positions_mm[0]) / (len(positions_mm) - 1))


def _check_lateral(series: SeriesSummary, frames: Sequence[DicomFrame], pitch_mm: float) -> None:
    axes = np.asarray(frames[0].axes)
    points = np.array([f.position_mm for f in frames])
    sideways = (points - points[0]) @ axes.reshape(2, 3).T
    largest = float(np.abs(sideways).max())
    if largest > LATERAL_TOLERANCE_PIXELS * min(frames[0].pixel_mm or (1.0, 1.0)):
        angle_deg = float(np.degrees(np.arctan2(largest, pitch_mm * (len(frames) - 1))))
        raise InputError(
            f"The slices of series {series.key} are displaced sideways by up to {largest:.1f} mm (gantry tilt of "
            f"{angle_deg:.1f} degrees or several stacks); resample it to a rectangular grid or use another series."
        )


def read_pixels(frames: Sequence[DicomFrame], series: SeriesSummary) -> np.ndarray:
    """Intensities (slice, row, column) of images of one size, in their order; `series` names them in messages."""
    slices: list[np.ndarray] = []
    files: dict[Path, np.ndarray] = {}
    with silent_native_output():
        for frame in frames:
            if frame.frames_in_file == 1:
                slices.append(_read_file(frame, series)[0])
            else:
                if frame.path not in files:
                    files[frame.path] = _read_file(frame, series)
                slices.append(_rescaled(files[frame.path], frame, frames))
    kind = np.result_type(*{s.dtype for s in slices})
    return np.stack(slices).astype(np.float32 if kind == np.float64 else kind, copy=False)


def _read_file(frame: DicomFrame, series: SeriesSummary) -> np.ndarray:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(frame.path))
    try:
        array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise InputError(
            f"The file {frame.path.name} of series {series.key} cannot be decoded; it is truncated, corrupt or "
            "compressed in an unknown way: export the series again."
        ) from error
    if array.ndim == 2:
        array = array[None]
    if array.shape != (frame.frames_in_file, *frame.shape):
        raise InputError(
            f"The file {frame.path.name} of series {series.key} holds pixels of shape {array.shape}, its header says "
            f"{(frame.frames_in_file, *frame.shape)}; export the series again."
        )
    return array


def _rescaled(array: np.ndarray, frame: DicomFrame, frames: Sequence[DicomFrame]) -> np.ndarray:
    """One frame of a multi-frame file; the decoder applies the rescale values of the first frame to all."""
    same_file = [f for f in frames if f.path == frame.path]
    slopes = {(f.number("RescaleSlope") or 1.0, f.number("RescaleIntercept") or 0.0) for f in same_file}
    pixels = array[frame.index]
    if len(slopes) <= 1:
        return pixels
    first = min(same_file, key=lambda f: f.index)
    raw = (pixels - (first.number("RescaleIntercept") or 0.0)) / (first.number("RescaleSlope") or 1.0)
    slope, intercept = frame.number("RescaleSlope") or 1.0, frame.number("RescaleIntercept") or 0.0
    return (raw * slope + intercept).astype(np.float32)
