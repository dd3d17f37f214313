"""The encoder of a plain U-Net as a feature pyramid with domain-specific batch normalization."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d


class _Level(nn.Module):
    """Two 3x3 convolutions, each normalized and rectified."""

    def __init__(self, in_channels: int, out_channels: int, domains: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.first_norm = DomainBatchNorm2d(out_channels, domains)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = DomainBatchNorm2d(out_channels, domains)

    def forward(self, x: Tensor, domain: int) -> Tensor:
        x = F.relu(self.first_norm(self.first(x), domain))
        return F.relu(self.second_norm(self.second(x), domain))


class PlainEncoder(nn.Module):
    """Feature pyramid at strides 1, 2, 4, 8, 16, 32: two convolutions a level, 2x2 maxima between the levels.

    Parameters
    ----------
    domains : int
        Number of batch-normalization domains.
    widths : sequence of 6 int
        Features at each stride.
    in_channels : int

    References
    ----------
    Ronneberger et al. 2015, DOI 10.1007/978-3-319-24574-4_28; batch normalization, "same" padding, the widths and a
    sixth level (so that sizes fit those of the other backbones) are our choice.
    """

    def __init__(self, domains: int, widths: Sequence[int] = (16, 32, 64, 128, 256, 256), in_channels: int = 3) -> None:
        super().__init__()
        if len(widths) != 6:
            raise ValueError(f"The plain encoder has 6 levels, {len(widths)} widths were given.")
        self.full_channels = widths[0]
        self.channels = tuple(widths[1:])
        self.levels = nn.ModuleList(
            _Level(below, width, domains) for below, width in zip([in_channels, *widths[:-1]], widths, strict=True)
        )

    def forward(self, x: Tensor, domain: int) -> list[Tensor]:
        """Features of x (b, in_channels, h, w; h and w multiples of 32), finest first, beginning at full resolution."""
        pyramid = []
        for index, level in enumerate(self.levels):
            x = level(x if index == 0 else F.max_pool2d(x, 2), domain)
            pyramid.append(x)
        return pyramid
