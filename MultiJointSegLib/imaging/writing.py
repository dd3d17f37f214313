"""From volumes to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.native_output import silent_native_output
from MultiJointSegLib.imaging.volume import Volume

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def to_sitk(volume: Volume) -> sitk.Image:
    """Copy a volume into a SimpleITK image; bool becomes uint8, float16 becomes float32."""
    array = volume.array
    if array.dtype == bool:
        array = array.astype(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(volume.geometry.spacing_mm)
    image.SetOrigin(volume.geometry.origin_mm)
    image.SetDirection([value for row in volume.geometry.direction for value in row])
    return image


def write_volume(volume: Volume, path: Path) -> None:
    """Write an image or label map, whole or not at all.

    Parameters
    ----------
    volume : Volume
        Array and geometry are written, metadata are not: image files travel.
    path : Path
        Ends in .nii.gz, .nii, .nrrd or .mha; compressed except for .nii.

    Raises
    ------
    InputError
        If the extension is unknown or the folder cannot be written to.
    MultiJointSegError
        If writing fails.
    """
    path = Path(path)
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"Cannot write {path.name}: the extension has to be one of {', '.join(SUFFIXES)}.")
    with atomic_write(path) as temporary:
        # ITK reports a folder without permission as a general failure: find out first.
        temporary.touch()
        try:
            with silent_native_output():
                sitk.WriteImage(to_sitk(volume), str(temporary), useCompression=True, compressionLevel=1)
        except RuntimeError as error:
            raise MultiJointSegError(f"Cannot write {path}: {str(error).splitlines()[-1].strip()}") from error
