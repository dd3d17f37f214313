"""The network's input channels: slices of the image, of a mask that is computed from the examination, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import BundleError, InputError
from MultiJointSegLib.imaging.canonical import CanonicalSlices
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.manifest import BundleManifest
from MultiJointSegLib.learning.masks.channels import input_slices, mask_channels
from MultiJointSegLib.learning.masks.position import side_of
from MultiJointSegLib.learning.masks.settings import ENCODING_CHANNELS
from MultiJointSegLib.learning.masks.source import BodyMask
from MultiJointSegLib.learning.masks.sources import mask_source

FirstPass = Callable[[Volume], Volume]


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What the network reads of an examination.

    Parameters
    ----------
    slices : CanonicalSlices
        With all channels.
    mask : BodyMask or None
        The mask that was used.
    warnings : tuple of str
    """

    slices: CanonicalSlices
    mask: BodyMask | None = None
    warnings: tuple[str, ...] = ()


def network_input(
    manifest: BundleManifest,
    volume: Volume,
    slices: CanonicalSlices,
    *,
    given: Volume | None = None,
    first_pass: FirstPass | None = None,
) -> NetworkInput:
    """Make the channels that a bundle's network reads, the mask included.

    Parameters
    ----------
    manifest : BundleManifest
        Says which mask.
    volume : Volume
        The examination.
    slices : CanonicalSlices
        Its image.
    given : Volume, optional
        Mask or labels that came with the examination, for the sources that need one.
    first_pass : callable, optional
        Coarse bones, for the source `bone` in MR.

    Raises
    ------
    InputError
        If the mask cannot be made and the bundle does not allow to go on without it, or one was given to a model that
        reads none.
    """
    settings = manifest.mask
    if manifest.input == "image" or settings is None:
        if given is not None:
            raise InputError(
                f"A mask was given, but the model '{manifest.name}' sees the image alone; leave the mask out or choose "
                "a model that sees a mask."
            )
        return NetworkInput(slices)
    if given is not None and settings.source in ("skin", "bone"):
        raise InputError(
            f"A mask was given, but the model '{manifest.name}' computes its own from the {settings.source}; leave "
            "the mask out."
        )
    side = side_of(volume)
    try:
        mask = mask_source(settings, first_pass=first_pass).mask(volume, given=given, side=side)
    except BundleError:
        raise
    except InputError as error:
        if manifest.input == "mask" or not settings.fallback_to_image:
            raise
        shape = (len(slices.images), ENCODING_CHANNELS[settings.encoding], *slices.images.shape[2:])
        nothing = np.zeros(shape, np.float32)
        warning = f"The image alone was used, as the model allows, because its mask could not be made: {error}"
        return NetworkInput(input_slices(slices, nothing, manifest.input), None, (warning,))
    channels = mask_channels(mask, slices.grid, settings, side=side)
    return NetworkInput(input_slices(slices, channels, manifest.input), mask, mask.warnings)
