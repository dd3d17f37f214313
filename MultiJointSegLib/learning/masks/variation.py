"""Random changes of where a pixel lies in a global mask, since patients differ in it."""

from __future__ import annotations

import torch
from torch import Tensor

from MultiJointSegLib.learning.augmentation import AugmentationSettings
from MultiJointSegLib.learning.masks.settings import ENCODING_CHANNELS

MIDDLE_SHARE = 0.25
"""The distance from the middle is known better than the other coordinates and moves less by this factor."""

NO_SIDE_SHARE = 0.2
"""Share of the slices that do not tell the side of the body, as examinations do whose files do not."""


def vary_positions(masks: Tensor, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """Shift and magnify the coordinates of the encoding "position", each slice by itself.

    Deforming a slice moves image and mask together, so that each pixel keeps its place in the mask. Between patients
    the same anatomy lies at another place of the mask: with few cases that has to be made.

    Parameters
    ----------
    masks : float32 tensor of shape (b, channels, h, w)
        See `channels.mask_channels`; other encodings come back as they are, without a draw from `generator`.
    settings : AugmentationSettings
        `mask_shift_sd` in half-widths of the mask, `mask_stretch_sd`. Nothing changes where both are 0.
    generator : torch.Generator
        On the device of `masks`.

    Returns
    -------
    float32 tensor of shape (b, channels, h, w)
        Pixels outside the field of view (0 in every channel) stay 0.
    """
    shift_sd, stretch_sd = settings.mask_shift_sd, settings.mask_stretch_sd
    if masks.shape[1] != ENCODING_CHANNELS["position"] or not (shift_sd or stretch_sd):
        return masks
    b, device = len(masks), masks.device
    shift = shift_sd * torch.randn(b, 4, 1, 1, generator=generator, device=device)
    shift[:, 0] *= MIDDLE_SHARE
    stretch = torch.exp(stretch_sd * torch.randn(b, 5, 1, 1, generator=generator, device=device))
    sided = (torch.rand(b, 1, 1, generator=generator, device=device) >= NO_SIDE_SHARE).float()
    coordinates = masks[:, 1:5] * stretch[:, :4] + shift
    # 0 everywhere where the side is not known, and so it stays.
    known = (masks[:, 2] != 0).flatten(1).any(1)[:, None, None].float()
    coordinates[:, 1] *= sided * known
    there = (masks != 0).any(1, keepdim=True).float()
    return torch.cat([masks[:, :1], coordinates * there, masks[:, 5:] * stretch[:, 4:]], dim=1)
