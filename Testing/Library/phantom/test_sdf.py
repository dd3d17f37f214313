"""Primitives against distances that are known."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import perturbation, sample_shape


def points(seed: int = 0, count: int = 400, reach: float = 30.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-reach, reach, (count, 3)).astype(np.float32)


def test_sphere_is_exact() -> None:
    p = points()
    expected = np.linalg.norm(p - [1, 2, 3], axis=1) - 10
    np.testing.assert_allclose(sdf.sphere((1, 2, 3), 10)(p), expected, atol=1e-4)


def test_ellipsoid_vanishes_on_its_surface_and_has_unit_slope_there() -> None:
    rng = np.random.default_rng(1)
    u = rng.normal(size=(300, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    radii = np.array([20.0, 12.0, 8.0])
    on = u * radii
    normal = u / radii
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    shape = sdf.ellipsoid((0, 0, 0), radii)
    np.testing.assert_allclose(shape(on.astype(np.float32)), 0, atol=1e-3)
    np.testing.assert_allclose(shape((on + 0.5 * normal).astype(np.float32)), 0.5, atol=0.05)


def test_capsule_is_exact() -> None:
    p = points(2)
    t = np.clip((p[:, 2] + 10) / 20, 0, 1)
    expected = np.linalg.norm(p - np.stack([0 * t, 0 * t, -10 + 20 * t], axis=1), axis=1) - 4
    np.testing.assert_allclose(sdf.round_cone((0, 0, -10), 4, (0, 0, 10), 4)(p), expected, atol=1e-4)


def test_triangle_plate_has_its_thickness() -> None:
    shape = sdf.triangle((0, 0, 0), (20, 0, 0), (0, 20, 0), 1.5)
    p = np.array([[4, 4, 5], [4, 4, -5], [4, 4, 0], [-3, 4, 0], [24, 0, 3]], np.float32)
    np.testing.assert_allclose(shape(p), [3.5, 3.5, -1.5, 1.5, 3.5], atol=1e-4)


def test_loft_of_equal_circles_is_a_cylinder() -> None:
    shape = sdf.loft([(-50, 0, 0, 9, 9), (0, 0, 0, 9, 9), (50, 0, 0, 9, 9)])
    p = points(3)
    np.testing.assert_allclose(shape(p), np.hypot(p[:, 0], p[:, 1]) - 9, atol=2e-3)


def test_smooth_union_fills_only_near_the_seam() -> None:
    a, b = sdf.sphere((-8, 0, 0), 10), sdf.sphere((8, 0, 0), 10)
    p = points(4)
    sharp, smooth = sdf.union(a, b)(p), sdf.smooth_union(4, a, b)(p)
    assert np.all(smooth <= sharp + 1e-5)
    assert np.all(sharp - smooth <= 1.0 + 1e-5)
    far = np.abs(a(p) - b(p)) > 4
    np.testing.assert_allclose(smooth[far], sharp[far], atol=1e-5)


def test_difference_removes() -> None:
    shape = sdf.smooth_difference(1.0, sdf.sphere((0, 0, 0), 10), sdf.half_space((0, 0, 0), (0, 0, 1)))
    assert shape(np.array([[0, 0, -5]], np.float32))[0] > 0
    assert shape(np.array([[0, 0, 5]], np.float32))[0] < 0


def test_moving_and_scaling_keep_distances() -> None:
    turn = sdf.rotation_deg((1, 2, 3), 40)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    shape = sdf.round_cone((0, 0, 0), 5, (10, 0, 0), 5)
    p = points(5)
    placed = (p @ turn.T + [3, 4, 5]).astype(np.float32)
    np.testing.assert_allclose(sdf.moved(shape, turn, (3, 4, 5))(placed), shape(p), atol=1e-3)
    np.testing.assert_allclose(sdf.scaled(shape, 0.5)(p * np.float32(0.5)), 0.5 * shape(p), atol=1e-3)


def test_sampling_is_exact_near_the_surface() -> None:
    geometry = Geometry((41, 37, 33), (0.9, 0.9, 0.9), (-18.0, -16.0, -14.0))
    shape = sdf.sphere((1, 0, -1), 9)
    sampled = sample_shape(shape, geometry)
    k, j, i = np.indices(geometry.array_shape)
    exact = shape(geometry.index_to_point(np.stack([i, j, k], -1)).reshape(-1, 3).astype(np.float32))
    difference = np.abs(sampled.ravel() - exact)
    assert sampled.dtype == np.float32
    assert difference[np.abs(exact) < 5].max() < 1e-3
    # Farther away the center of the ball, where the distance has a kink, is the worst place.
    assert difference.max() < 4 * 0.9


def test_perturbation_has_its_amplitude() -> None:
    values = perturbation(np.random.default_rng(0), 0.5)(points(6, 5000, 100.0))
    assert values.std() == pytest.approx(0.5, rel=0.15)
    assert np.abs(values).max() <= 1.25
