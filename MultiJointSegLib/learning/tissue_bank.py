"""Many tissue maps in one tensor on the device, so that a batch of slices is one gather."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.phantom.tissue_map import TissueMap

_LABEL_SHIFT = 16
"""A packed voxel is tissue + 16 x label: both are below 16."""

OTHER = "other"
"""Joint key of maps that show none of the joints."""


def pack(tissue_map: TissueMap) -> np.ndarray:
    """Tissue and label of each voxel in one uint8 array of shape (k, j, i).

    Raises
    ------
    InputError
        If a tissue or label value is 16 or more.
    """
    highest = max(int(tissue_map.tissue.max()), int(tissue_map.labels.max()))
    if highest >= _LABEL_SHIFT:
        raise InputError(f"The tissue map holds the value {highest}; tissues and labels must be below {_LABEL_SHIFT}.")
    return (tissue_map.tissue + _LABEL_SHIFT * tissue_map.labels).astype(np.uint8)


def save_packed(tissue_map: TissueMap, path: Path) -> None:
    """Write a packed map as an uncompressed .npz, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        np.savez(
            stream,
            packed=pack(tissue_map),
            spacing_mm=np.asarray(tissue_map.geometry.spacing_mm),
            joint=np.asarray(tissue_map.joint),
            age_years=np.asarray(tissue_map.age_years),
        )
    temporary.rename(path)


@dataclass(frozen=True, slots=True)
class _Entry:
    packed: np.ndarray
    spacing_mm: float
    joint: str


class TissueBank:
    """Tissue maps on a device.

    Attributes
    ----------
    flat : uint8 tensor
        All packed voxels, map after map, each in (k, j, i) order.
    offset, shape_kji, spacing_mm, box_low_mm, box_high_mm : tensors, one row a map
        Start in `flat`; shape; spacing; and the box (x, y, z) of labelled voxels in the map's own millimeters
        (voxel (0, 0, 0) is the origin; axes L, P, S). The whole map is the box where nothing is labelled.
    """

    def __init__(self, entries: Sequence[_Entry], device: torch.device | str = "cpu") -> None:
        if not entries:
            raise InputError("The tissue bank is empty; build it before training.")
        self.joints = [entry.joint for entry in entries]
        self.device = torch.device(device)
        self.flat = torch.cat([torch.from_numpy(entry.packed.reshape(-1)) for entry in entries]).to(self.device)
        sizes = [entry.packed.size for entry in entries]
        self.offset = torch.tensor(np.concatenate([[0], np.cumsum(sizes)[:-1]]), dtype=torch.int64, device=self.device)
        self.shape_kji = torch.tensor([entry.packed.shape for entry in entries], device=self.device)
        self.spacing_mm = torch.tensor([entry.spacing_mm for entry in entries], dtype=torch.float32, device=self.device)
        boxes = np.array([_labelled_box_mm(entry) for entry in entries], dtype=np.float32)
        self.box_low_mm = torch.from_numpy(boxes[:, 0]).to(self.device)
        self.box_high_mm = torch.from_numpy(boxes[:, 1]).to(self.device)

    @classmethod
    def from_maps(cls, maps: Iterable[TissueMap], device: torch.device | str = "cpu") -> TissueBank:
        """Bank of maps in memory."""
        return cls([_Entry(pack(m), m.geometry.spacing_mm[0], m.joint) for m in maps], device)

    @classmethod
    def from_folder(cls, folder: Path, device: torch.device | str = "cpu") -> TissueBank:
        """Bank of the .npz files that `save_packed` wrote."""
        entries = []
        for path in sorted(folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as data:
                entries.append(_Entry(data["packed"], float(data["spacing_mm"][0]), str(data["joint"])))
        return cls(entries, device)

    def members(self, joint: str) -> Tensor:
        """Indices of the joint's maps."""
        return torch.tensor([i for i, key in enumerate(self.joints) if key == joint], device=self.device)

    def gather(self, member: Tensor, points_mm: Tensor) -> tuple[Tensor, Tensor]:
        """Tissue and label of the voxels nearest to points; outside a map its edge voxel continues.

        Parameters
        ----------
        member : int64 tensor of shape (b,)
        points_mm : float tensor of shape (b, ..., 3)
            Position (x, y, z) in each map's own millimeters.

        Returns
        -------
        tissue, label : int64 tensors of shape (b, ...)
        """
        extra = (1,) * (points_mm.dim() - 1)
        index = points_mm / self.spacing_mm[member].view(-1, *extra)
        index = index.round_().to(torch.int64)
        shape = self.shape_kji[member].view(-1, *extra[:-1], 3)
        i = index[..., 0].clamp_(min=0).minimum(shape[..., 2] - 1)
        j = index[..., 1].clamp_(min=0).minimum(shape[..., 1] - 1)
        k = index[..., 2].clamp_(min=0).minimum(shape[..., 0] - 1)
        position = (k * shape[..., 1] + j) * shape[..., 2] + i + self.offset[member].view(-1, *extra[:-1])
        packed = self.flat[position].to(torch.int64)
        return packed % _LABEL_SHIFT, packed // _LABEL_SHIFT


def _labelled_box_mm(entry: _Entry) -> tuple[np.ndarray, np.ndarray]:
    labelled = entry.packed >= _LABEL_SHIFT
    low, high = [], []
    for axis in (2, 1, 0):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(labelled.any(axis=others))
        first, last = (int(hit[0]), int(hit[-1])) if hit.size else (0, entry.packed.shape[axis] - 1)
        low.append(first * entry.spacing_mm)
        high.append(last * entry.spacing_mm)
    return np.array(low), np.array(high)
