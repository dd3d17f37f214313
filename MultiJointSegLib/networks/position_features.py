"""What the place of a pixel in a global mask tells about it, beside what the image shows."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 24


class PositionFeatures(nn.Module):
    """Features of each pixel from the mask's channels at that pixel alone.

    So few weights cannot learn where the bones of single cases lie, only roughly where each bone may be; a whole
    encoder that sees smooth coordinates learns its few cases by heart, and its answer on others suffers.

    Parameters
    ----------
    channels : int
        Of the mask.
    outputs : mapping of str to int
        Name to classes of the output layers that the features are for.
    """

    def __init__(self, channels: int, outputs: Mapping[str, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, WIDTH, 1)
        self.second = nn.Conv2d(WIDTH, WIDTH, 1)
        self.heads = nn.ModuleDict({key: nn.Conv2d(WIDTH, classes, 1) for key, classes in outputs.items()})
        for head in self.heads.children():  # the untrained network answers as that of the image alone
            for parameter in head.parameters():
                nn.init.zeros_(parameter)

    def forward(self, masks: Tensor) -> Tensor:
        """Features (b, `WIDTH`, h, w) of a mask's channels (b, channels, h, w)."""
        return F.relu(self.second(F.relu(self.first(masks))))

    def logits(self, features: Tensor, output: str) -> Tensor:
        """What is added to the image's logits (b, classes, h, w) of an output layer."""
        added: Tensor = self.heads[output](features)
        return added
