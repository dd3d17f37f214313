"""Intensities of any scanner to one scale: air about 0, bright tissue about 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume

LOW_PERCENTILE = 0.5
HIGH_PERCENTILE = 98.0
CLIP_HIGH = 1.5
_BINS = 1 << 16
_OTSU_BINS = 1024
_CHUNK = 1 << 21


@dataclass(frozen=True, slots=True)
class _Histogram:
    """Counts of equally wide bins; `centers[b]` is the intensity that bin b stands for."""

    counts: np.ndarray
    centers: np.ndarray

    def percentile(self, percent: float, above: float = -np.inf) -> float:
        """Percentile of the voxels whose bin lies above a value."""
        counts = np.where(self.centers > above, self.counts, 0)
        cumulative = np.cumsum(counts)
        rank = percent / 100 * max(cumulative[-1] - 1, 0)
        return float(self.centers[np.searchsorted(cumulative, rank, side="right")])


def otsu_threshold(counts: np.ndarray, centers: np.ndarray) -> float:
    """Threshold that separates two classes best.

    Parameters
    ----------
    counts, centers : ndarray of shape (n,)
        Histogram with its bin centers.

    Returns
    -------
    float
        The value t for which {x <= t} and {x > t} have the largest variance between them.

    Notes
    -----
    N. Otsu, A threshold selection method from gray-level histograms, 1979, doi:10.1109/TSMC.1979.4310076.
    """
    weight = counts / counts.sum()
    below = np.cumsum(weight)
    moment = np.cumsum(weight * centers)
    above = 1 - below
    usable = (below > 0) & (above > 1e-12)
    between = np.zeros_like(below)
    between[usable] = (moment[-1] * below[usable] - moment[usable]) ** 2 / (below[usable] * above[usable])
    # Empty bins give a plateau; its middle lies between the classes.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    return float(centers[best[len(best) // 2]])


def intensity_window(array: np.ndarray) -> tuple[float, float]:
    """Intensities that become 0 and 1.

    Parameters
    ----------
    array : ndarray of any shape
        Real numbers.

    Returns
    -------
    tuple of 2 float
        The 0.5th percentile of all voxels, and the 98th percentile of the voxels above the Otsu threshold of
        the intensities' square roots. Both are independent of the order in which the voxels are stored.

    Notes
    -----
    The square root keeps a little very bright fluid (as in DESS) from being taken for the whole foreground, which
    would leave everything else dark.

    Raises
    ------
    InputError
        If a voxel is not finite, or all voxels are equal.
    """
    histogram = _histogram(array)
    low = histogram.percentile(LOW_PERCENTILE)
    counts, centers = _coarser(histogram)
    usable = centers >= low
    root = np.sqrt(centers[usable] - low)
    threshold = otsu_threshold(counts[usable], root) ** 2 + low if len(root) else low
    high = histogram.percentile(HIGH_PERCENTILE, above=threshold)
    if high <= low:  # nearly all voxels are equal: take what differs
        low, high = float(np.min(array)), float(np.max(array))
    return low, high


def normalize_intensity(volume: Volume) -> Volume:
    """Bring the intensities to the scale of the network.

    Parameters
    ----------
    volume : Volume
        Any numeric type.

    Returns
    -------
    Volume
        float32, ``clip((x - low) / (high - low), 0, 1.5)`` with `intensity_window`.

    Raises
    ------
    InputError
        See `intensity_window`.
    """
    low, high = intensity_window(volume.array)
    result = np.empty(volume.array.shape, np.float32)
    for k in range(len(result)):  # slice by slice: no temporary copies of the whole volume
        np.subtract(volume.array[k], np.float32(low), out=result[k], dtype=np.float32, casting="unsafe")
    result *= np.float32(1 / (high - low))
    np.clip(result, 0, CLIP_HIGH, out=result)
    return volume.with_array(result)


def _chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    flat = array.ravel(order="K")  # a view for any axis order of contiguous memory
    for start in range(0, flat.size, _CHUNK):
        yield flat[start : start + _CHUNK]


def _histogram(array: np.ndarray) -> _Histogram:
    low, high = float(np.min(array)), float(np.max(array))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("The image contains values that are not numbers (NaN or infinite); export it again.")
    if low == high:
        raise InputError(f"All voxels of the image have the same value {low:g}; an image with contrast is needed.")
    if array.dtype.kind in "iu" and high - low < _BINS:
        offset = int(low)
        counts = np.zeros(int(high) - offset + 1, np.int64)
        for chunk in _chunks(array):
            counts += np.bincount(chunk.astype(np.int64) - offset, minlength=len(counts))
        return _Histogram(counts, np.arange(len(counts), dtype=float) + offset)
    # Bins over the whole range would be too wide when a few voxels are far off: narrow until the bulk fills them.
    for _ in range(8):
        histogram = _binned(array, low, high)
        inner_low, inner_high = histogram.percentile(0.01), histogram.percentile(99.99)
        width = (high - low) / _BINS
        if inner_high - inner_low > (high - low) / 64 or inner_high - inner_low + 2 * width >= high - low:
            break
        low, high = inner_low - width, inner_high + width
    return histogram


def _binned(array: np.ndarray, low: float, high: float) -> _Histogram:
    """Bin between low and high; values outside count in the first and last bin."""
    counts = np.zeros(_BINS, np.int64)
    scale = _BINS / (high - low)
    for chunk in _chunks(array):
        bins = np.clip((chunk.astype(np.float64) - low) * scale, 0, _BINS - 1).astype(np.int64)
        counts += np.bincount(bins, minlength=_BINS)
    return _Histogram(counts, low + (np.arange(_BINS) + 0.5) / scale)


def _coarser(histogram: _Histogram) -> tuple[np.ndarray, np.ndarray]:
    """Histogram between the 0.01th and 99.99th percentile with about `_OTSU_BINS` bins, for the Otsu threshold."""
    low, high = histogram.percentile(0.01), histogram.percentile(99.99)
    if high <= low:
        return histogram.counts, histogram.centers
    inside = np.clip(histogram.centers, low, high)
    bins = np.minimum(((inside - low) / (high - low) * _OTSU_BINS).astype(int), _OTSU_BINS - 1)
    counts = np.bincount(bins, weights=histogram.counts, minlength=_OTSU_BINS)
    return counts, low + (np.arange(_OTSU_BINS) + 0.5) * (high - low) / _OTSU_BINS
