"""The shared encoder-decoder with heads for the pretext tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from MultiJointSegLib.learning.pretext.prepared import CHANNELS
from MultiJointSegLib.networks.shared_unet import SharedUNet

_HIDDEN = 128
_DROPOUT = 0.2


class PretextNetwork(nn.Module):
    """The segmentation network's encoder and decoder, with a head for line heat maps and one for the location.

    Parameters
    ----------
    domains : sequence of str
        Domain-specific batch normalization for each; one name for none.
    decoder_channels, backbone, image_skip
        As `networks.shared_unet.SharedUNet` takes them.
    channels : sequence of str
        Views whose lines are found, one heat map each.

    Notes
    -----
    After Zhang et al. 2024, DOI 10.1016/j.media.2024.103151: a linear 1x1 convolution gives the heat maps, and pooled
    features of the bottleneck give the location. Mean and maximum are pooled, so that the image's size is free (our
    choice). `trunk` carries the segmentation network's own heads, which are neither trained nor saved.
    """

    def __init__(
        self,
        domains: Sequence[str],
        decoder_channels: Sequence[int] = (128, 96, 64, 32, 16),
        *,
        backbone: str = "efficientnet_lite0",
        image_skip: bool = False,
        channels: Sequence[str] = CHANNELS,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.domains = tuple(domains)
        self._options = {"decoder_channels": list(decoder_channels), "backbone": backbone, "image_skip": image_skip}
        self.trunk = SharedUNet(dict.fromkeys(domains, 1), decoder_channels, backbone=backbone, image_skip=image_skip)
        self.heat_head = nn.Conv2d(decoder_channels[-1], len(channels), 1)
        features = 2 * self.trunk.encoder.channels[-1]
        self.location_head = nn.Sequential(
            nn.Linear(features, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, 1)
        )
        nn.init.constant_(self.location_head[-1].bias, 0.5)  # type: ignore[arg-type]

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return {"domains": list(self.domains), "channels": list(self.channels), **self._options}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PretextNetwork:
        """Build an untrained network from `config()`."""
        options = dict(config)
        return cls(options.pop("domains"), options.pop("decoder_channels"), **options)

    def forward(self, x: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Heat maps (b, channels, h, w) and locations (b,) of slices (b, 3, h, w); h and w multiples of 32."""
        levels = self.trunk.features(x, domain)
        bottleneck = levels[0]
        pooled = torch.cat([bottleneck.mean((2, 3)), bottleneck.amax((2, 3))], dim=1)
        heat: Tensor = self.heat_head(levels[-1])
        location: Tensor = self.location_head(pooled)[:, 0]
        return heat, location


def pretext_losses(
    heat: Tensor, location: Tensor, heat_target: Tensor, has_line: Tensor, location_target: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean squared errors of the heat maps that there are, and of the locations that there are.

    Parameters
    ----------
    heat, heat_target : float tensor of shape (b, channels, h, w)
    has_line : bool tensor of shape (b, channels)
    location, location_target : float tensor of shape (b,)
        Targets may be NaN: these slices do not count.

    Returns
    -------
    heat_loss, location_loss : scalar tensors
        Zero, with zero gradient, where a batch has no line or no location.
    """
    squared = (heat - heat_target).square().mean((2, 3))
    heat_loss = (squared * has_line).sum() / has_line.sum().clamp(min=1)
    known = ~location_target.isnan()
    difference = torch.where(known, location - location_target.nan_to_num(), 0.0)
    return heat_loss, difference.square().sum() / known.sum().clamp(min=1)
