"""Image and label map of an examination, opened together and checked against each other."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.checks import check_examination
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.manifest import Examination

_EDGE_MM = 1e-3


def read_examination(examination: Examination) -> tuple[Volume, Volume]:
    """Image and labels of an examination.

    Returns
    -------
    image : Volume
        As `imaging.reading.read_volume` gives it.
    labels : Volume
        uint8, the catalog's label values; the values of the file go through `Examination.label_values`.

    Raises
    ------
    InputError
        Naming the file: if either cannot be read or used, or `check_labels` finds something.
    """
    try:
        image = read_volume(examination.image)
        check_examination(image, examination.joint)
    except InputError as error:
        raise InputError(f"The image of '{examination.name}', {examination.image.name}: {error}") from error
    return image, read_labels(examination, image)


def read_labels(examination: Examination, image: Volume | None = None) -> Volume:
    """Labels of an examination, checked against the image where it is given; see `read_examination`."""
    try:
        stored = read_label_map(examination.label)
    except InputError as error:
        raise InputError(f"The label map of '{examination.name}', {examination.label.name}: {error}") from error
    check_labels(examination, image, stored)
    table = np.zeros(int(stored.array.max()) + 1, np.uint8)
    for value, label in examination.label_values:
        if value < len(table):
            table[value] = label
    return stored.with_array(table[stored.array])


def check_labels(examination: Examination, image: Volume | None, stored: Volume) -> None:
    """Refuse labels that do not belong to the image, or values that nobody explained.

    Parameters
    ----------
    examination : Examination
        Says what the values mean.
    image, stored : Volume
        Image (None to leave out the comparison of the grids), and label map with the values of the file.

    Raises
    ------
    InputError
        If labeled voxels lie outside the image, the grids differ, a value is unknown, or no bone is labeled.
    """
    name = f"The label map {examination.label.name} of '{examination.name}'"
    present = np.flatnonzero(np.bincount(stored.array.ravel(), minlength=1)[1:]) + 1
    known = dict(examination.label_values)
    if image is not None and not image.geometry.same_grid(stored.geometry):
        outside = _share_outside(image, stored)
        if outside > 0:
            raise InputError(
                f"{name} does not belong to the image {examination.image.name}: {100 * outside:.3g} % of its labeled "
                "voxels lie outside the image."
            )
        raise InputError(
            f"{name} lies on another grid ({_grid(stored)}) than the image {examination.image.name} ({_grid(image)}); "
            "resample the label map to the grid of the image."
        )
    unknown = [int(value) for value in present if int(value) not in known]
    if unknown:
        bones = {bone.label: bone.key for bone in anatomy.all_bones()}
        listing = ", ".join(f"{value} {bones.get(label, 'background')}" for value, label in known.items())
        raise InputError(
            f"{name} holds the label value {unknown[0]}; known are {listing}. Name it in the manifest's 'label_values' "
            "(under 'background' if it is no bone)."
        )
    if not any(known[int(value)] for value in present):
        raise InputError(f"{name} holds no bone; remove the examination or give the right label map.")


def _share_outside(image: Volume, stored: Volume) -> float:
    """Share of the labeled voxels whose center lies outside the image's field of view."""
    labeled = np.argwhere(stored.array > 0)[:, ::-1]
    if not len(labeled):
        return 0.0
    index = image.geometry.point_to_index(stored.geometry.index_to_point(labeled))
    edge = 0.5 + _EDGE_MM / np.asarray(image.spacing_mm)
    inside = (index >= -edge) & (index <= np.asarray(image.geometry.size) - 1 + edge)
    return float(1 - inside.all(axis=1).mean())


def _grid(volume: Volume) -> str:
    size = " x ".join(str(n) for n in volume.geometry.size)
    spacing = " x ".join(f"{s:.4g}" for s in volume.spacing_mm)
    origin = ", ".join(f"{o:.4g}" for o in volume.geometry.origin_mm)
    return f"{size} voxels of {spacing} mm from ({origin})"
