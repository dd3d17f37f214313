"""A mask as channels of the network's input."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.imaging.canonical import CanonicalSlices
from MultiJointSegLib.imaging.canonical_grid import CanonicalGrid
from MultiJointSegLib.learning.masks.position import grid_points_mm, mask_frame
from MultiJointSegLib.learning.masks.regions import depth_mm
from MultiJointSegLib.learning.masks.settings import ENCODING_CHANNELS, InputMode, MaskSettings
from MultiJointSegLib.learning.masks.source import BodyMask

DEPTH_UNIT_MM = 50.0
DEPTH_LIMIT = 2.0


def mask_channels(
    mask: BodyMask, grid: CanonicalGrid, settings: MaskSettings, *, side: str | None = None
) -> np.ndarray:
    """Channels of a mask on the slices that the network reads.

    Parameters
    ----------
    mask : BodyMask
        On the grid's native examination.
    grid : CanonicalGrid
    settings : MaskSettings
    side : {"left", "right"}, optional
        Side of the body; see `position.MaskFrame`.

    Returns
    -------
    float32 ndarray of shape (s, channels, h, w)
        The mask (0 or 1); with the encoding "position" also the four coordinates of `position.MaskFrame` and the
        depth below the mask's outline in units of `DEPTH_UNIT_MM`. Nothing but the mask enters.
    """
    binary = grid.sample_labels(mask.volume)
    channels = np.empty((len(binary), ENCODING_CHANNELS[settings.encoding], *binary.shape[1:]), np.float32)
    channels[:, 0] = binary
    if settings.encoding == "position":
        channels[:, 1:5] = mask_frame(mask, side).coordinates(grid_points_mm(grid.geometry)).swapaxes(0, 1)
        depth = depth_mm(binary > 0, grid.spacing_mm)
        channels[:, 5] = np.minimum(depth / DEPTH_UNIT_MM, DEPTH_LIMIT)
    return channels


def input_slices(slices: CanonicalSlices, masks: np.ndarray | None, mode: InputMode) -> CanonicalSlices:
    """Slices with the channels that a network of this input mode reads: the image's first, then the mask's."""
    if mode == "image" or masks is None:
        return slices
    if mode == "mask":
        return CanonicalSlices(masks, slices.grid)
    return CanonicalSlices(np.concatenate([slices.images, masks], axis=1), slices.grid)
