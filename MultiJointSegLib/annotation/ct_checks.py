"""Refusing what is no calibrated CT of whole slices."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume

SOFT_TISSUE_HU = (-160.0, 160.0)
"""Where the most frequent CT number of a body lies: fat, muscle or a phantom's plastic."""
LARGEST_SPACING_MM = 6.0
LEAST_DENSE = 2e-4


def check_hip_ct(volume: Volume) -> None:
    """Refuse volumes whose values are not Hounsfield units or whose slices cannot be used.

    Raises
    ------
    InputError
        MR or another modality, values that are not calibrated, slices farther apart than 6 mm, or empty or repeated
        slices within the stack. Sheared stacks (gantry tilt) and gaps between DICOM slices are refused when they are
        read.
    """
    if volume.modality and volume.modality != "CT":
        raise InputError(f"The image is {volume.modality}; hips are annotated from CT with Hounsfield units only.")
    spacing = max(volume.geometry.spacing_mm)
    if spacing > LARGEST_SPACING_MM:
        raise InputError(
            f"The slices are {spacing:.1f} mm apart; at most {LARGEST_SPACING_MM:g} mm are needed to see a hip joint."
        )
    _check_values(volume)
    _check_slices(volume)


def _check_values(volume: Volume) -> None:
    array = volume.array
    sample = array[:: max(1, len(array) // 60), ::3, ::3].astype(np.float32).ravel()
    if float(sample.min()) >= 0:
        raise InputError(
            f"The smallest value is {sample.min():g}: no Hounsfield units, in which fat and air are negative (it may "
            "be MR, or a CT without its rescale intercept of about -1024). Export the CT with its rescale values."
        )
    body = sample[(sample > -400) & (sample < 2000)]
    counts, edges = np.histogram(body, bins=np.arange(-400, 2001, 20))
    top = int(np.argmax(np.convolve(counts, np.ones(3), "same")))
    peak = float(edges[top] + 10)
    if not SOFT_TISSUE_HU[0] <= peak <= SOFT_TISSUE_HU[1]:
        raise InputError(
            f"Soft tissue lies at about {peak:.0f} instead of -160 to 160: the values are not calibrated Hounsfield "
            "units. Export the CT with its rescale values."
        )
    if float(np.mean(sample > 250)) < LEAST_DENSE:
        raise InputError(
            f"Hardly any voxel exceeds 250 (largest {sample.max():g}): there is no bone in Hounsfield units. "
            "A CT of the pelvis is needed."
        )


def _check_slices(volume: Volume) -> None:
    """Empty and repeated slices tell of a stack that was put together from an incomplete series."""
    array = volume.array
    axis = int(np.argmax(volume.geometry.spacing_mm[::-1]))
    stack = np.moveaxis(array, axis, 0)[:, ::2, ::2]
    spread = np.array([float(part.max()) - float(part.min()) for part in stack])
    filled = np.flatnonzero(spread > 300)
    if len(filled) and (spread[filled[0] : filled[-1] + 1] < 50).any():
        empty = int(filled[0] + np.argmax(spread[filled[0] : filled[-1] + 1] < 50))
        raise InputError(
            f"Slice {empty + 1} of {len(stack)} is empty: slices are missing. Export the whole series again."
        )
    for n in range(len(stack) - 1):
        if spread[n] > 300 and np.array_equal(stack[n], stack[n + 1]):
            raise InputError(
                f"Slices {n + 1} and {n + 2} of {len(stack)} are identical: slices are missing and were filled in. "
                "Export the whole series again."
            )
