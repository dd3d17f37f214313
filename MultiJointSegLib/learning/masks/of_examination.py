"""The mask of an examination that is learned from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.canonical_grid import CanonicalGrid
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.learning.masks.channels import mask_channels
from MultiJointSegLib.learning.masks.position import SIDE_SIGN, side_of
from MultiJointSegLib.learning.masks.settings import ENCODING_CHANNELS, MaskSettings
from MultiJointSegLib.learning.masks.sources import mask_source

FirstPass = Callable[[Path, Volume, str], Volume]
"""Coarse label map of an examination by the model in a folder: folder, examination, joint. Networks are run by rooms
above this one, which hand it in."""


def examination_mask_channels(
    examination: Examination,
    image: Volume,
    labels: Volume,
    grid: CanonicalGrid,
    settings: MaskSettings,
    first_pass: FirstPass | None = None,
) -> np.ndarray:
    """Channels of the mask of an examination in a dataset; see `channels.mask_channels`.

    Parameters
    ----------
    examination : Examination
    image, labels : Volume
        On the same grid; the labels are looked at by the source `oracle` alone.
    grid : CanonicalGrid
    settings : MaskSettings
    first_pass : callable, optional
        For the source `bone` in MR, where `settings.first_pass` names the model.

    Raises
    ------
    InputError
        Naming the examination, if the mask cannot be made and the settings do not allow to go on without it.
    """
    given = {"oracle": labels, "organ": None if examination.mask is None else read_label_map(examination.mask)}
    model = Path(settings.first_pass)
    coarse = None
    if settings.first_pass and first_pass is not None:

        def coarse(volume: Volume) -> Volume:
            return first_pass(model, volume, examination.joint)

    side = examination.side if examination.side in SIDE_SIGN else side_of(image)
    source = mask_source(settings, first_pass=coarse)
    try:
        mask = source.mask(image, given=given.get(settings.source), side=side)
    except InputError as error:
        if settings.fallback_to_image:
            return np.zeros((grid.shape[0], ENCODING_CHANNELS[settings.encoding], *grid.shape[1:]), np.float32)
        raise InputError(f"The mask of '{examination.name}': {error}") from error
    return mask_channels(mask, grid, settings, side=side)
