"""Bodies in air with known outlines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.position import grid_points_mm


@pytest.fixture
def geometry() -> Geometry:
    """Coronal slices of 4 mm, pixels of 2 mm; the origin of the patient's axes is in the middle."""
    return Geometry((60, 50, 24), (2.0, 2.0, 4.0), (-59.0, -46.0, 49.0), ((1, 0, 0), (0, 0, 1), (0, -1, 0)))


@pytest.fixture
def cylinder() -> Callable[..., np.ndarray]:
    """Voxels of an upright elliptic cylinder: center x and y, half axes, levels."""

    def make(geometry, center_mm=(0.0, 0.0), half_mm=(38.0, 30.0), levels_mm=(-1e3, 1e3)):
        points = grid_points_mm(geometry)
        inside = (((points[..., :2] - center_mm) / half_mm) ** 2).sum(-1) <= 1
        return inside & (points[..., 2] >= levels_mm[0]) & (points[..., 2] <= levels_mm[1])

    return make


@pytest.fixture
def as_mr() -> Callable[..., Volume]:
    """MR of tissue (bool, or intensities): air with noise, tissue about 300."""

    def make(tissue, geometry, seed=0):
        rng = np.random.default_rng(seed)
        signal = np.where(tissue, 300.0, 0.0) if tissue.dtype == bool else tissue
        noisy = np.hypot(signal + rng.normal(0, 6, signal.shape), rng.normal(0, 6, signal.shape))
        return Volume(noisy.astype(np.int16), geometry, "MR")

    return make
