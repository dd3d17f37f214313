"""Pixels of a study's series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from MultiJointSegLib.imaging.dicom_headers import DicomFrame
from MultiJointSegLib.imaging.dicom_series import summarize
from MultiJointSegLib.imaging.dicom_volume import read_pixels
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.learning.pretext.study import ImageSource, StudySeries, StudySlice


def read_images(series: StudySeries, *, phases: int = 1) -> np.ndarray:
    """Read a series.

    Parameters
    ----------
    series : StudySeries
    phases : int
        At most this many images of every place, evenly spread over those there are.

    Returns
    -------
    float32 ndarray of shape (slices, phases, rows, columns)
        In the order of `series.slices`; where a place has fewer images than another, its last is repeated.

    Raises
    ------
    InputError
        If a file cannot be decoded.
    """
    chosen = [_spread(s, min(phases, series.phases)) for s in series.slices]
    return _read([image for images in chosen for image in images]).reshape(len(chosen), len(chosen[0]), *_shape(series))


def same_pixels(first: StudySeries, second: StudySeries) -> bool:
    """Whether the middle slices of two series are equal, pixel by pixel: then one is a copy."""
    middle = [series.slices[len(series.slices) // 2] for series in (first, second)]
    one, other = (_read([s.images[0]]) for s in middle)
    return one.shape == other.shape and bool(np.array_equal(one, other))


def _shape(series: StudySeries) -> tuple[int, int]:
    return series.slices[0].grid.shape


def _spread(place: StudySlice, count: int) -> list[ImageSource]:
    index = np.linspace(0, len(place.images), count, endpoint=False).astype(int)
    return [place.images[i] for i in index]


def _read(images: Sequence[ImageSource]) -> np.ndarray:
    """Images (n, rows, columns), float32; every file is opened once."""
    frames = [image for image in images if isinstance(image, DicomFrame)]
    if len(frames) == len(images):
        return read_pixels(frames, summarize(frames)[0]).astype(np.float32)
    volumes: dict[Path, np.ndarray] = {}
    result = []
    for image in images:
        if isinstance(image, DicomFrame):
            raise TypeError("A series is made of DICOM images or of volumes, not of both.")
        if image.path not in volumes:
            volumes[image.path] = read_volume(image.path).array
        result.append(volumes[image.path].take(image.index, image.axis).astype(np.float32))
    return np.stack(result)
