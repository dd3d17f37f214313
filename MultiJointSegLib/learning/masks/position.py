"""Where a point lies relative to a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.source import BodyMask

LEVEL_MM = 4.0
SMOOTHING_MM = 8.0
REACH = 2.0
"""Coordinates are cut at this many half-widths."""

SIDE_SIGN = {"left": 1.0, "right": -1.0}
"""x of LPS grows to the patient's left, which is lateral on the left and medial on the right."""


@dataclass(frozen=True, slots=True)
class MaskFrame:
    """Coordinates that a mask defines, in the patient's axes (LPS), whatever the grid.

    At each level (height along the body) the center is the cross-section's center of gravity, the half-widths are
    twice its standard deviations: so a field of view that cuts the body across changes nothing at the levels that
    remain. The height counts from the mask's center of gravity in units of its size; of all coordinates it alone
    changes with the field of view where the body is cut at the head or feet.

    Parameters
    ----------
    level_mm : float64 ndarray of shape (n,)
        z of the levels, ascending.
    center_mm, half_mm : float64 ndarray of shape (n, 2)
        x and y of the center, and half-widths, at each level.
    center_z_mm, size_mm : float
        Origin and unit of the height.
    side : {"left", "right"} or None
        None: unknown, or both sides are in the mask.
    """

    level_mm: np.ndarray
    center_mm: np.ndarray
    half_mm: np.ndarray
    center_z_mm: float
    size_mm: float
    side: str | None

    def coordinates(self, points_mm: np.ndarray) -> np.ndarray:
        """Mask-relative coordinates of points.

        Parameters
        ----------
        points_mm : float ndarray of shape (..., 3)
            LPS.

        Returns
        -------
        float32 ndarray of shape (4, ...)
            Distance from the middle (the same for both sides of the body); lateral position (positive is lateral;
            0 where the side is unknown); front (negative) to back; feet (negative) to head. About -1 to 1 inside the
            mask, cut at `REACH`.
        """
        z = points_mm[..., 2]
        x, y = (
            (points_mm[..., axis] - np.interp(z, self.level_mm, self.center_mm[:, axis]))
            / np.interp(z, self.level_mm, self.half_mm[:, axis])
            for axis in (0, 1)
        )
        lateral = x * SIDE_SIGN.get(self.side or "", 0.0)
        height = (z - self.center_z_mm) / self.size_mm
        return np.clip(np.stack([np.abs(x), lateral, y, height]), -REACH, REACH).astype(np.float32)


def side_of(volume: Volume) -> str | None:
    """Side of the body, "left" or "right" where the source says so (DICOM Laterality), else None."""
    return {"L": "left", "R": "right"}.get(str(volume.metadata.get("laterality", "")).strip().upper()[:1])


def mask_frame(mask: BodyMask, side: str | None = None) -> MaskFrame:
    """Coordinates of a mask.

    Parameters
    ----------
    mask : BodyMask
        Of the source `skin`: a frame per level. Of the others, which are made of several pieces, one frame for all.
    side : {"left", "right"}, optional

    Returns
    -------
    MaskFrame
    """
    points = _points_mm(mask.volume)
    low, high = points[:, 2].min(), points[:, 2].max()
    per_level = mask.source == "skin"
    step = max(LEVEL_MM, float(np.abs(np.asarray(mask.volume.geometry.direction)[2] * mask.volume.spacing_mm).max()))
    count = max(1, int(np.ceil((high - low) / step + 1e-6))) if per_level else 1
    bins = np.minimum(((points[:, 2] - low) / max(high - low, 1e-6) * count).astype(int), count - 1)
    size = np.bincount(bins, minlength=count).astype(float)
    first = np.stack([np.bincount(bins, points[:, a], count) for a in (0, 1)], axis=1)
    second = np.stack([np.bincount(bins, points[:, a] ** 2, count) for a in (0, 1)], axis=1)
    if count > 1:
        sigma = SMOOTHING_MM / step
        size, first, second = (gaussian_filter1d(m, sigma, axis=0, mode="nearest") for m in (size, first, second))
    center = first / size[:, None]
    least = min(mask.volume.spacing_mm)
    half = np.maximum(2 * np.sqrt(np.maximum(second / size[:, None] - center**2, 0)), least)
    unit = float(np.median(np.sqrt(half.prod(axis=1)))) if per_level else max(2 * float(points[:, 2].std()), least)
    level = low + (np.arange(count) + 0.5) * (high - low) / count
    return MaskFrame(level, center, half, float(points[:, 2].mean()), unit, side if side in SIDE_SIGN else None)


def grid_points_mm(geometry: Geometry) -> np.ndarray:
    """LPS positions (k, j, i, 3) in mm of all voxels, float32."""
    matrix = geometry.index_to_lps
    k, j, i = (np.arange(n, dtype=np.float32) for n in geometry.array_shape)
    columns = matrix[:3, :3].astype(np.float32)
    return np.asarray(
        i[None, None, :, None] * columns[:, 0]
        + j[None, :, None, None] * columns[:, 1]
        + k[:, None, None, None] * columns[:, 2]
        + matrix[:3, 3].astype(np.float32)
    )


def _points_mm(mask: Volume) -> np.ndarray:
    """LPS positions (n, 3) of the mask's voxels."""
    index = np.argwhere(mask.array > 0)[:, ::-1]
    return mask.geometry.index_to_point(index)
