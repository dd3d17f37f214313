"""Random changes of real slices, a whole batch at once on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from MultiJointSegLib.learning.noise import smooth_noise

_ELASTIC_NODES = 5
_BIAS_NODES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSettings:
    """Ranges of the random changes.

    Attributes
    ----------
    rotation_deg : float
        Largest rotation in the plane.
    zoom : tuple of 2 float
        Smallest and largest magnification.
    stretch_sd : float
        Standard deviation of the logarithm of an additional magnification along rows and along columns.
    mirror : bool
        Mirror half of the slices from left to right: columns, and the order of neighbors in sagittal slices.
    elastic_mm : float
        Standard deviation of the strongest smooth deformation.
    gain : tuple of 2 float
        Factor of all intensities.
    gamma_sd : float
        Standard deviation of the logarithm of the exponent of the intensities.
    bias : float
        Standard deviation of the logarithm of the strongest smooth shading.
    noise : float
        Standard deviation of the strongest noise; bright tissue is about 1.
    blur_px : float
        Standard deviation of the widest blur.
    mask_shift_sd, mask_stretch_sd : float
        Standard deviations of a shift of a mask's coordinates, and of the logarithm of their magnification; see
        `masks.variation.vary_positions`.
    bone_share : float
        Share of the slices that are taken from those with bone; the others are any.
    """

    rotation_deg: float = 15.0
    zoom: tuple[float, float] = (0.85, 1.18)
    stretch_sd: float = 0.05
    mirror: bool = True
    elastic_mm: float = 2.0
    gain: tuple[float, float] = (0.75, 1.25)
    gamma_sd: float = 0.2
    bias: float = 0.3
    noise: float = 0.05
    blur_px: float = 0.8
    mask_shift_sd: float = 0.15
    mask_stretch_sd: float = 0.1
    bone_share: float = 0.8

    @property
    def window_factor(self) -> float:
        """Width of the part of a slice that a crop can come from, in widths of the crop."""
        angle = math.radians(self.rotation_deg)
        return (math.cos(angle) + math.sin(angle)) / self.zoom[0] * math.exp(2 * self.stretch_sd)


STILL = AugmentationSettings(
    rotation_deg=0, zoom=(1, 1), stretch_sd=0, mirror=False, elastic_mm=0, gain=(1, 1), gamma_sd=0, bias=0, noise=0,
    blur_px=0, mask_shift_sd=0, mask_stretch_sd=0,
)  # fmt: skip
"""No change at all: for validation."""


def deform(
    windows: Tensor,
    classes: Tensor,
    is_sagittal: Tensor,
    size: int,
    pixel_mm: float,
    settings: AugmentationSettings,
    generator: torch.Generator,
    image_channels: int = 3,
) -> tuple[Tensor, Tensor]:
    """Cut deformed crops out of the middle of larger windows.

    Parameters
    ----------
    windows : float32 tensor of shape (b, channels, w, w)
        Slices with both neighbors; then the channels of a mask, which are the same on both sides of the body.
    classes : int64 tensor of shape (b, w, w)
    is_sagittal : bool tensor of shape (b,)
    size : int
        Height and width of the crops.
    pixel_mm : float
    settings : AugmentationSettings
    generator : torch.Generator
    image_channels : int
        How many of the channels are the image's.

    Returns
    -------
    images : float32 tensor of shape (b, channels, size, size)
        Linear interpolation; zero (air) outside the windows.
    classes : int64 tensor of shape (b, size, size)
        The nearest pixel's.
    """
    b, device = len(windows), windows.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device) * (high - low) + low

    angle = torch.deg2rad(uniform(-settings.rotation_deg, settings.rotation_deg, b))
    zoom = torch.exp(uniform(math.log(settings.zoom[0]), math.log(settings.zoom[1]), b))
    stretch = torch.exp(settings.stretch_sd * torch.randn(b, 2, generator=generator, device=device))
    mirrored = uniform(0, 1, b) < (0.5 if settings.mirror else 0.0)
    step = stretch / zoom[:, None]
    across = torch.where(mirrored & ~is_sagittal, -step[:, 0], step[:, 0])
    offsets = torch.arange(size, device=device) - (size - 1) / 2
    u, v = across[:, None] * offsets, step[:, 1:] * offsets  # (b, size): pixels to the right and down
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    x = cos * u[:, None, :] - sin * v[:, :, None]
    y = sin * u[:, None, :] + cos * v[:, :, None]
    if settings.elastic_mm > 0:
        strength = settings.elastic_mm / pixel_mm * uniform(0, 1, b, 1, 1, 1)
        warp = strength * smooth_noise(b, 2, size, _ELASTIC_NODES, generator, device)
        x, y = x + warp[:, 0], y + warp[:, 1]
    # Pixel centers of a window of w pixels run from -1 + 1/w to 1 - 1/w.
    grid = torch.stack([x, y], dim=-1) * (2 / windows.shape[-1])
    straight = torch.arange(windows.shape[1], device=device)
    turned = torch.cat([straight[:image_channels].flip(0), straight[image_channels:]])
    order = torch.where((mirrored & is_sagittal)[:, None], turned, straight)
    images = F.grid_sample(windows, grid, "bilinear", "zeros", align_corners=False)
    images = images.gather(1, order[:, :, None, None].expand_as(images))
    shown = F.grid_sample(classes[:, None].float(), grid, "nearest", "zeros", align_corners=False)
    return images, shown[:, 0].long()


def shade(images: Tensor, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """Change the intensities of slices (b, 3, h, h): blur, exponent, shading, gain, noise; none falls below 0."""
    b, size, device = len(images), images.shape[-1], images.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device) * (high - low) + low

    if settings.blur_px > 0:
        images = blur(images, float(uniform(0, settings.blur_px, 1)))
    if settings.gamma_sd > 0:
        gamma = torch.exp(settings.gamma_sd * torch.randn(b, 1, 1, 1, generator=generator, device=device))
        images = images.clamp(min=1e-6) ** gamma
    if settings.bias > 0:
        strength = settings.bias * uniform(0, 1, b, 1, 1, 1)
        images = images * torch.exp(strength * smooth_noise(b, 1, size, _BIAS_NODES, generator, device))
    images = images * uniform(*settings.gain, b, 1, 1, 1)
    if settings.noise > 0:
        sigma = settings.noise * uniform(0, 1, b, 1, 1, 1) ** 2
        images = (images + sigma * torch.randn(images.shape, generator=generator, device=device)).abs()
    return images


def blur(images: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur of images (b, c, h, w) with their edges continued; almost nothing below a fifth of a pixel."""
    if sigma_px < 0.2:
        return images
    radius, channels = max(1, round(2.5 * sigma_px)), images.shape[1]
    x = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (x / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    padded = F.pad(images, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel, groups=channels), kernel.transpose(2, 3), groups=channels)
