"""How sure the network is, per bone and per slice, from its probabilities alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SLICE_AREA_SCALE_MM2 = 25.0
"""Areas below about this weigh little in a slice's uncertainty, so that a bone's last sliver does not outrank a
real doubt; a disk of 5.6 mm."""


def expected_dice(probability: np.ndarray, mask: np.ndarray) -> float:
    """Dice coefficient that the probabilities promise for a mask.

    Parameters
    ----------
    probability : float ndarray
        Probability that each voxel belongs to the bone.
    mask : bool ndarray of the same shape
        The segmentation.

    Returns
    -------
    float
        ``2 sum(p m) / (sum(p) + sum(m))`` in [0, 1]; 0 for an empty mask and no probability.

    Notes
    -----
    If the voxels are independent Bernoulli variables this is the expected intersection over the expected sizes.
    It equals the true Dice on average only as far as the probabilities are calibrated.
    """
    total = float(probability.sum(dtype=np.float64)) + float(np.count_nonzero(mask))
    if total == 0:
        return 0.0
    return 2 * float(probability[mask].sum(dtype=np.float64)) / total


def slice_uncertainty(probability: np.ndarray, mask: np.ndarray, *, axis: int, pixel_area_mm2: float) -> np.ndarray:
    """Doubt about a bone in every slice.

    Parameters
    ----------
    probability : float ndarray of shape (k, j, i)
        Probability that each voxel belongs to the bone.
    mask : bool ndarray of shape (k, j, i)
        The segmentation.
    axis : int
        Array axis that counts slices.
    pixel_area_mm2 : float
        Area of a pixel of such a slice.

    Returns
    -------
    float32 ndarray of shape (slices,)
        ``1 - (2 sum(p m) + a) / (sum(p) + sum(m) + a)`` per slice with a = `SLICE_AREA_SCALE_MM2`: one less the
        expected Dice, drawn to 0 where there is next to nothing. It is high where the outline is uncertain, and
        also where the bone may continue although no voxel was segmented.
    """
    others = tuple(a for a in range(3) if a != axis)
    promised = probability.sum(axis=others, dtype=np.float64) * pixel_area_mm2
    segmented = np.count_nonzero(mask, axis=others) * pixel_area_mm2
    overlap = np.where(mask, probability, 0).sum(axis=others, dtype=np.float64) * pixel_area_mm2
    doubt = 1 - (2 * overlap + SLICE_AREA_SCALE_MM2) / (promised + segmented + SLICE_AREA_SCALE_MM2)
    return np.clip(doubt, 0, 1).astype(np.float32)


def slices_to_review(uncertainty: Mapping[str, np.ndarray], *, count: int = 5) -> list[tuple[str, int, float]]:
    """Slices most in need of a look, the most doubtful first.

    Parameters
    ----------
    uncertainty : mapping of str to float ndarray of shape (slices,)
        Bone key to `slice_uncertainty`.
    count : int
        At most so many.

    Returns
    -------
    list of (bone key, slice index, uncertainty)
        Neighboring slices of one bone are represented by the worst of them.
    """
    peaks = []
    for key, values in uncertainty.items():
        padded = np.pad(np.asarray(values, float), 1, constant_values=-1.0)
        is_peak = (padded[1:-1] > 0) & (padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:])
        peaks += [(key, int(index), float(values[index])) for index in np.flatnonzero(is_peak)]
    return sorted(peaks, key=lambda peak: -peak[2])[:count]
