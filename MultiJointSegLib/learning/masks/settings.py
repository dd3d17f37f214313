"""Which mask a network sees, and how. Light: part of configurations and of model bundles."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

InputMode = Literal["image", "mask", "image+mask"]
"""What the network sees: the image's slices, a mask alone (scenario 1), or both (scenario 2)."""

SourceName = Literal["skin", "bone", "organ", "oracle"]
IMAGE_CHANNELS = 3
ENCODING_CHANNELS = {"binary": 1, "position": 6}
"""Channels that a mask becomes, see `channels.mask_channels`."""

FIRST_PASS = "first_pass"
"""Folder inside a bundle that holds the model of the first pass."""


class MaskSettings(BaseModel):
    """The mask of a network; what each source needs, costs and fails at stands in `sources.FACTS`.

    Parameters
    ----------
    source : {"skin", "bone", "organ", "oracle"}
    encoding : {"binary", "position"}
        One channel of 0 and 1, or that and five of mask-relative position.
    fallback_to_image : bool
        Of "image+mask": where the mask cannot be made, see the image alone, and say so. The network is then also
        trained without its mask channels.
    first_pass : str
        Of `bone` in MR: folder of a model that gives the coarse bones from the image, or the image and the skin; it
        must not have been trained on the cases. "" where there is none. In a bundle it is the folder `first_pass`
        inside.
    allow_oracle : bool
        The source `oracle` is made from the truth; without this it is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: SourceName = "skin"
    encoding: Literal["binary", "position"] = "position"
    fallback_to_image: bool = False
    first_pass: str = Field(default="", max_length=1000)
    allow_oracle: bool = False


def input_channels(mode: InputMode, settings: MaskSettings | None) -> int:
    """Channels of the network's input, the image's first."""
    image = 0 if mode == "mask" else IMAGE_CHANNELS
    return image + (0 if mode == "image" or settings is None else ENCODING_CHANNELS[settings.encoding])
