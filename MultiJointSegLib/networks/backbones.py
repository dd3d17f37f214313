"""The encoders that the shared network can be built on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from MultiJointSegLib.networks.efficientnet_lite import EfficientNetLite0Encoder
from MultiJointSegLib.networks.plain_encoder import PlainEncoder


@dataclass(frozen=True, slots=True)
class Backbone:
    """An encoder and what goes with it.

    Attributes
    ----------
    encoder : callable
        Makes the encoder from the number of batch-normalization domains and `in_channels`. It is called with (x,
        domain index) and returns features finest first, the last at stride 32; `channels` are those of strides 2 to
        32, and `full_channels` those of an additional first level at full resolution (missing or 0: there is none).
    attention : bool
        Attention gates on the skip connections.
    imagenet : bool
        ImageNet weights exist (`load_imagenet`).
    """

    encoder: Callable[..., Any]
    attention: bool = False
    imagenet: bool = False


BACKBONES = {
    "efficientnet_lite0": Backbone(EfficientNetLite0Encoder, imagenet=True),
    "unet": Backbone(PlainEncoder),
    "attention_unet": Backbone(PlainEncoder, attention=True),
    "small_unet": Backbone(partial(PlainEncoder, widths=(8, 16, 32, 64, 128, 128))),
}
"""Backbones by the name that configurations use."""
