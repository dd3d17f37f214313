"""Smooth fields on coarse grids: what the soft tissue around bones is made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MultiJointSegLib.imaging.geometry import Geometry


def _cubic_weights(positions: np.ndarray, nodes: int) -> np.ndarray:
    """Uniform cubic B-spline weights (n, nodes) at fractional node positions; the end nodes repeat outside."""
    base = np.floor(positions).astype(int)
    t = positions - base
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1) / 6
    matrix = np.zeros((positions.size, nodes), np.float32)
    rows = np.arange(positions.size)
    for offset in range(4):
        np.add.at(matrix, (rows, np.clip(base + offset - 1, 0, nodes - 1)), weights[:, offset])
    return matrix


def linear_weights(positions: np.ndarray, nodes: int) -> np.ndarray:
    """Linear interpolation matrix (n, nodes) at fractional node positions; constant outside."""
    base = np.clip(np.floor(positions).astype(int), 0, max(nodes - 2, 0))
    t = np.clip(positions - base, 0, 1).astype(np.float32)
    matrix = np.zeros((positions.size, nodes), np.float32)
    rows = np.arange(positions.size)
    matrix[rows, base] = 1 - t
    matrix[rows, np.minimum(base + 1, nodes - 1)] += t
    return matrix


def resample_separable(array: np.ndarray, matrices: tuple[np.ndarray, ...]) -> np.ndarray:
    """Multiply each of the three axes with its (new, old) matrix: tensor-product interpolation, float32."""
    out = np.asarray(array, np.float32)
    k, j, i = out.shape
    out = (matrices[0] @ out.reshape(k, j * i)).reshape(-1, j, i)
    out = np.matmul(matrices[1], out)
    return np.matmul(out, matrices[2].T)


def smooth_noise(
    shape: tuple[int, int, int],
    spacing_mm: float | tuple[float, float, float],
    wavelength_mm: float | tuple[float, float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Smooth random field of about zero mean and unit variance.

    Parameters
    ----------
    shape : (k, j, i)
    spacing_mm, wavelength_mm : float or one per array axis (k, j, i)
        Voxel spacing, and distance between the independent nodes of the cubic B-spline.

    Returns
    -------
    float32 ndarray of shape (k, j, i)
    """
    step = np.broadcast_to(np.asarray(wavelength_mm, float), 3) / np.broadcast_to(np.asarray(spacing_mm, float), 3)
    nodes = [int(np.ceil(n / s)) + 4 for n, s in zip(shape, step, strict=True)]
    values = rng.standard_normal(nodes).astype(np.float32)
    shift = rng.uniform(0, 1, 3)
    matrices = tuple(
        _cubic_weights(1 + d + np.arange(n) / s, m) for n, s, m, d in zip(shape, step, nodes, shift, strict=True)
    )
    # The variance of a cubic B-spline with unit normal coefficients is 0.479 per axis on average.
    return resample_separable(values, matrices) / np.float32(0.479**1.5)


@dataclass(frozen=True, slots=True)
class CoarseGrid:
    """Every `step`-th voxel of a fine grid, and the way back by interpolation.

    Parameters
    ----------
    fine : Geometry
        Isotropic, identity direction.
    step : int
    """

    fine: Geometry
    step: int

    @property
    def spacing_mm(self) -> float:
        """Distance of coarse nodes."""
        return self.fine.spacing_mm[0] * self.step

    @property
    def shape(self) -> tuple[int, int, int]:
        """Array shape (k, j, i) of the coarse grid."""
        k, j, i = ((n + self.step - 1) // self.step for n in self.fine.array_shape)
        return k, j, i

    def coarsen(self, array: np.ndarray) -> np.ndarray:
        """Values of a fine array at the coarse nodes."""
        s = self.step
        return array[::s, ::s, ::s]

    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """LPS coordinates x, y, z in mm of the nodes, as float32 arrays that broadcast to (k, j, i)."""
        k, j, i = self.shape
        x, y, z = (
            (o + self.spacing_mm * np.arange(n)).astype(np.float32)
            for o, n in zip(self.fine.origin_mm, (i, j, k), strict=True)
        )
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def refine(self, array: np.ndarray, *, smooth: bool = False) -> np.ndarray:
        """Interpolate to the fine grid: linear, or (smooth) with cubic B-splines, which blur by about half a step."""
        weights = _cubic_weights if smooth else linear_weights
        return resample_separable(
            array,
            tuple(
                weights(np.arange(n) / self.step, m) for n, m in zip(self.fine.array_shape, array.shape, strict=True)
            ),
        )


def signed_distance(mask: np.ndarray, spacing_mm: float | tuple[float, float, float]) -> np.ndarray:
    """Signed Euclidean distance in mm to the border of a mask, negative inside, float32 (k, j, i)."""
    spacing = tuple(np.broadcast_to(np.asarray(spacing_mm, float), 3))
    if not mask.any():
        return np.full(mask.shape, 1e3, np.float32)
    if mask.all():
        return np.full(mask.shape, -1e3, np.float32)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    half = 0.5 * min(spacing)
    return np.where(mask, half - inside, outside - half).astype(np.float32)


def smooth_step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, cubic between (works for low > high too)."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def distance_to_polyline(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, points_mm: np.ndarray, radii_mm: np.ndarray | None = None
) -> np.ndarray:
    """Distance in mm to a chain of segments, less the radius interpolated along it (0 without radii).

    Parameters
    ----------
    x, y, z : broadcastable float arrays, LPS mm
    points_mm : (n, 3) with n >= 2
    radii_mm : (n,)
    """
    best: np.ndarray | None = None
    points = np.asarray(points_mm, np.float32)
    radii = np.zeros(len(points), np.float32) if radii_mm is None else np.asarray(radii_mm, np.float32)
    for a, b, ra, rb in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
        axis = b - a
        length2 = max(float(axis @ axis), 1e-6)
        dx, dy, dz = x - a[0], y - a[1], z - a[2]
        t = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / length2, 0, 1)
        d = np.sqrt((dx - t * axis[0]) ** 2 + (dy - t * axis[1]) ** 2 + (dz - t * axis[2]) ** 2) - (ra + t * (rb - ra))
        best = d if best is None else np.minimum(best, d)
    assert best is not None
    return best
