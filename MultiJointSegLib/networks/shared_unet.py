"""The network that all joints share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MultiJointSegLib.networks.attention_gate import AttentionGate
from MultiJointSegLib.networks.backbones import BACKBONES
from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d
from MultiJointSegLib.networks.position_features import PositionFeatures

IMAGENET_CENTER = 0.498
"""The ImageNet weights were trained on gray values (v - 127) / 128 of 0..255 images; ours are about 0..1."""
IMAGENET_SCALE = 0.502

DETECTION = "detection"
"""Name of the extra batch-normalization domain that serves joint detection, when the joint is not yet known."""

_IMAGE_CHANNELS = 3

_UNION = "union"
"""Name of the one output layer for the bones of all joints, where joints have no output layers of their own."""


class _DecoderBlock(nn.Module):
    """Twice the resolution, joined with the encoder's features, two convolutions."""

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, domains: int, *, attention: bool = False
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels + skip_channels, out_channels, 3, padding=1, bias=False)
        self.first_norm = DomainBatchNorm2d(out_channels, domains)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = DomainBatchNorm2d(out_channels, domains)
        self.gate = AttentionGate(skip_channels, in_channels) if attention and skip_channels else None

    def forward(self, x: Tensor, skip: Tensor | None, domain: int) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        if skip is not None:
            if self.gate is not None:
                skip = self.gate(skip, x)
            x = torch.cat([x, skip], dim=1)
        x = F.relu(self.first_norm(self.first(x), domain))
        return F.relu(self.second_norm(self.second(x), domain))


_DEFAULTS: dict[str, Any] = {
    "backbone": "efficientnet_lite0",
    "domain_norm": True,
    "domain_output": True,
    "image_skip": False,
    "sees_image": True,
    "mask_channels": 0,
    "mask_fusion": "input",
}


class SharedUNet(nn.Module):
    """2-D U-Net for several joints: shared convolutions, domain-specific batch normalization and output layers.

    By default the encoder is EfficientNet-Lite0, so that ImageNet weights can be used; the three input channels are
    the slice and its two neighbors. A second, light head answers which joint a slice shows; its pass through
    the encoder uses batch-normalization parameters of its own, because the joint is not known then.

    Parameters
    ----------
    joints : mapping of str to int
        Joint key to number of bones; the order is the order of the detection classes.
    decoder_channels : sequence of 5 int
        Features of the decoder at strides 16, 8, 4, 2, 1.
    backbone : str
        Name in `backbones.BACKBONES`.
    domain_norm : bool
        False: the joints share batch-normalization parameters and statistics; the images of all joints then have to
        be normalized together in training (`features_of`).
    domain_output : bool
        False: one output layer for the background and the bones of all joints. The loss then compares `loss_logits`
        with `loss_target`; called for one joint, the network counts other joints' bones as background.
    image_skip : bool
        True: the last decoder level also sees the image itself. Encoders that start at half the resolution lose
        what is thinner than two pixels; backbones with features at full resolution ignore the option.
    sees_image : bool
        False: the input is a mask alone.
    mask_channels : int
        Channels of a global mask, after the image's three. Which joint a slice shows is judged by the image where
        there is one: `detect` does not look at the mask.
    mask_fusion : {"input", "output"}
        Where mask and image meet: "input" lets the encoder see both; "output" adds what the mask says of each pixel
        (`position_features.PositionFeatures`) to the logits of the image. A network without an image ignores it.

    References
    ----------
    Boutillon et al. 2022, DOI 10.1016/j.media.2022.102556 (shared filters, domain-specific normalization and output
    layers). The backbone, the neighboring slices and the detection head are our own choice.
    """

    def __init__(
        self,
        joints: Mapping[str, int],
        decoder_channels: Sequence[int] = (128, 96, 64, 32, 16),
        *,
        backbone: str = "efficientnet_lite0",
        domain_norm: bool = True,
        domain_output: bool = True,
        image_skip: bool = False,
        sees_image: bool = True,
        mask_channels: int = 0,
        mask_fusion: str = "input",
    ) -> None:
        super().__init__()
        if not joints:
            raise ValueError("The network needs at least one joint.")
        if backbone not in BACKBONES:
            raise ValueError(f"There is no backbone '{backbone}'; there are {', '.join(BACKBONES)}.")
        self._image_channels = _IMAGE_CHANNELS if sees_image else 0
        self.input_channels = self._image_channels + mask_channels
        if self.input_channels < 1 or mask_channels < 0:
            raise ValueError("The network needs an image, a mask, or both to see.")
        if mask_fusion not in ("input", "output"):
            raise ValueError(f"Mask and image cannot meet at the '{mask_fusion}'; there are input and output.")
        late = mask_fusion == "output" and sees_image and mask_channels > 0
        self._encoder_channels = self._image_channels if late else self.input_channels
        self.joints = dict(joints)
        self.decoder_channels = tuple(decoder_channels)
        self._options = {
            "backbone": backbone,
            "domain_norm": domain_norm,
            "domain_output": domain_output,
            "image_skip": image_skip,
            "sees_image": sees_image,
            "mask_channels": mask_channels,
            "mask_fusion": mask_fusion,
        }
        domains = len(joints) if domain_norm else 1
        self._domain_index = {key: index if domain_norm else 0 for index, key in enumerate(joints)}
        self._domain_index[DETECTION] = domains
        self._start = {key: sum(list(joints.values())[:index]) for index, key in enumerate(joints)}
        self.encoder: Any = BACKBONES[backbone].encoder(domains + 1, in_channels=self._encoder_channels)
        attention = BACKBONES[backbone].attention
        full_channels = getattr(self.encoder, "full_channels", 0)
        self._image_skip = image_skip and not full_channels
        skips = [*reversed(self.encoder.channels[:-1]), self._encoder_channels if self._image_skip else full_channels]
        widths = [self.encoder.channels[-1], *self.decoder_channels]
        self.decoder = nn.ModuleList(
            _DecoderBlock(widths[level], skips[level], widths[level + 1], domains, attention=attention)
            for level in range(5)
        )
        outputs = dict(joints) if domain_output else {_UNION: sum(joints.values())}
        self.heads = nn.ModuleDict({key: nn.Conv2d(widths[-1], bones + 1, 1) for key, bones in outputs.items()})
        self.detector = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * self.encoder.channels[-1], len(joints) + 1))
        self.position = PositionFeatures(mask_channels, {k: n + 1 for k, n in outputs.items()}) if late else None
        if self._image_channels and mask_channels and not late:
            self._start_without_mask()

    def _start_without_mask(self) -> None:
        """Let the first convolution ignore the mask, so that the untrained network is that of the image alone.

        Coordinates of position are smooth and large; weights of random size drown the image in them from the start.
        """
        first = next(m for m in self.encoder.modules() if isinstance(m, nn.Conv2d))
        with torch.no_grad():
            first.weight[:, self._image_channels :] = 0

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments; options that have their default are left out."""
        options = {k: v for k, v in self._options.items() if v != _DEFAULTS[k]}
        return {"joints": self.joints, "decoder_channels": list(self.decoder_channels), **options}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SharedUNet:
        """Build an untrained network from `config()`."""
        options = {key: config[key] for key in _DEFAULTS if key in config}
        return cls(config["joints"], config["decoder_channels"], **options)

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

        Where the mask joins at the output, its features follow as a seventh.

        Parameters
        ----------
        x : float tensor of shape (b, input_channels, h, w)
            Normalized slices (0 air, about 1 bright tissue) with both neighbors, then the channels of the mask if the
            network has one; h and w multiples of 32.
        domain : str
            Joint key.
        """
        index = self.domain_index(domain)
        masks = x[:, self._encoder_channels :]
        x = self._to_imagenet_range(x[:, : self._encoder_channels])
        pyramid = self.encoder(x, index)
        y = pyramid[-1]
        levels = [y]
        skips: list[Tensor | None] = [*reversed(pyramid[:-1])]
        if len(skips) < len(self.decoder):
            skips.append(x if self._image_skip else None)
        for block, skip in zip(self.decoder, skips, strict=True):
            y = block(y, skip, index)
            levels.append(y)
        if self.position is not None:
            levels.append(self.position(masks))
        return levels

    def features_of(self, images: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
        """`features` of a step's slices of every joint, all of one size.

        With domain-specific normalization each joint passes by itself; without it all pass as one batch, so that
        they are normalized by what they have in common, as they will be in evaluation.
        """
        if self._options["domain_norm"]:
            return {key: self.features(x, key) for key, x in images.items()}
        together = self.features(torch.cat(list(images.values())), next(iter(images)))
        parts = [level.split([x.shape[0] for x in images.values()]) for level in together]
        return {key: [part[index] for part in parts] for index, key in enumerate(images)}

    def loss_logits(self, levels: Sequence[Tensor], domain: str) -> Tensor:
        """Logits for the loss from one joint's `features`: the joint's classes, or those of all joints."""
        output = domain if self._options["domain_output"] else _UNION
        logits: Tensor = self.heads[output](levels[len(self.decoder)])
        if self.position is not None:
            logits = logits + self.position.logits(levels[-1], output)
        return logits

    def loss_target(self, target: Tensor, domain: str) -> Tensor:
        """Class indices of a joint (0 is background) as `loss_logits` counts them."""
        if self._options["domain_output"]:
            return target
        return torch.where(target > 0, target + self._start[domain], 0)

    def joint_logits(self, logits: Tensor, domain: str) -> Tensor:
        """Logits (b, bones + 1, h, w) of the joint's classes from `loss_logits`.

        Without domain-specific output the softmax of the result is that of all classes, with the probability of
        other joints' bones added to the background's.
        """
        if self._options["domain_output"]:
            return logits
        first = 1 + self._start[domain]
        own = logits[:, first : first + self.joints[domain]]
        rest = torch.cat([logits[:, :first], logits[:, first + self.joints[domain] :]], dim=1)
        return torch.cat([rest.logsumexp(1, keepdim=True), own], dim=1)

    def forward(self, x: Tensor, domain: str) -> Tensor:
        """Logits (b, bones + 1, h, w) of the joint's classes, background first; see `features` for x."""
        return self.joint_logits(self.loss_logits(self.features(x, domain), domain), domain)

    def detect(self, x: Tensor) -> Tensor:
        """Logits (b, joints + 1) of what each slice shows, in the order of `joints`; the last is "none of ours".

        The channels of the mask may be left out of `x`.
        """
        if self._image_channels and self.input_channels > self._image_channels:
            x = x[:, : self._image_channels]
            x = F.pad(x, (0, 0, 0, 0, 0, self._encoder_channels - self._image_channels))
        bottleneck = self.encoder(self._to_imagenet_range(x), self.domain_index(DETECTION))[-1]
        # The mean says what is there, the maximum that something is there at all, however small.
        pooled = torch.cat([bottleneck.mean((2, 3)), bottleneck.amax((2, 3))], dim=1)
        logits: Tensor = self.detector(pooled)
        return logits

    @staticmethod
    def _to_imagenet_range(x: Tensor) -> Tensor:
        return (x - IMAGENET_CENTER) / IMAGENET_SCALE
