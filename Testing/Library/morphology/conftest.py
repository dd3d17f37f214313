"""Shapes with known truth as surfaces, and the shared data where it is present."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from vtkmodules.vtkFiltersSources import vtkSphereSource

from MultiJointSegLib.surface.mesh import Surface, from_polydata


def _ball(resolution: int) -> Surface:
    source = vtkSphereSource()
    source.SetRadius(1.0)
    source.SetThetaResolution(resolution)
    source.SetPhiResolution(resolution)
    source.SetOutputPointsPrecision(1)
    source.Update()
    return from_polydata(source.GetOutput())


@pytest.fixture(scope="session")
def ellipsoid() -> Callable[..., Surface]:
    """Function (radii_mm, center_mm, matrix) -> finely meshed ellipsoid, turned by a 3x3 matrix about its center."""
    ball = _ball(160)

    def make(radii_mm, center_mm=(0.0, 0.0, 0.0), matrix=None) -> Surface:
        placement = np.eye(4)
        placement[:3, :3] = (np.eye(3) if matrix is None else matrix) * np.broadcast_to(radii_mm, 3)
        placement[:3, 3] = center_mm
        return ball.transformed(placement)

    return make


@pytest.fixture(scope="session")
def box() -> Callable[..., Surface]:
    """Function (lengths_mm, matrix, center_mm) -> box of twelve triangles."""
    corners = np.array([[a, b, c] for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = np.array([t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))])

    def make(lengths_mm, matrix=None, center_mm=(0.0, 0.0, 0.0)) -> Surface:
        placement = np.eye(4)
        placement[:3, :3] = (np.eye(3) if matrix is None else matrix) * np.asarray(lengths_mm, float)
        placement[:3, 3] = center_mm
        return Surface(corners, triangles).transformed(placement)

    return make


@pytest.fixture(scope="session")
def rotation() -> Callable[[int], np.ndarray]:
    """Function (seed) -> random proper rotation matrix."""

    def make(seed: int) -> np.ndarray:
        matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
        return matrix * np.sign(np.linalg.det(matrix))

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared development data; skips when it is not there."""
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("MULTIJOINTSEG_SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("The shared development data is not on this machine.")
    return folder
