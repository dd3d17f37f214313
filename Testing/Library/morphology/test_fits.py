"""Robust fits on noisy shapes with outliers."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.cylinder_fit import fit_cylinder
from MultiJointSegLib.morphology.fits import fit_circle, fit_line, fit_plane, fit_sphere

NOISE_MM = 0.2
CENTER = np.array([-80.0, 40.0, 500.0])


def with_outliers(points: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    count = int(share / (1 - share) * len(points))
    return np.concatenate([points, CENTER + rng.uniform(-60, 60, (count, 3))])


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(min(abs(a @ b), 1.0))))


@pytest.fixture(params=range(3))
def setting(request, rotation):
    return np.random.default_rng(request.param), rotation(request.param)


def test_line(setting):
    rng, turn = setting
    points = CENTER + np.outer(rng.uniform(-40, 40, 300), turn[:, 0]) + rng.normal(0, NOISE_MM, (300, 3))
    fit = fit_line(with_outliers(points, 0.3, rng))
    assert angle_deg(fit.direction, turn[:, 0]) < 0.2
    offset = CENTER - fit.point_mm
    assert np.linalg.norm(offset - (offset @ fit.direction) * fit.direction) < 0.1
    assert fit.quality.inliers[:300].mean() > 0.9
    assert fit.quality.inliers[300:].mean() < 0.1


def test_plane(setting):
    rng, turn = setting
    flat = rng.uniform(-30, 30, (400, 2))
    points = CENTER + flat @ turn[:, :2].T + np.outer(rng.normal(0, NOISE_MM, 400), turn[:, 2])
    fit = fit_plane(with_outliers(points, 0.35, rng))
    assert angle_deg(fit.normal, turn[:, 2]) < 0.2
    assert abs((CENTER - fit.point_mm) @ fit.normal) < 0.05
    assert 0.15 < fit.quality.residual_mm < 0.3


def test_sphere_from_a_cap(setting):
    rng, turn = setting
    directions = rng.normal(size=(3000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    cap = directions[directions @ turn[:, 0] > 0.3][:600]
    points = CENTER + cap * (21.0 + rng.normal(0, NOISE_MM, (len(cap), 1)))
    fit = fit_sphere(with_outliers(points, 0.35, rng))
    assert fit.radius_mm == pytest.approx(21.0, abs=0.15)
    assert np.linalg.norm(fit.center_mm - CENTER) < 0.2
    assert fit.quality.residual_mm == pytest.approx(NOISE_MM, rel=0.25)
    assert 0.55 < fit.quality.inlier_fraction < 0.75


def test_circle(setting):
    rng, turn = setting
    angle = rng.uniform(0, 1.4 * np.pi, 300)
    points = CENTER + 15.0 * np.column_stack([np.cos(angle), np.sin(angle)]) @ turn[:, :2].T
    fit = fit_circle(with_outliers(points + rng.normal(0, NOISE_MM, (300, 3)), 0.25, rng))
    assert fit.radius_mm == pytest.approx(15.0, abs=0.15)
    assert np.linalg.norm(fit.center_mm - CENTER) < 0.2
    assert angle_deg(fit.normal, turn[:, 2]) < 0.5


@pytest.mark.parametrize("known_axis", [False, True])
def test_cylinder(setting, known_axis):
    rng, turn = setting
    angle, height = rng.uniform(0, 1.5 * np.pi, 600), rng.uniform(-35, 35, 600)
    radius = 11.0 + rng.normal(0, NOISE_MM, 600)
    points = CENTER + np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height]) @ turn.T
    guess = turn[:, 2] + 0.15 * turn[:, 0] if known_axis else None
    fit = fit_cylinder(with_outliers(points, 0.2 if known_axis else 0.05, rng), axis=guess)
    assert fit.radius_mm == pytest.approx(11.0, abs=0.15)
    assert angle_deg(fit.axis, turn[:, 2]) < 0.3
    offset = CENTER - fit.point_mm
    assert np.linalg.norm(offset - (offset @ fit.axis) * fit.axis) < 0.15


def test_exact_points_give_exact_shapes():
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(200, 3))
    points = CENTER + 7.0 * directions / np.linalg.norm(directions, axis=1)[:, None]
    fit = fit_sphere(points)
    assert np.allclose(fit.center_mm, CENTER, atol=1e-6)
    assert fit.quality.inliers.all()


def test_fits_repeat():
    points = np.random.default_rng(2).normal(size=(100, 3)) * (5, 5, 0.1)
    assert np.array_equal(fit_plane(points).normal, fit_plane(points).normal)


@pytest.mark.parametrize("fit", [fit_line, fit_plane, fit_sphere, fit_circle, fit_cylinder])
def test_impossible_points_are_refused(fit):
    with pytest.raises(MultiJointSegError, match="at least"):
        fit(np.zeros((2, 3)))
    with pytest.raises(MultiJointSegError, match="at least"):
        fit(np.full((20, 3), np.nan))


def test_points_on_a_line_determine_no_plane_or_sphere():
    points = np.outer(np.arange(20.0), [1.0, 2.0, 3.0])
    for fit in (fit_plane, fit_sphere, fit_circle):
        with pytest.raises(MultiJointSegError, match="determine"):
            fit(points)
