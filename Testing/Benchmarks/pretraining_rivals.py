"""Comparators of the experiment `pretraining`: rotation prediction, SimCLR and masked auto-encoding.

All train the same network on the same slices, drawn alike (every study and view counts the same), with the same
optimizer, rate, steps and slices a step. SimCLR sees each slice twice, so that its steps cost about twice as much.

The loss of SimCLR is MONAI's, which is already a comparator elsewhere; `lightly` has one too, but brings a training
framework and some thirty other packages. Libraries give masked auto-encoding for transformers alone; here patches of
the image are blackened and the encoder-decoder fills them in, as SimMIM does (Xie et al. 2022, arXiv 2111.09886).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from monai.losses import ContrastiveLoss
from pretraining_cases import Size
from torch import Tensor, nn

from MultiJointSegLib.learning.pretext.norm_statistics import settle_norms
from MultiJointSegLib.learning.pretext.prepared import PreparedStudy
from MultiJointSegLib.learning.pretext.sampling import (
    AugmentationSettings,
    cut_borders,
    random_grid,
    sample_on,
    vary_contrast,
)
from MultiJointSegLib.networks.shared_unet import SharedUNet

ROTATION, SIMCLR, MASKED = "rotation prediction", "SimCLR", "masked auto-encoding"
RIVALS = (ROTATION, SIMCLR, MASKED)
_STRONG = AugmentationSettings(
    turn_deg=15, zoom=(0.7, 1.6), shift_mm=15, gamma=0.4, gain=(0.6, 1.4), bias=0.4, noise=0.06, border=0.15
)
"""SimCLR lives on strong changes between the two views of a slice."""
_TEMPERATURE = 0.5
_PATCH_PX = 16
_MASKED_SHARE = 0.6
_VALIDATION_BATCHES = 8

Draw = Callable[[], Tensor]


class Slices:
    """Random slices of studies; the same seed gives the same ones."""

    def __init__(self, studies: list[PreparedStudy], size_px: int, seed: int) -> None:
        self._tree: list[list[list]] = []
        for study in studies:
            views: dict[str, list] = {}
            for series in study.series:
                views.setdefault(series.channel, []).append(series)
            self._tree.append(list(views.values()))
        self._size = size_px
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self, count: int, settings: AugmentationSettings, times: int = 1) -> Tensor:
        """Images (times * count, 3, size, size): every slice `times` times, each time changed anew."""
        rng, found = self.rng, []
        for _ in range(count):
            some: list = self._tree
            for _ in range(3):
                some = some[int(rng.integers(len(some)))]
            series = some
            index = int(rng.integers(len(series.images)))
            image = series.network_image(index, int(rng.integers(series.images.shape[1])))
            for _ in range(times):
                grid = random_grid(series, index, self._size, settings, rng)
                found.append(sample_on(cut_borders(image, settings.border, rng), series.grids[index], grid))
        order = [c * times + t for t in range(times) for c in range(count)]
        return vary_contrast(torch.stack(found)[order], settings, self.generator)


class EncoderHead(nn.Module):
    """A head on the pooled features of the encoder."""

    def __init__(self, trunk: SharedUNet, outputs: int, hidden: int | None = None) -> None:
        super().__init__()
        self.trunk = trunk
        width = 2 * trunk.encoder.channels[-1]
        layers = [nn.Linear(width, outputs)]
        if hidden is not None:
            layers = [nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
        self.head = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        bottleneck = self.trunk.features(x, "shared")[0]
        return self.head(torch.cat([bottleneck.mean((2, 3)), bottleneck.amax((2, 3))], dim=1))


class PixelHead(nn.Module):
    """A linear head on the decoder that gives the image back."""

    def __init__(self, trunk: SharedUNet, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Conv2d(width, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk.features(x, "shared")[-1])


def train_rival(
    name: str, trunk: SharedUNet, size: Size, train: list[PreparedStudy], held: list[PreparedStudy], device: str
) -> dict[str, float]:
    """Train the trunk in place; returns how well the task is done on studies held back."""
    task: Callable[[Slices], tuple[Tensor, float]]
    if name == ROTATION:
        network: nn.Module = EncoderHead(trunk, 4)
    elif name == SIMCLR:
        network = EncoderHead(trunk, 64, hidden=128)
    else:
        network = PixelHead(trunk, size.decoder_channels[-1])
    network = network.to(device)
    tasks = {ROTATION: (_rotation, "accuracy"), SIMCLR: (_contrast, "pairs_found"), MASKED: (_fill_in, "error_share")}
    task_of, measure = tasks[name]

    def task(slices: Slices) -> tuple[Tensor, float]:
        return task_of(network, slices, size.pretrain_batch, device)

    slices, unseen = Slices(train, size.size_px, 1), Slices(held, size.size_px, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    network.train()
    for step in range(size.pretrain_steps):
        set_rate(optimizer, 1e-3, step, size.pretrain_steps)
        loss, _ = task(slices)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    settle_norms(network, lambda: task(slices), min(20, size.pretrain_steps))
    with torch.no_grad():
        return {measure: round(float(np.mean([task(unseen)[1] for _ in range(_VALIDATION_BATCHES)])), 4)}


def _rotation(network: nn.Module, slices: Slices, count: int, device: str) -> tuple[Tensor, float]:
    """Quarter turns told apart (Gidaris et al. 2018, arXiv 1803.07728), and the share told rightly."""
    images = slices.batch(count, AugmentationSettings())
    turns = torch.randint(4, (count,), generator=slices.generator)
    turned = torch.stack([torch.rot90(x, int(t), (1, 2)) for x, t in zip(images, turns, strict=True)])
    logits, turns = network(turned.to(device)), turns.to(device)
    return F.cross_entropy(logits, turns), float((logits.argmax(1) == turns).float().mean())


def _contrast(network: nn.Module, slices: Slices, count: int, device: str) -> tuple[Tensor, float]:
    """Two views of a slice nearest to each other (Chen et al. 2020, arXiv 2002.05709), and how often they are."""
    images = slices.batch(count, _STRONG, times=2)
    first, second = network(images.to(device)).chunk(2)
    nearest = (F.normalize(first, dim=1) @ F.normalize(second, dim=1).T).argmax(1).cpu()
    return ContrastiveLoss(_TEMPERATURE)(first, second), float((nearest == torch.arange(count)).float().mean())


def _fill_in(network: nn.Module, slices: Slices, count: int, device: str) -> tuple[Tensor, float]:
    """Blackened patches filled in; the error as a share of that of the mean of the patches."""
    images = slices.batch(count, AugmentationSettings())
    cells = images.shape[-1] // _PATCH_PX
    hidden = torch.rand(count, 1, cells, cells, generator=slices.generator) < _MASKED_SHARE
    hidden = hidden.repeat_interleave(_PATCH_PX, 2).repeat_interleave(_PATCH_PX, 3).expand_as(images)
    made, images, hidden = network((images * ~hidden).to(device)), images.to(device), hidden.to(device)
    loss = (made - images)[hidden].abs().mean()
    plain = (images[hidden] - images[hidden].mean()).abs().mean()
    return loss, float(loss.detach() / plain)


def set_rate(optimizer: torch.optim.Optimizer, rate: float, step: int, steps: int) -> None:
    """Learning rate of a step: warmed up, then a cosine down to a hundredth."""
    warm = min(1.0, (step + 1) / max(1, steps // 20))
    for group in optimizer.param_groups:
        group["lr"] = rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
