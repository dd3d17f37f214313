"""The grid of the network's slices, and the way back to the examination's own grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.resampling import linear_taps, nearest_index
from MultiJointSegLib.imaging.volume import Volume

SLAB_VOXELS = 1 << 23
"""Values that are worked on at a time, which bounds memory."""


@dataclass(frozen=True, slots=True)
class CanonicalGrid:
    """Grid of the network's slices, tied to the grid of one examination.

    Only axes are exchanged and turned around, never rotated; then the in-plane pixel becomes about `pixel_mm`.
    The canonical grid covers exactly the field of view of the examination, so the pixel differs from the one
    asked for by up to half a pixel per field of view (below 0.5 % from 80 mm on).

    Parameters
    ----------
    native : Geometry
        The examination's own grid.
    plane : str
        "sagittal", "coronal" or "axial": the plane closest to the slices.
    axes : tuple of 3 int
        Array axes (of k, j, i) that are slices, rows and columns.
    flips : tuple of 3 bool
        Whether slices, rows and columns are counted against the array axis.
    shape : tuple of 3 int
        Canonical slices, rows, columns (s, h, w).
    """

    native: Geometry
    plane: str
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    shape: tuple[int, int, int]

    @property
    def native_shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns before resampling."""
        shape = self.native.array_shape
        return shape[self.axes[0]], shape[self.axes[1]], shape[self.axes[2]]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of canonical slices, rows and columns."""
        spacing = self.native.spacing_mm[::-1]
        n, m = self.native_shape, self.shape
        return (
            spacing[self.axes[0]] * n[0] / m[0],
            spacing[self.axes[1]] * n[1] / m[1],
            spacing[self.axes[2]] * n[2] / m[2],
        )

    @property
    def pitch_mm(self) -> float:
        """Distance of neighboring canonical slices."""
        return self.spacing_mm[0]

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance of rows and of columns."""
        return self.spacing_mm[1:]

    @property
    def geometry(self) -> Geometry:
        """Grid of the canonical slices in the patient: k = slice, j = row, i = column; LPS mm."""
        direction = np.asarray(self.native.direction)
        columns, first = [], np.zeros(3)
        for axis, flip, n, m in zip(self.axes, self.flips, self.native_shape, self.shape, strict=True):
            grid_axis = 2 - axis
            columns.append(direction[:, grid_axis] * (-1 if flip else 1))
            index = n / m / 2 - 0.5  # native index of the first canonical center, counted in canonical direction
            first[grid_axis] = n - 1 - index if flip else index
        return Geometry(
            (self.shape[2], self.shape[1], self.shape[0]),
            self.spacing_mm[::-1],
            tuple(self.native.index_to_point(first)),
            tuple(tuple(row) for row in np.stack(columns[::-1], axis=1)),
        )

    def orient(self, array: np.ndarray) -> np.ndarray:
        """View of an array (..., k, j, i) as (..., slice, row, column), not yet resampled."""
        lead = array.ndim - 3
        view = array.transpose(*range(lead), *(lead + axis for axis in self.axes))
        turned = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        index: tuple[Any, ...] = (Ellipsis, *turned)
        return view[index]

    def sample_labels(self, labels: Volume) -> np.ndarray:
        """Label value nearest to each canonical pixel.

        Parameters
        ----------
        labels : Volume
            Label map on the grid `native`.

        Returns
        -------
        uint8 ndarray of shape (s, h, w)

        Raises
        ------
        InputError
            If the label map has another grid.
        """
        if not labels.geometry.same_grid(self.native):
            raise InputError("The label map does not lie on the grid of its image; resample it to that grid first.")
        index = [nearest_index(n, m) for n, m in zip(self.native_shape, self.shape, strict=True)]
        return np.ascontiguousarray(self.orient(labels.array)[np.ix_(*index)], dtype=np.uint8)

    def to_native(self, stack: np.ndarray | torch.Tensor) -> np.ndarray:
        """Bring channels back to the examination's own grid, linearly.

        Parameters
        ----------
        stack : float ndarray or tensor of shape (s, c, h, w)
            One image per canonical slice and channel.

        Returns
        -------
        float32 ndarray of shape (c, k, j, i)
            Voxels beyond the outermost pixel centers take the nearest one.
        """
        source = self._checked(stack)
        result = np.empty((source.shape[1], *self.native.array_shape), np.float32)
        oriented = self.orient(result)
        for start, stop in self._slabs(source.shape[1]):
            slab = self._in_plane(self._native_pitch(source, start, stop))
            oriented[:, start:stop] = slab.permute(1, 0, 2, 3).numpy()
        return result

    def argmax_to_native(self, stack: np.ndarray | torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Most probable class per voxel of the examination's own grid.

        Parameters
        ----------
        stack : float ndarray or tensor of shape (s, c, h, w)
            Class probabilities per canonical pixel; channel 0 is the background.

        Returns
        -------
        classes : uint8 ndarray of shape (k, j, i)
            Channel of the largest linearly interpolated probability.
        probability : float16 ndarray of shape (k, j, i)
            That probability.
        """
        source = self._checked(stack)
        classes = np.zeros(self.native.array_shape, np.uint8)
        probability = np.empty(self.native.array_shape, np.float16)
        classes_out, probability_out = self.orient(classes), self.orient(probability)
        for start, stop in self._slabs(source.shape[1]):
            winner, best = self._classified(self._native_pitch(source, start, stop))
            classes_out[start:stop] = winner.numpy()
            probability_out[start:stop] = best.to(torch.float16).numpy()
        return classes, probability

    def _checked(self, stack: np.ndarray | torch.Tensor) -> torch.Tensor:
        source = torch.as_tensor(stack).detach().to("cpu")
        expected = (self.shape[0], source.shape[1] if source.ndim == 4 else -1, *self.shape[1:])
        if tuple(source.shape) != expected:
            raise InputError(
                f"The stack has shape {tuple(source.shape)}; "
                f"({self.shape[0]}, channels, {self.shape[1]}, {self.shape[2]}) is needed."
            )
        return source

    def _slabs(self, channels: int) -> list[tuple[int, int]]:
        """Ranges of native slices that together hold about `SLAB_VOXELS` values."""
        slices, rows, columns = self.native_shape
        step = max(1, SLAB_VOXELS // (channels * rows * columns))
        return [(start, min(start + step, slices)) for start in range(0, slices, step)]

    def _native_pitch(self, source: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Slices of a stack at the places of the native slices [start, stop), in-plane still canonical; float32."""
        if self.shape[0] == self.native_shape[0]:
            return source[start:stop].float()
        lower, upper, weight = (tap[start:stop] for tap in linear_taps(self.shape[0], self.native_shape[0]))
        blend = torch.from_numpy(weight.astype(np.float32))[:, None, None, None]
        return torch.lerp(source[lower].float(), source[upper].float(), blend)

    def _in_plane(self, part: torch.Tensor) -> torch.Tensor:
        """Images (n, c, h, w) on the native rows and columns."""
        size = self.native_shape[1:]
        if size == self.shape[1:]:
            return part
        # Both grids cover the same field of view, which is what align_corners=False assumes.
        return F.interpolate(part, size=size, mode="bilinear", align_corners=False)

    def _classified(self, part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Class (uint8) and its probability (float32), each (n, rows, columns).

        Where the background leads at all four neighbors, it leads between them too: the other channels are
        interpolated only in the box where they may win.
        """
        best = self._in_plane(part[:, :1])[:, 0]
        winner = torch.zeros(best.shape, dtype=torch.uint8)
        if part.shape[1] == 1:
            return winner, best
        contested = part[:, 1:].amax(dim=1) >= part[:, 0]
        if not contested.any():
            return winner, best
        box = part
        window = []
        for axis, reduced in ((2, contested.any(dim=2).any(dim=0)), (3, contested.any(dim=1).any(dim=0))):
            inside = torch.nonzero(reduced)
            low, high = int(inside.min()), int(inside.max())
            lower, upper, weight = linear_taps(self.shape[axis - 1], self.native_shape[axis - 1])
            reached = np.flatnonzero((upper >= low) & (lower <= high))
            window.append(slice(int(reached[0]), int(reached[-1]) + 1))
            blend = torch.from_numpy(weight[reached].astype(np.float32)).reshape(-1, *(1,) * (3 - axis))
            before = box.index_select(axis, torch.from_numpy(lower[reached]))
            box = torch.lerp(before, box.index_select(axis, torch.from_numpy(upper[reached])), blend)
        leading, classes = box.max(dim=1)
        best[:, window[0], window[1]] = leading
        winner[:, window[0], window[1]] = classes.to(torch.uint8)
        return winner, best
