"""Auto-encoder of bone shapes: what label maps of the joints can look like, in a few numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d


class _Unit(nn.Module):
    """3x3 convolution, normalization, leaky rectification."""

    def __init__(self, in_channels: int, out_channels: int, domains: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm = DomainBatchNorm2d(out_channels, domains, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor, domain: int) -> Tensor:
        return F.leaky_relu(self.norm(self.convolution(x), domain), 0.1)


class ShapeAutoencoder(nn.Module):
    """Encoder F to a spatial code at stride 2^levels and decoder G back to class logits, for label maps of joints.

    Class probabilities (or one-hot label maps) go in. All convolutions between the first and the last are shared by
    the joints; batch normalization is each joint's own.

    Parameters
    ----------
    joints : mapping of str to int
        Joint key to number of bones.
    channels : sequence of int
        Features of each strided level.
    code_channels : int
        Channels of the code: (b, code_channels, h / 2^levels, w / 2^levels).
    domain_layers : bool
        True: each joint has a first and a last convolution of its own. False: these are shared too, and a joint's
        classes are padded with empty ones to the largest number of classes.

    References
    ----------
    Oktay et al. 2018 (ACNN), DOI 10.1109/TMI.2017.2743464; one for several joints: Boutillon et al. 2022,
    DOI 10.1016/j.media.2022.102556. Depth, widths and the size of the code are our choice.
    """

    def __init__(
        self,
        joints: Mapping[str, int],
        channels: Sequence[int] = (32, 64, 128, 256),
        code_channels: int = 32,
        *,
        domain_layers: bool = True,
    ) -> None:
        super().__init__()
        if not joints:
            raise ValueError("The shape auto-encoder needs at least one joint.")
        if not channels:
            raise ValueError("The shape auto-encoder needs at least one level.")
        self.joints = dict(joints)
        self._config = {"channels": list(channels), "code_channels": code_channels, "domain_layers": domain_layers}
        self.stride = 2 ** len(channels)
        self._domain = {key: index for index, key in enumerate(joints)}
        self._padded_classes = max(joints.values()) + 1
        domains = len(joints)
        ends = joints if domain_layers else {"padded": self._padded_classes - 1}
        self.first = nn.ModuleDict({key: nn.Conv2d(n + 1, channels[0], 3, padding=1) for key, n in ends.items()})
        widths = [channels[0], *channels]
        self.down = nn.ModuleList(
            _Unit(below, width, domains, stride=2) for below, width in zip(widths[:-1], channels, strict=True)
        )
        self.code = nn.Conv2d(channels[-1], code_channels, 1)
        self.up = nn.ModuleList(
            _Unit(below, width, domains)
            for below, width in zip([code_channels, *reversed(widths[2:])], reversed(widths[1:]), strict=True)
        )
        self.last = nn.ModuleDict({key: nn.Conv2d(channels[0], n + 1, 3, padding=1) for key, n in ends.items()})

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return {"joints": self.joints, **self._config}

    def encode(self, probability: Tensor, joint: str) -> Tensor:
        """Code (b, code_channels, h / stride, w / stride) of class probabilities (b, bones + 1, h, w) of a joint.

        Raises
        ------
        KeyError
            If the auto-encoder does not know the joint.
        ValueError
            If the classes are not the joint's, or h or w is not a multiple of the stride.
        """
        self._check(probability, joint)
        index = self._domain[joint]
        if "padded" in self.first:
            probability = F.pad(probability, (0, 0, 0, 0, 0, self._padded_classes - probability.shape[1]))
        x = F.leaky_relu(self.first[self._end(joint)](probability), 0.1)
        for unit in self.down:
            x = unit(x, index)
        code: Tensor = self.code(x)
        return code

    def decode(self, code: Tensor, joint: str) -> Tensor:
        """Class logits (b, bones + 1, h, w) from a code."""
        x, index = code, self._domain[joint]
        for unit in self.up:
            x = unit(F.interpolate(x, scale_factor=2.0, mode="nearest"), index)
        logits: Tensor = self.last[self._end(joint)](x)
        return logits[:, : self.joints[joint] + 1]

    def forward(self, probability: Tensor, joint: str) -> Tensor:
        """Class logits of the reconstruction of class probabilities (b, bones + 1, h, w)."""
        return self.decode(self.encode(probability, joint), joint)

    def _end(self, joint: str) -> str:
        return "padded" if "padded" in self.first else joint

    def _check(self, probability: Tensor, joint: str) -> None:
        if joint not in self.joints:
            raise KeyError(f"The shape auto-encoder has no joint '{joint}'; it has {', '.join(self.joints)}.")
        if probability.shape[1] != self.joints[joint] + 1:
            raise ValueError(f"A {joint} has {self.joints[joint] + 1} classes, {probability.shape[1]} were given.")
        if probability.shape[2] % self.stride or probability.shape[3] % self.stride:
            size = f"{probability.shape[2]} x {probability.shape[3]}"
            raise ValueError(f"The label maps are {size} pixels; both must be multiples of {self.stride}.")
