"""Refusing what cannot be segmented."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.limits import EXTENT_RANGE_MM, MINIMUM_SLICES, SPACING_RANGE_MM, check_bytes
from MultiJointSegLib.imaging.volume import Volume

_MINIMUM_PIXELS = 16


def check_examination(volume: Volume, joint: str | None = None) -> None:
    """Refuse what cannot be segmented, with a sentence that says why.

    Parameters
    ----------
    volume : Volume
        As read by `reading.read_volume` or taken from a scene.
    joint : str or None
        Joint key, to check the modality too; see `check_modality`.

    Raises
    ------
    InputError
        If the volume holds more than 2 GB, has fewer than 3 slices or 16 pixels in-plane, an absurd spacing or
        field of view, complex values, NaN or infinite values, or one value everywhere.
    """
    array = volume.array
    check_bytes(array.nbytes, "The image")
    _check_size(volume)
    if array.dtype.kind not in "iufb":
        raise InputError(f"The image holds values of type {array.dtype}; real numbers are needed.")
    low, high = np.inf, -np.inf
    for part in array:
        if array.dtype.kind == "f" and not np.isfinite(part).all():
            raise InputError("The image contains values that are not numbers (NaN or infinite); export it again.")
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if low == high:
        raise InputError(f"All voxels of the image have the same value {low:g}; an image with contrast is needed.")
    if joint is not None:
        check_modality(volume, joint)


def check_modality(volume: Volume, joint: str) -> None:
    """Refuse a modality that the joint's model was not made for.

    Parameters
    ----------
    volume : Volume
        Where its modality is not known, Hounsfield units give CT away.
    joint : str
        Joint key of the anatomy catalog.

    Raises
    ------
    InputError
        If the modality is not one of the joint's, or the joint is unknown.
    """
    accepted = anatomy.joint(joint).modalities
    modality = volume.modality or ("CT" if looks_like_ct(volume.array) else "")
    if modality and modality not in accepted:
        shown = modality if volume.modality else f"probably {modality} (air near -1000)"
        raise InputError(f"The image is {shown}; for the {joint} {' or '.join(accepted)} is needed.")


def looks_like_ct(array: np.ndarray) -> bool:
    """Whether intensities look like Hounsfield units: air near -1000, and something denser than water.

    Parameters
    ----------
    array : ndarray of shape (k, j, i)
        Finite intensities. Every 4th voxel along each axis is looked at.
    """
    sample = array[:: max(1, len(array) // 40), ::4, ::4]
    dense = sample[sample > -850]
    air = np.mean((sample > -1100) & (sample <= -850))
    between = np.mean((sample > -850) & (sample <= -300))
    return bool(air > max(0.02, float(between)) and dense.size and sample.min() >= -4096 and np.median(dense) < 400)


def _check_size(volume: Volume) -> None:
    size = sorted(volume.geometry.size)
    if size[0] < MINIMUM_SLICES:
        number = "a single slice (2-D)" if size[0] == 1 else f"only {size[0]} slices"
        raise InputError(f"The image has {number}; a volume of at least {MINIMUM_SLICES} slices is needed.")
    shown = " x ".join(str(n) for n in volume.geometry.size)
    if size[1] < _MINIMUM_PIXELS:
        raise InputError(f"The image has {shown} voxels; slices of at least {_MINIMUM_PIXELS} pixels are needed.")
    spacing = volume.geometry.spacing_mm
    text = " x ".join(f"{s:g}" for s in spacing)
    low, high = SPACING_RANGE_MM
    if min(spacing) < low or max(spacing) > high:
        raise InputError(
            f"The voxel spacing is {text} mm; {low:g} to {high:g} mm are plausible: check the unit in the header."
        )
    extent = sorted(n * s for n, s in zip(volume.geometry.size, spacing, strict=True))
    if extent[1] < EXTENT_RANGE_MM[0] or extent[2] > EXTENT_RANGE_MM[1]:
        raise InputError(
            f"The image covers {' x '.join(f'{e:.4g}' for e in extent)} mm ({shown} voxels of {text} mm); "
            f"{EXTENT_RANGE_MM[0]:g} to {EXTENT_RANGE_MM[1]:g} mm are plausible: check the unit in the header."
        )
