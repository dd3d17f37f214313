"""Training batches of the pretext tasks: every change of an image is a change of its grid, so lines follow exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.noise import smooth_noise
from MultiJointSegLib.learning.pretext.prepared import CHANNELS, PreparedSeries, PreparedStudy, view_name
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid

SHARED_DOMAIN = "shared"
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class AugmentationSettings:
    """Ranges of the random changes; normal distributions by their standard deviation, others uniform."""

    turn_deg: float = 8.0
    zoom: tuple[float, float] = (0.85, 1.2)
    shift_mm: float = 10.0
    mirror: float = 0.5
    """Probability that coronal and axial images become those of the other side of the body."""
    gamma: float = 0.2
    gain: tuple[float, float] = (0.8, 1.2)
    bias: float = 0.2
    noise: float = 0.04
    border: float = 0.15
    """Up to this share of the image is blackened along each border, so that the field of view tells nothing."""


@dataclass(frozen=True, slots=True)
class PretextBatch:
    """Slices of one domain.

    Attributes
    ----------
    images : float32 tensor of shape (b, 3, size, size)
    heat_maps : float32 tensor of shape (b, channels, size, size)
        Zero where there is no line.
    has_line : bool tensor of shape (b, channels)
    locations : float32 tensor of shape (b,)
        NaN where a slice has none.
    domain : str
    grids : tuple of SliceGrid
        Of the images.
    """

    images: Tensor
    heat_maps: Tensor
    has_line: Tensor
    locations: Tensor
    domain: str
    grids: tuple[SliceGrid, ...]


def line_coefficients(grid: SliceGrid, plane: Plane) -> np.ndarray:
    """Coefficients (3,) of the signed distance in mm, within the slice, ``a column + b row + c``, to a plane's line."""
    normal = np.asarray(plane.normal)
    sine = np.linalg.norm(np.cross(grid.normal, normal))
    constant = float(plane.signed_distance_mm(np.asarray(grid.origin_mm)))
    return np.array([normal @ grid.column_step_mm, normal @ grid.row_step_mm, constant]) / sine


def heat_map_stack(
    grid: SliceGrid, crossing: dict[str, Plane], sigma_mm: float, channels: Sequence[str] = CHANNELS
) -> tuple[Tensor, Tensor]:
    """Heat maps (channels, rows, columns) of a slice and which of them there are (channels,); see `lines.heat_map`."""
    coefficients = np.zeros((len(channels), 3))
    present = np.zeros(len(channels), bool)
    for index, channel in enumerate(channels):
        if channel in crossing:
            coefficients[index], present[index] = line_coefficients(grid, crossing[channel]), True
    a, b, c = (torch.from_numpy(coefficients[:, n].astype(np.float32))[:, None, None] for n in range(3))
    rows = torch.arange(grid.shape[0], dtype=torch.float32)[:, None]
    columns = torch.arange(grid.shape[1], dtype=torch.float32)
    maps = torch.exp(-0.5 * ((a * columns + b * rows + c) / sigma_mm) ** 2)
    mask = torch.from_numpy(present)
    return maps * mask[:, None, None], mask


def sample_on(image: np.ndarray, grid: SliceGrid, target: SliceGrid, *, mode: str = "bilinear") -> Tensor:
    """Image (c, rows, columns) on another grid of the same plane, float32; zero outside.

    `mode` is "bilinear", or "nearest" for labels.
    """
    matrix = grid.pixel_map(target)
    rows, columns = grid.shape
    # From pixels to grid_sample's coordinates, which run from -1 to 1 over the whole image.
    to_unit = np.array([[2 / columns, 0, (1 - columns) / columns], [0, 2 / rows, (1 - rows) / rows]])
    full = to_unit @ np.vstack([matrix, [0, 0, 1]])
    y, x = torch.meshgrid(
        torch.arange(target.shape[0], dtype=torch.float32),
        torch.arange(target.shape[1], dtype=torch.float32),
        indexing="ij",
    )
    m = torch.from_numpy(full.astype(np.float32))
    places = torch.stack([m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]], dim=-1)
    source = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None]
    return F.grid_sample(source, places[None], mode=mode, padding_mode="zeros", align_corners=False)[0]


def random_grid(
    series: PreparedSeries, index: int, size: int, settings: AugmentationSettings, rng: np.random.Generator
) -> SliceGrid:
    """Grid (size, size) in the plane of a slice: turned, scaled, shifted and mirrored at random around its middle."""
    grid = series.grids[index]
    angle = np.radians(rng.normal(0, settings.turn_deg))
    scale = 1 / np.exp(rng.uniform(*np.log(settings.zoom)))
    mirror = view_name(series) != "sagittal" and rng.random() < settings.mirror
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.diag([-1.0 if mirror else 1.0, 1.0])
    middle = np.array([(grid.shape[1] - 1) / 2, (grid.shape[0] - 1) / 2])
    middle = middle + rng.normal(0, 1, 2) * settings.shift_mm / np.array(grid.pixel_mm[::-1])
    start = middle - linear @ np.array([(size - 1) / 2, (size - 1) / 2])
    return grid.remapped(np.column_stack([linear, start]), (size, size))


def cut_borders(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Copy of an image (c, rows, columns) with a random part along each border black.

    Technologists center the field of view too: without this, a line could be found halfway between the borders.
    """
    rows, columns = image.shape[-2:]
    top, bottom, left, right = (int(rng.uniform(0, share) * n) for n in (rows, rows, columns, columns))
    cut = np.zeros_like(image)
    inside = (..., slice(top, rows - bottom), slice(left, columns - right))
    cut[inside] = image[inside]
    return cut


class PretextSampler:
    """Draws batches from prepared studies; every draw comes from one generator.

    Parameters
    ----------
    studies : sequence of PreparedStudy
    sigma_mm : float
        Width of the heat maps.
    domains : str
        "shared": one domain; "joint" or "view": every batch comes from one joint or one view, for domain-specific
        layers.
    seed : int

    Raises
    ------
    InputError
        If no series teaches anything, or a study's joint is needed and unknown.
    """

    def __init__(
        self,
        studies: Sequence[PreparedStudy],
        *,
        sigma_mm: float,
        domains: str = SHARED_DOMAIN,
        augmentation: AugmentationSettings = AugmentationSettings(),
        seed: int = 1,
    ) -> None:
        self.sigma_mm = sigma_mm
        self.augmentation = augmentation
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        # By domain, study and view: every study counts the same, and within it every view.
        self._tree: dict[str, list[list[list[PreparedSeries]]]] = {}
        for study in studies:
            by_domain: dict[str, dict[str, list[PreparedSeries]]] = {}
            for series in study.series:
                if series.teaches:
                    domain = domain_of(study, series, domains)
                    by_domain.setdefault(domain, {}).setdefault(series.channel, []).append(series)
            for domain, views in by_domain.items():
                self._tree.setdefault(domain, []).append(list(views.values()))
        if not self._tree:
            raise InputError("The studies teach nothing: stacks of slices, or planes at an angle, are needed.")

    @property
    def domains(self) -> list[str]:
        """Names of the domains, sorted."""
        return sorted(self._tree)

    def batch(self, count: int, size: int, domain: str | None = None) -> PretextBatch:
        """Slices of one domain, drawn at random where it is not given."""
        rng = self.rng
        if domain is None:
            domain = self.domains[int(rng.integers(len(self.domains)))]
        images, maps, present, locations, grids = [], [], [], [], []
        for _ in range(count):
            views = _pick(self._tree[domain], rng)
            series = _pick(_pick(views, rng), rng)
            index = int(rng.integers(len(series.images)))
            image = series.network_image(index, int(rng.integers(series.images.shape[1])))
            grid = random_grid(series, index, size, self.augmentation, rng)
            image = cut_borders(image, self.augmentation.border, rng)
            images.append(sample_on(image, series.grids[index], grid))
            heat, mask = heat_map_stack(grid, series.crossing, self.sigma_mm)
            maps.append(heat)
            present.append(mask)
            locations.append(np.nan if series.locations is None else float(series.locations[index]))
            grids.append(grid)
        stack = vary_contrast(torch.stack(images), self.augmentation, self.generator)
        return PretextBatch(
            stack,
            torch.stack(maps),
            torch.stack(present),
            torch.tensor(locations, dtype=torch.float32),
            domain,
            tuple(grids),
        )


def domain_of(study: PreparedStudy, series: PreparedSeries, domains: str) -> str:
    """Domain of a series; see `PretextSampler`."""
    if domains == SHARED_DOMAIN:
        return SHARED_DOMAIN
    if domains == "view":
        return series.channel
    if not study.joint:
        raise InputError(
            f"The joint of the study {study.name} is not known; for domains by joint, write it into a study.json in "
            'its folder or one above, such as {"joint": "knee"}.'
        )
    return study.joint


def _pick(items: Sequence[_Item], rng: np.random.Generator) -> _Item:
    return items[int(rng.integers(len(items)))]


def vary_contrast(images: Tensor, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """Gamma, gain, smooth shading and noise, each drawn for every image."""
    b, _, size, _ = images.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(b, 1, 1, 1, generator=generator) * (high - low) + low

    if settings.gamma > 0:
        images = images.clamp(min=0) ** torch.exp(settings.gamma * torch.randn(b, 1, 1, 1, generator=generator))
    if settings.bias > 0:
        images = images * torch.exp(
            settings.bias * uniform(0, 1) * smooth_noise(b, 1, size, 3, generator, images.device)
        )
    images = images * uniform(*settings.gain)
    if settings.noise > 0:
        images = images + settings.noise * uniform(0, 1) * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1.5)
