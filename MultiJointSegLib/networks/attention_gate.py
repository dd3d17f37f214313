"""Additive attention on the skip connections of a U-Net."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AttentionGate(nn.Module):
    """Weighs each pixel of a skip connection by ``sigmoid(psi . relu(W_x x + W_g g + b) + b_psi)``.

    Parameters
    ----------
    skip_channels, gating_channels : int
        Channels of the skip connection x and of the gating signal g.

    References
    ----------
    Oktay et al. 2018, "Attention U-Net: learning where to look for the pancreas", arXiv 1804.03999. There g is one
    level coarser than x; here it has been brought to x's size before.
    """

    def __init__(self, skip_channels: int, gating_channels: int) -> None:
        super().__init__()
        hidden = max(skip_channels // 2, 1)
        self.skip = nn.Conv2d(skip_channels, hidden, 1, bias=False)
        self.gating = nn.Conv2d(gating_channels, hidden, 1)
        self.psi = nn.Conv2d(hidden, 1, 1)

    def weight(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Attention (b, 1, h, w) between 0 and 1; both inputs have the same h and w."""
        return torch.sigmoid(self.psi(F.relu(self.skip(skip) + self.gating(gating))))

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """The skip connection (b, c, h, w), weighed."""
        return skip * self.weight(skip, gating)
