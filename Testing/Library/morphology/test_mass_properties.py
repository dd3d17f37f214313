"""Volume, centroid and principal axes against closed formulae."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.mass_properties import extent_along, mass_properties
from MultiJointSegLib.surface.mesh import Surface

MIRROR = np.diag([-1.0, 1.0, 1.0])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_box(box, rotation, seed, mirrored):
    lengths, center = np.array([60.0, 25.0, 12.0]), np.array([-500.0, 230.0, 1400.0])
    matrix = rotation(seed) @ (MIRROR if mirrored else np.eye(3))
    solid = mass_properties(box(lengths, matrix, center))
    assert solid.volume_mm3 == pytest.approx(np.prod(lengths), rel=1e-9)
    assert np.allclose(solid.centroid_mm, center, atol=1e-8)
    assert np.allclose(np.linalg.eigvalsh(solid.covariance_mm2)[::-1], lengths**2 / 12, rtol=1e-8)
    assert np.allclose(np.abs(np.sum(solid.axes * matrix.T, axis=1)), 1.0, atol=1e-8)
    assert np.linalg.det(solid.axes) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_ellipsoid(ellipsoid, rotation, seed):
    radii, center = np.array([30.0, 20.0, 11.0]), np.array([80.0, -40.0, 300.0])
    matrix = rotation(seed)
    surface = ellipsoid(radii, center, matrix)
    solid = mass_properties(surface)
    assert solid.volume_mm3 == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=2e-3)
    assert np.allclose(solid.centroid_mm, center, atol=1e-6)
    assert np.allclose(np.linalg.eigvalsh(solid.covariance_mm2)[::-1], radii**2 / 5, rtol=3e-3)
    for axis, column, radius in zip(solid.axes, matrix.T, radii, strict=True):
        angle_deg = np.degrees(np.arccos(min(abs(axis @ column), 1.0)))
        assert angle_deg < 0.05
        assert extent_along(surface, axis)[0] == pytest.approx(2 * radius, rel=1e-3)


def test_axes_are_those_of_the_solid_not_of_the_points(box):
    """Points crowded at one end must not turn the axes or move the centroid."""
    surface = box((40.0, 20.0, 10.0))
    points, triangles = surface.points_mm, list(surface.triangles)
    for _ in range(6):
        a, b, c = triangles.pop()
        points = np.concatenate([points, [points[[a, b, c]].mean(axis=0)]])
        n = len(points) - 1
        triangles += [(a, b, n), (b, c, n), (c, a, n)]
    solid = mass_properties(Surface(points, np.array(triangles)))
    assert np.allclose(solid.centroid_mm, 0, atol=1e-9)
    assert np.allclose(np.abs(solid.axes), np.eye(3), atol=1e-9)


def test_an_open_or_inverted_surface_is_refused(box):
    surface = box((1.0, 2.0, 3.0))
    with pytest.raises(MultiJointSegError, match="oriented outward"):
        mass_properties(Surface(surface.points_mm, surface.triangles[:, ::-1]))
    with pytest.raises(MultiJointSegError, match="no triangle"):
        mass_properties(Surface(np.zeros((0, 3)), np.zeros((0, 3), int)))
