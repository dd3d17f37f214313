"""The network that all joints share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d
from MultiJointSegLib.networks.efficientnet_lite import EfficientNetLite0Encoder

IMAGENET_CENTER = 0.498
"""The ImageNet weights were trained on gray values (v - 127) / 128 of 0..255 images; ours are about 0..1."""
IMAGENET_SCALE = 0.502

DETECTION = "detection"
"""Name of the extra batch-normalization domain that serves joint detection, when the joint is not yet known."""


class _DecoderBlock(nn.Module):
    """Twice the resolution, joined with the encoder's features, two convolutions."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, domains: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels + skip_channels, out_channels, 3, padding=1, bias=False)
        self.first_norm = DomainBatchNorm2d(out_channels, domains)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = DomainBatchNorm2d(out_channels, domains)

    def forward(self, x: Tensor, skip: Tensor | None, domain: int) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        x = F.relu(self.first_norm(self.first(x), domain))
        return F.relu(self.second_norm(self.second(x), domain))


class SharedUNet(nn.Module):
    """2-D U-Net for several joints: shared convolutions, domain-specific batch normalization and output layers.

    The encoder is EfficientNet-Lite0, so that ImageNet weights can be used; the three input channels are the slice
    and its two neighbors. A second, light head answers which joint a slice shows; its pass through the encoder uses
    batch-normalization parameters of its own, because the joint is not known then.

    Parameters
    ----------
    joints : mapping of str to int
        Joint key to number of bones; the order is the order of the detection classes.
    decoder_channels : sequence of 5 int
        Features of the decoder at strides 16, 8, 4, 2, 1.

    References
    ----------
    Boutillon et al. 2022, DOI 10.1016/j.media.2022.102556 (shared filters, domain-specific normalization and output
    layers). The backbone, the neighboring slices and the detection head are our own choice.
    """

    def __init__(self, joints: Mapping[str, int], decoder_channels: Sequence[int] = (128, 96, 64, 32, 16)) -> None:
        super().__init__()
        if not joints:
            raise ValueError("The network needs at least one joint.")
        self.joints = dict(joints)
        self.decoder_channels = tuple(decoder_channels)
        self._domain_index = {key: index for index, key in enumerate([*joints, DETECTION])}
        domains = len(joints)
        self.encoder = EfficientNetLite0Encoder(domains + 1)
        skips = [*reversed(self.encoder.channels[:-1]), 0]
        widths = [self.encoder.channels[-1], *self.decoder_channels]
        self.decoder = nn.ModuleList(
            _DecoderBlock(widths[level], skips[level], widths[level + 1], domains) for level in range(5)
        )
        self.heads = nn.ModuleDict({key: nn.Conv2d(widths[-1], bones + 1, 1) for key, bones in joints.items()})
        self.detector = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * self.encoder.channels[-1], domains + 1))

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return {"joints": self.joints, "decoder_channels": list(self.decoder_channels)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SharedUNet:
        """Build an untrained network from `config()`."""
        return cls(config["joints"], config["decoder_channels"])

    def domain_index(self, domain: str) -> int:
        """Index of a joint's batch-normalization domain.

        Raises
        ------
        KeyError
            If the network does not know the joint.
        """
        if domain not in self._domain_index:
            raise KeyError(f"The network has no domain '{domain}'; it has {', '.join(self._domain_index)}.")
        return self._domain_index[domain]

    def features(self, x: Tensor, domain: str) -> list[Tensor]:
        """Shared features of slices of one joint, coarsest first: the bottleneck, then the five decoder levels.

        Parameters
        ----------
        x : float tensor of shape (b, 3, h, w)
            Normalized slices (0 air, about 1 bright tissue) with both neighbors; h and w multiples of 32.
        domain : str
            Joint key.
        """
        index = self.domain_index(domain)
        pyramid = self.encoder(self._to_imagenet_range(x), index)
        y = pyramid[-1]
        levels = [y]
        for block, skip in zip(self.decoder, [*reversed(pyramid[:-1]), None], strict=True):
            y = block(y, skip, index)
            levels.append(y)
        return levels

    def forward(self, x: Tensor, domain: str) -> Tensor:
        """Logits (b, bones + 1, h, w) of the joint's classes, background first; see `features` for x."""
        logits: Tensor = self.heads[domain](self.features(x, domain)[-1])
        return logits

    def detect(self, x: Tensor) -> Tensor:
        """Logits (b, joints + 1) of what each slice shows, in the order of `joints`; the last is "none of ours"."""
        bottleneck = self.encoder(self._to_imagenet_range(x), self.domain_index(DETECTION))[-1]
        # The mean says what is there, the maximum that something is there at all, however small.
        pooled = torch.cat([bottleneck.mean((2, 3)), bottleneck.amax((2, 3))], dim=1)
        logits: Tensor = self.detector(pooled)
        return logits

    @staticmethod
    def _to_imagenet_range(x: Tensor) -> Tensor:
        return (x - IMAGENET_CENTER) / IMAGENET_SCALE
