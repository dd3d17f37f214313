"""Random slices through tissue maps, in the orientation of the canonical slices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from MultiJointSegLib.learning.noise import smooth_noise
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.phantom.tissue_map import Tissue

# Columns, rows and normal of each canonical plane as LPS unit vectors (see imaging.canonical).
_PLANES = torch.tensor(
    [
        [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]],  # sagittal: A to P, S to I
        [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],  # coronal: R to L, S to I
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],  # axial: R to L, A to P
    ]
)


@dataclass(frozen=True, slots=True)
class SlicingSettings:
    """Ranges of the random slices; lengths in mm, angles in degrees."""

    pixel_mm: float = 0.8
    plane_weights: tuple[float, float, float] = (0.4, 0.3, 0.3)
    tilt_sd_deg: float = 8.0
    zoom: tuple[float, float] = (0.85, 1.2)
    stretch_sd: float = 0.05
    thickness_mm: tuple[float, float] = (0.5, 5.0)
    minimum_neighbor_mm: float = 2.0
    in_plane_shift_mm: float = 25.0
    margin_mm: float = 6.0
    beyond_map_mm: float = 5.0
    """Most that a window reaches beyond the map, where there is air; more if the window is larger than the map."""
    elastic_mm: float = 2.0


@dataclass(frozen=True, slots=True)
class TissueSlices:
    """Tissues of slices and their neighbors.

    Attributes
    ----------
    tissue : int64 tensor of shape (b, 5, h, w)
        Planes at -d, -t/3, 0, t/3, d from the slice's center: neighbor, three through the thickness t, neighbor.
    label : int64 tensor of shape (b, h, w)
        Catalog label at the slice's center.
    """

    tissue: Tensor
    label: Tensor


def random_slices(
    bank: TissueBank, member: Tensor, size: int, settings: SlicingSettings, generator: torch.Generator
) -> TissueSlices:
    """Cut one random slice of size x size pixels through each of the bank's members.

    The planes scatter around sagittal, coronal and axial; the patient is mirrored, scaled and gently deformed at
    random, so that no side, size or pose is preferred.
    """
    b = member.numel()

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=bank.device) * (high - low) + low

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=bank.device)

    weights = torch.tensor(settings.plane_weights, device=bank.device).expand(b, 3)
    plane = torch.multinomial(weights, 1, generator=generator)[:, 0]
    axes = _PLANES.to(bank.device)[plane]  # (b, 3 axes, xyz)
    axes = axes @ _rotation(torch.deg2rad(settings.tilt_sd_deg * normal(b, 3))).transpose(1, 2)

    low, high = bank.box_low_mm[member], bank.box_high_mm[member]
    middle, half = (low + high) / 2, (high - low) / 2
    reach = (axes[:, 2].abs() * half).sum(1) + settings.margin_mm
    depth = uniform(-1, 1, b) * reach
    zoom = torch.exp(uniform(0, 1, b) * _log_ratio(settings.zoom)) * settings.zoom[0]
    stretch = torch.exp(settings.stretch_sd * normal(b, 2))
    step = settings.pixel_mm / zoom[:, None] * stretch
    # Windows smaller than the bones have to reach the ends of the bones too, as examinations do.
    in_plane_reach = (axes[:, :2].abs() * half[:, None]).sum(2)
    farthest = settings.in_plane_shift_mm + (in_plane_reach - size * step / 4).clamp(min=0)
    shift = uniform(-1, 1, b, 2) * farthest
    mirrored = uniform(0, 1, b) < 0.5
    shift = _inside_map(bank, member, axes, mirrored, shift, size * step / 2 - settings.beyond_map_mm)
    center = middle + axes[:, 2] * depth[:, None] + axes[:, 0] * shift[:, :1] + axes[:, 1] * shift[:, 1:]

    offsets = torch.arange(size, device=bank.device) - (size - 1) / 2
    warp = settings.elastic_mm * uniform(0, 1, b, 1, 1, 1) * smooth_noise(b, 2, size, 5, generator, bank.device)
    u = offsets * step[:, :1]
    v = offsets * step[:, 1:]
    in_plane = (u[:, None, :] + warp[:, 0])[..., None] * axes[:, 0][:, None, None] + (v[:, :, None] + warp[:, 1])[
        ..., None
    ] * axes[:, 1][:, None, None]

    thickness = uniform(*settings.thickness_mm, b)
    neighbor = thickness.clamp(min=settings.minimum_neighbor_mm) * torch.sign(uniform(-1, 1, b))
    zero = torch.zeros_like(thickness)
    across = torch.stack([-neighbor, -thickness / 3, zero, thickness / 3, neighbor], dim=1)
    points = in_plane[:, None] + (across[:, :, None] * axes[:, 2][:, None] + center[:, None])[:, :, None, None]
    x = torch.where(mirrored[:, None, None, None], 2 * middle[:, 0].view(-1, 1, 1, 1) - points[..., 0], points[..., 0])
    points = torch.cat([x[..., None], points[..., 1:]], dim=-1)
    tissue, label = bank.gather(member, points)
    outside = _beside_map(bank, member, plane, points)
    tissue = torch.where(outside, int(Tissue.AIR), tissue)
    return TissueSlices(tissue, torch.where(outside[:, 2], 0, label[:, 2]))


def _inside_map(
    bank: TissueBank, member: Tensor, axes: Tensor, mirrored: Tensor, shift: Tensor, half_mm: Tensor
) -> Tensor:
    """Shifts (b, 2) from the box's middle, limited so that windows of half sizes (b, 2) stay in the map.

    A window larger than the map is shifted to the map's center.
    """
    size_mm = (bank.shape_kji[member].flip(1) - 1) * bank.spacing_mm[member][:, None]
    from_center = (bank.box_low_mm[member] + bank.box_high_mm[member] - size_mm) / 2
    from_center[:, 0] = torch.where(mirrored, -from_center[:, 0], from_center[:, 0])
    off_center = (from_center[:, None] * axes[:, :2]).sum(2)
    room = ((axes[:, :2].abs() * size_mm[:, None] / 2).sum(2) - half_mm).clamp(min=0)
    return (off_center + shift).clamp(-room, room) - off_center


def _beside_map(bank: TissueBank, member: Tensor, plane: Tensor, points_mm: Tensor) -> Tensor:
    """Whether points (b, ..., 3) lie outside the map within the slice's plane.

    Above and below the map its last slice goes on, as an examination's last slice does for its neighbors; to the
    sides that would draw out bones and skin to bars that no body has.
    """
    half_voxel = bank.spacing_mm[member] / 2
    extra = (1,) * (points_mm.dim() - 2)
    high = ((bank.shape_kji[member].flip(1) - 1) * bank.spacing_mm[member][:, None] + half_voxel[:, None]).view(
        -1, *extra, 3
    )
    outside = (points_mm < -half_voxel.view(-1, *extra, 1)) | (points_mm > high)
    in_plane = torch.nn.functional.one_hot(plane, 3).logical_not().view(-1, *extra, 3)
    return (outside & in_plane).any(-1)


def _log_ratio(limits: tuple[float, float]) -> float:
    return float(torch.log(torch.tensor(limits[1] / limits[0])))


def _rotation(vector: Tensor) -> Tensor:
    """Rotation matrices (b, 3, 3) of rotation vectors (b, 3) in radians."""
    x, y, z = vector.unbind(1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    return torch.matrix_exp(skew)
