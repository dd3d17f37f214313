"""Label maps as DICOM Segmentation objects (DICOM PS3.3, A.51) that refer to the images they were drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

import MultiJointSegLib
from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Bone, Code
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.dicom_headers import DicomFrame
from MultiJointSegLib.imaging.highdicom_objects import completed, highdicom_for, new_series, save_object, series_frames
from MultiJointSegLib.imaging.volume import Volume

_SAME_PIXEL = 0.25
"""A pixel of the source may be this far from a voxel's center, in voxels, to be that voxel."""

_WHAT = "DICOM segmentation"


def write_dicom_segmentation(path: Path, labels: Volume, bones: Sequence[Bone], source: Path | Sequence[Path]) -> None:
    """Write a label map as a binary DICOM Segmentation.

    Parameters
    ----------
    path : Path
        Ends in .dcm.
    labels : Volume
        Label map (k, j, i) with the catalog's values, LPS, on the grid of the source.
    bones : sequence of Bone
        Those with a voxel become segments, numbered from 1, with name, color and standard codes.
    source : Path or sequence of Path
        The images of one DICOM series: a folder, or its files. Study, patient and frame of reference are theirs.

    Raises
    ------
    InputError
        If highdicom is not installed, the source is not one readable series or shows a place twice, the label map does
        not lie on it, or no bone has a voxel.
    MultiJointSegError
        If the object cannot be made or written.
    """
    highdicom = highdicom_for(path, _WHAT)
    frames = series_frames(source, _WHAT)
    places = {tuple(np.round(np.asarray(frame.position_mm, float), 3)) for frame in frames}
    if len(places) < len(frames):
        raise InputError(
            f"The source of a {_WHAT} holds {len(frames)} images at {len(places)} places, as of several echoes or "
            "times; give the images of one of them, as a text file that lists them."
        )
    present = [bone for bone in bones if (labels.array == bone.label).any()]
    if not present:
        raise InputError("The segmentation is empty; there is nothing to write as DICOM.")
    numbers = np.zeros(256, np.uint8)
    for number, bone in enumerate(present, start=1):
        numbers[bone.label] = number
    pixels = np.stack([numbers[_labels_on(frame, labels)] for frame in frames])
    files = list(dict.fromkeys(frame.path for frame in frames))

    def make() -> Any:
        return highdicom.seg.Segmentation(
            source_images=[completed(pydicom.dcmread(file)) for file in files],
            pixel_array=pixels,
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_description(highdicom, n, bone) for n, bone in enumerate(present, start=1)],
            content_label="BONES",
            omit_empty_frames=True,
            **new_series(highdicom, 1000, "MultiJointSeg bones"),
        )

    save_object(path, _WHAT, make)


def _labels_on(frame: DicomFrame, labels: Volume) -> np.ndarray:
    """Label values (rows, columns) at the pixels of a frame, 0 outside of the grid."""
    rows, columns = frame.shape
    axes, (row_mm, column_mm) = np.asarray(frame.axes), frame.pixel_mm or (1.0, 1.0)
    r, c = np.mgrid[:rows, :columns]
    points = np.asarray(frame.position_mm) + (c[..., None] * column_mm * axes[:3] + r[..., None] * row_mm * axes[3:])
    index = labels.geometry.point_to_index(points.reshape(-1, 3)).reshape(rows, columns, 3)
    nearest = np.rint(index).astype(int)
    inside = ((nearest >= 0) & (nearest < np.asarray(labels.geometry.size))).all(axis=-1)
    if not inside.any() or np.abs(index - nearest)[inside].max() > _SAME_PIXEL:
        raise InputError(
            "The segmentation does not lie on the grid of the DICOM series; choose the series it was made on."
        )
    i, j, k = np.moveaxis(np.where(inside[..., None], nearest, 0), -1, 0)
    return np.where(inside, labels.array[k, j, i], 0).astype(np.uint8)


def _description(highdicom: Any, number: int, bone: Bone) -> Any:
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="MultiJointSeg",
        family=highdicom.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"),
        version=MultiJointSegLib.__version__,
    )
    described = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=bone.name,
        segmented_property_category=_concept(highdicom, anatomy.category()),
        segmented_property_type=_concept(highdicom, bone.code),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=algorithm,
    )
    described.RecommendedDisplayCIELabValue = cielab(bone.color)
    return described


def _concept(highdicom: Any, code: Code) -> Any:
    return highdicom.sr.CodedConcept(code.value, code.scheme, code.meaning)


def cielab(color: tuple[int, int, int]) -> list[int]:
    """CIE L*a*b* of an sRGB color (0 to 255) under D65, as the 16-bit numbers of DICOM PS3.3, C.10.7.1.1."""
    srgb = np.asarray(color) / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / (0.9505, 1.0, 1.089)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness, a, b = 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])
    numbers = (lightness * 65535 / 100, (a + 128) * 65535 / 255, (b + 128) * 65535 / 255)
    return [int(np.clip(round(float(value)), 0, 65535)) for value in numbers]
