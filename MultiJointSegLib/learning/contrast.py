"""Random contrasts: from tissues to the normalized slices that the network sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from MultiJointSegLib.learning.noise import smooth_noise
from MultiJointSegLib.phantom.tissue_map import Tissue

# Signal of each tissue relative to the brightest one, in families of clinical sequences. They only center the random
# contrasts (our choice, read off typical images); the exact signal model of phantoms is phantom.mr_signal.
_ORDER = tuple(Tissue)
_PRIORS = {
    "T1": dict(FAT=0.95, MUSCLE=0.38, SKIN=0.5, CORTICAL_BONE=0.05, FATTY_MARROW=0.85, RED_MARROW=0.6, PHYSIS=0.4,
               CARTILAGE=0.45, FLUID=0.22, TENDON=0.08, VESSEL=0.2, MENISCUS=0.12),
    "PD": dict(FAT=0.9, MUSCLE=0.5, SKIN=0.5, CORTICAL_BONE=0.05, FATTY_MARROW=0.8, RED_MARROW=0.65, PHYSIS=0.65,
               CARTILAGE=0.7, FLUID=0.9, TENDON=0.1, VESSEL=0.4, MENISCUS=0.15),
    "T2": dict(FAT=0.7, MUSCLE=0.2, SKIN=0.35, CORTICAL_BONE=0.03, FATTY_MARROW=0.55, RED_MARROW=0.45, PHYSIS=0.5,
               CARTILAGE=0.45, FLUID=1.0, TENDON=0.05, VESSEL=0.3, MENISCUS=0.08),
    "fat-suppressed": dict(FAT=0.15, MUSCLE=0.45, SKIN=0.4, CORTICAL_BONE=0.04, FATTY_MARROW=0.12, RED_MARROW=0.3,
                           PHYSIS=0.75, CARTILAGE=0.75, FLUID=1.0, TENDON=0.1, VESSEL=0.6, MENISCUS=0.15),
    "gradient echo": dict(FAT=0.6, MUSCLE=0.45, SKIN=0.4, CORTICAL_BONE=0.05, FATTY_MARROW=0.4, RED_MARROW=0.35,
                          PHYSIS=0.7, CARTILAGE=0.85, FLUID=0.75, TENDON=0.1, VESSEL=0.85, MENISCUS=0.2),
    "T1 gradient echo, water excitation": dict(FAT=0.2, MUSCLE=0.6, SKIN=0.45, CORTICAL_BONE=0.05, FATTY_MARROW=0.15,
                                               RED_MARROW=0.35, PHYSIS=0.7, CARTILAGE=0.9, FLUID=0.4, TENDON=0.15,
                                               VESSEL=0.8, MENISCUS=0.2),
}  # fmt: skip
_PRIOR_TABLE = torch.tensor([[prior.get(tissue.name, 0.0) for tissue in _ORDER] for prior in _PRIORS.values()])
_DARK = (int(Tissue.CORTICAL_BONE), int(Tissue.TENDON), int(Tissue.MENISCUS))


@dataclass(frozen=True, slots=True)
class ContrastSettings:
    """Strengths of the random contrasts, relative to a signal of 1."""

    random_contrast: float = 0.35
    tissue_jitter: float = 0.09
    texture: float = 0.12
    bias: float = 0.35
    falloff_probability: float = 0.25
    noise: float = 0.07
    blur_px: tuple[float, float] = (0.3, 1.1)
    ghost_probability: float = 0.15
    gain: tuple[float, float] = (0.5, 1.25)


def render(tissue: Tensor, settings: ContrastSettings, generator: torch.Generator) -> Tensor:
    """Give every tissue a random signal and image it with random faults.

    Parameters
    ----------
    tissue : int64 tensor of shape (b, 5, h, h)
        Planes of `slicing.TissueSlices`.

    Returns
    -------
    float32 tensor of shape (b, 3, h, h)
        Normalized as `imaging.intensity.normalize_intensity` does (0 air, about 1 bright tissue): the slice's two
        neighbors around it.
    """
    b, _, size, _ = tissue.shape
    device = tissue.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device) * (high - low) + low

    signal = _random_signal(b, settings, generator, device)
    image = torch.gather(signal, 1, tissue.reshape(b, -1)).view(tissue.shape)
    texture_strength = settings.texture * uniform(0, 1, b, len(_ORDER)) ** 2
    texture_strength[:, int(Tissue.AIR)] = 0
    coarse = smooth_noise(b, 1, size, int(uniform(8, 24, 1)), generator, device)
    fine = smooth_noise(b, 1, size, int(uniform(32, 80, 1)), generator, device)
    strength = torch.gather(texture_strength, 1, tissue[:, 2].reshape(b, -1)).view(b, 1, size, size)
    image = image + strength * (coarse + fine)
    image = torch.stack([image[:, 0], image[:, 1:4].mean(1), image[:, 4]], dim=1).clamp_(min=0)

    image = _blur(image, float(uniform(*settings.blur_px, 1)))
    bias = settings.bias * uniform(0, 1, b, 1, 1, 1) * smooth_noise(b, 1, size, 3, generator, device)
    image = image * torch.exp(bias) * _falloff(b, size, settings, generator, device)
    image = _ghost(image, settings, generator)
    sigma = settings.noise * uniform(0, 1, b, 1, 1, 1) ** 2
    noisy = [image + sigma * torch.randn(image.shape, generator=generator, device=device),
             sigma * torch.randn(image.shape, generator=generator, device=device)]  # fmt: skip
    image = torch.hypot(noisy[0], noisy[1])  # Rician magnitude
    return normalize_slices(image) * uniform(*settings.gain, b, 1, 1, 1)


def normalize_slices(image: Tensor) -> Tensor:
    """Scale each of the slices (b, 3, h, w) as volumes are scaled: 0.5th percentile to 0, bright tissue's 99th to 1."""
    sample = image[:, 1, ::3, ::3].flatten(1)
    low = torch.quantile(sample, 0.005, dim=1)
    bright = torch.where(sample > sample.mean(1, keepdim=True), sample, torch.nan)
    high = torch.nan_to_num(torch.nanquantile(bright, 0.99, dim=1), nan=1.0)
    scale = (high - low).clamp(min=1e-3)
    return ((image - low.view(-1, 1, 1, 1)) / scale.view(-1, 1, 1, 1)).clamp(0, 1.5)


def _random_signal(b: int, settings: ContrastSettings, generator: torch.Generator, device: torch.device) -> Tensor:
    """Signal (b, tissues): a sequence prior with jitter, or wholly random values."""
    tissues = len(_ORDER)
    family = torch.randint(len(_PRIORS), (b,), generator=generator, device=device)
    prior = _PRIOR_TABLE.to(device)[family]
    jitter = settings.tissue_jitter * torch.randn(b, tissues, generator=generator, device=device)
    power = torch.exp(0.25 * torch.randn(b, 1, generator=generator, device=device))
    sequence_like = prior.clamp(min=1e-3) ** power + jitter
    wild = torch.rand(b, tissues, generator=generator, device=device)
    for dark in _DARK:  # cortex, tendon and meniscus have too short a T2 to be bright
        wild[:, dark] *= 0.35
    choose = torch.rand(b, 1, generator=generator, device=device) < settings.random_contrast
    signal = torch.where(choose, wild, sequence_like).clamp(0, 1.2)
    signal[:, int(Tissue.AIR)] = 0.03 * torch.rand(b, generator=generator, device=device)
    return signal


def _blur(image: Tensor, sigma_px: float) -> Tensor:
    radius = max(1, round(2.5 * sigma_px))
    x = torch.arange(-radius, radius + 1, dtype=torch.float32, device=image.device)
    kernel = torch.exp(-0.5 * (x / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1).expand(image.shape[1], 1, -1, 1)
    padded = F.pad(image, (radius,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel, groups=image.shape[1])
    return F.conv2d(rows, kernel.transpose(2, 3), groups=image.shape[1])


def _falloff(b: int, size: int, settings: ContrastSettings, generator: torch.Generator, device: torch.device) -> Tensor:
    """Sensitivity of a small coil: a wide Gaussian around a random point, for some of the slices."""
    axis = torch.linspace(-1, 1, size, device=device)
    center = torch.rand(b, 2, generator=generator, device=device) * 1.4 - 0.7
    width = torch.rand(b, 2, generator=generator, device=device) * 0.9 + 0.6
    rows = torch.exp(-0.5 * ((axis - center[:, :1]) / width[:, :1]) ** 2)
    columns = torch.exp(-0.5 * ((axis - center[:, 1:]) / width[:, 1:]) ** 2)
    field = (rows[:, :, None] * columns[:, None, :])[:, None]
    used = torch.rand(b, 1, 1, 1, generator=generator, device=device) < settings.falloff_probability
    return torch.where(used, field, torch.ones_like(field))


def _ghost(image: Tensor, settings: ContrastSettings, generator: torch.Generator) -> Tensor:
    """A faint copy shifted along the rows, as motion leaves along the phase direction, for some of the slices."""
    b, _, size, _ = image.shape
    used = torch.rand(b, 1, 1, 1, generator=generator, device=image.device) < settings.ghost_probability
    shift = int(torch.randint(size // 8, size // 2, (1,), generator=generator, device=image.device))
    strength = 0.15 * torch.rand(b, 1, 1, 1, generator=generator, device=image.device)
    return torch.where(used, image + strength * torch.roll(image, shift, dims=2), image)
