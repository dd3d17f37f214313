"""Images of heads and plates with exact truth, small enough for every test run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def ball_in_socket() -> Callable[..., np.ndarray]:
    """Function (spacing_kji, size_mm, center, radius, ...) -> HU of a head on a neck in its socket.

    The head is a dense shell around marrow; the socket a shell behind a gap on the side of -i (toward the right) and
    up; the neck leaves toward +i and down. Values are averaged over the voxel along the radius.
    """

    def make(spacing, shape, center, radius, *, gap=3.0, mirrored=False, noise=0.0) -> np.ndarray:
        k, j, i = (
            (np.arange(n) * s - c).reshape([-1 if a == b else 1 for b in range(3)])
            for a, (n, s, c) in enumerate(zip(shape, spacing, center, strict=True))
        )
        if mirrored:
            i = -i
        distance = np.sqrt(k**2 + j**2 + i**2)
        soft = float(np.mean(spacing))
        image = np.full(shape, 50.0)

        def blend(depth, value):
            share = np.clip(0.5 + depth / soft, 0, 1)
            return image + share * (value - image)

        along = (i - k) / np.sqrt(2)
        across = np.sqrt(np.maximum(distance**2 - along**2, 0))
        neck = np.minimum(0.62 * radius - across, along)
        image = blend(neck, 1000.0)
        image = blend(neck - 2.5, 200.0)
        image = blend(radius - distance, 1000.0)
        image = blend(radius - 2.5 - distance, 200.0)
        facing = along < 0.25 * distance
        cup = np.minimum(distance - radius - gap, radius + gap + 4.0 - distance)
        image = np.where(facing, blend(cup, 1000.0), image)
        if noise:
            image = image + np.random.default_rng(0).normal(0, noise, shape)
        return image.astype(np.float32)

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared development data; skips when it is not there."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("MULTIJOINTSEG_SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("The shared development data is not on this machine.")
    return folder
