"""Smooth random fields."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def smooth_noise(
    batch: int, channels: int, size: int, nodes: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Random fields (batch, channels, size, size) of about unit variance, smooth over size / nodes pixels."""
    coarse = torch.randn(batch, channels, nodes, nodes, generator=generator, device=device)
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
