"""Shapes with known truth, digitized on any grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume

Digitize = Callable[..., Volume]


def _rotation(angles_deg: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(angles_deg)):
        turn = np.eye(3)
        a, b = [n for n in range(3) if n != axis]
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


@pytest.fixture(scope="session")
def rotation() -> Callable[[tuple[float, float, float]], np.ndarray]:
    return _rotation


@pytest.fixture(scope="session")
def digitize() -> Digitize:
    """Function (radii_mm, spacing_mm, ...) -> mask or probability Volume of an ellipsoid whose axes are L, P, S."""

    def make(
        radii_mm: tuple[float, float, float] | float,
        spacing_mm: tuple[float, float, float],
        *,
        center_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
        direction: np.ndarray | None = None,
        shift_voxels: np.ndarray | tuple[float, float, float] = (0.0, 0.0, 0.0),
        soft_mm: float | None = None,
        cut_at_voxel: int | None = None,
    ) -> Volume:
        radii = np.broadcast_to(np.asarray(radii_mm, float), 3)
        spacing = np.asarray(spacing_mm, float)
        direction = np.eye(3) if direction is None else np.asarray(direction, float)
        # The box of the turned ellipsoid in grid axes, with a rim of three voxels.
        half = np.sqrt(((direction.T * radii) ** 2).sum(axis=1))
        size = np.ceil((2 * half) / spacing).astype(int) + 6
        first = -(size - 1) / 2 - np.asarray(shift_voxels)
        origin = np.asarray(center_mm) + direction @ (first * spacing)
        geometry = Geometry(tuple(size), tuple(spacing), tuple(origin), tuple(map(tuple, direction)))
        axes = np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij")
        points = geometry.index_to_point(np.stack(axes[::-1], axis=-1)) - np.asarray(center_mm)
        level = np.linalg.norm(points / radii, axis=-1)
        if soft_mm is None:
            array = (level < 1.0).astype(np.uint8)
        else:
            # About the signed distance; exact for spheres.
            array = (1.0 / (1.0 + np.exp((level - 1.0) * radii.min() / soft_mm))).astype(np.float32)
        if cut_at_voxel is not None:
            array = array[cut_at_voxel:]
            start = geometry.index_to_point(np.array([0, 0, cut_at_voxel]))
            geometry = Geometry(array.shape[::-1], geometry.spacing_mm, tuple(start), geometry.direction)
        return Volume(np.ascontiguousarray(array), geometry, "MR")

    return make
