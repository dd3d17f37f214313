"""From bone shapes to distances on a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.sdf import Shape

EXACT_BAND_MM = 6.0
"""Within this distance of its surface a bone is evaluated at every voxel; beyond, interpolated from a coarse grid."""
_COARSE = 4


@dataclass(frozen=True, slots=True)
class BoneShape:
    """One bone as functions of position (adult size, left side, LPS mm).

    Parameters
    ----------
    label : int
        Label value, 0 for surroundings.
    shape : Shape
        Signed distance to the mature outer surface.
    physes : tuple of Shape
        Signed distances to the middles of the growth plates, negative on the side of the epiphysis. Empty for a bone
        that ossifies from one center.
    cartilage_mm : float
        Articular cartilage of the adult.
    ossifies_from_center : bool
        True for bones without a shaft (patella, tarsals): all of their surface lies deeper in the young.
    retreats : bool
        False for a bone whose outline does not depend on age except by its size.
    smooth : Callable or None
        Share (n,) from 0 to 1 of the surface perturbation allowed at each point; keeps surfaces of known truth exact.
    """

    label: int
    shape: Shape
    physes: tuple[Shape, ...] = ()
    cartilage_mm: float = 2.0
    ossifies_from_center: bool = False
    smooth: Callable[[np.ndarray], np.ndarray] | None = None
    retreats: bool = True


@dataclass(frozen=True, slots=True)
class JointModel:
    """Bones of one joint, in the order in which they push each other away (an earlier bone is never changed).

    Parameters
    ----------
    bones : list of BoneShape
        Adult size, left side.
    truth : dict
        Exact geometry at adult size: keys ending in `_mm` (numbers and points), `_deg`, `_direction`.
    low_mm, high_mm : tuple of 3 float
        Box of the phantom, adult size.
    gap_mm : float
        Least distance between two bones, adult size.
    gaps_mm : dict
        The same for pairs of labels, earlier bone first.
    tilt_deg : float
        Turn of the whole joint about the left axis (x), on top of a random one: so that both limb parts of a flexed
        joint are oblique.
    """

    bones: list[BoneShape]
    truth: dict[str, object]
    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]
    gap_mm: float = 1.6
    gaps_mm: dict[tuple[int, int], float] = field(default_factory=dict)
    tilt_deg: float = 0.0


def grid_points(geometry: Geometry, stride: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates along x, y, z (float32, mm) of every `stride`-th voxel of a grid with identity direction."""
    axes = [
        (geometry.origin_mm[n] + geometry.spacing_mm[n] * np.arange(0, geometry.size[n], stride)).astype(np.float32)
        for n in range(3)
    ]
    return axes[0], axes[1], axes[2]


def sample_shape(shape: Shape, geometry: Geometry, band_mm: float = EXACT_BAND_MM) -> np.ndarray:
    """Evaluate a shape on a grid: exactly near its surface, interpolated elsewhere.

    Returns
    -------
    float32 ndarray of shape (k, j, i)
        Signed distance, mm.
    """
    shape_kji = geometry.array_shape
    # One coarse node beyond the grid, so that interpolation never extrapolates.
    counts = [-(-(n - 1) // _COARSE) + 1 for n in geometry.size]
    axes = [
        (geometry.origin_mm[n] + geometry.spacing_mm[n] * _COARSE * np.arange(counts[n])).astype(np.float32)
        for n in range(3)
    ]
    coarse_points = np.stack(
        [
            axis.ravel()
            for axis in np.broadcast_arrays(axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None])
        ],
        axis=1,
    )
    coarse = shape(coarse_points).astype(np.float32).reshape(counts[2], counts[1], counts[0])
    values = coarse
    for axis in range(3):
        values = _refine(values, axis, shape_kji[axis])
    near = np.flatnonzero(np.abs(values.ravel()) < band_mm)
    k, j, i = np.unravel_index(near, shape_kji)
    x, y, z = grid_points(geometry)
    flat = values.ravel()
    for start in range(0, near.size, 200_000):
        part = slice(start, start + 200_000)
        points = np.stack([x[i[part]], y[j[part]], z[k[part]]], axis=1)
        flat[near[part]] = shape(points)
    return flat.reshape(shape_kji)


def _refine(values: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Linear interpolation by the coarse factor along one axis, cut to `size`."""
    shape = list(values.shape)
    shape[axis] = size
    fine = np.empty(shape, np.float32)
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(fine, axis, 0)
    for step in range(min(_COARSE, size)):
        part = target[step::_COARSE]
        count = part.shape[0]
        if step == 0:
            part[...] = source[:count]
        else:
            share = np.float32(step / _COARSE)
            part[...] = source[:count] * (1 - share) + source[1 : count + 1] * share
    return fine


def perturbation(rng: np.random.Generator, amplitude_mm: float) -> Shape:
    """Smooth random field of standard deviation `amplitude_mm`, wavelengths 14 to 50 mm, within +-2.5 deviations."""
    waves = 7
    direction = rng.normal(size=(waves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wave = (direction * (2 * np.pi / rng.uniform(14, 50, size=(waves, 1)))).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, waves).astype(np.float32)
    factor = np.float32(amplitude_mm * np.sqrt(2 / waves))

    def value(p: np.ndarray) -> np.ndarray:
        return np.clip(np.cos(p @ wave.T + phase).sum(1) * factor, -2.5 * amplitude_mm, 2.5 * amplitude_mm)

    return value


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, cubic in between."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)
