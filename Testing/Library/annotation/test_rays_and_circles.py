"""Ray rules on profiles with known edges, circles, discs of a sphere, and the sphere of a head."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.annotation.circles import Circle, circle_through, disc_radius, refine_circle
from MultiJointSegLib.annotation.head_sphere import find_head_sphere, joint_enhanced
from MultiJointSegLib.annotation.ray_rules import RayRules, ray_candidates
from MultiJointSegLib.errors import MultiJointSegError

#                      marrow    rises to cortex   falls to the gap   rises to the socket
INTENSITY = np.array([[200, 200, 500, 900, 900, 600, 100, 90, 400, 800]], float)
GRADIENT = np.array([[0, 100, 350, 200, 150, 400, 250, 150, 355, 200]], float)
DENSE = INTENSITY > 150


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((True, True, True), [5]),
        ((True, False, True), [2, 5, 8]),
        ((True, True, False), [5]),
        ((True, False, False), [1, 2, 5, 8]),
        ((False, True, False), [5]),
        ((False, True, True), [5]),
    ],
)
def test_each_rule_keeps_exactly_its_candidates(rules, expected):
    second, first, suppression = rules
    found = ray_candidates(INTENSITY, GRADIENT, DENSE, RayRules(second, first, suppression))
    assert np.flatnonzero(found[0]).tolist() == expected


def test_suppression_removes_all_but_the_top_of_a_slope():
    falling = np.array([[900, 800, 600, 300, 160, 155]], float)
    gradient = np.array([[10, 100, 250, 300, 120, 5]], float)
    bone = np.ones_like(falling, bool)
    without = ray_candidates(falling, gradient, bone, RayRules(True, True, suppression=False))
    assert np.flatnonzero(without[0]).tolist() == [1, 2, 3]
    assert np.flatnonzero(ray_candidates(falling, gradient, bone, RayRules())[0]).tolist() == [3]


def test_circle_through_three_points():
    circle = circle_through((3.0, 4.0), (8.0, 9.0), (3.0, 14.0))
    assert circle.center == pytest.approx((3.0, 9.0))
    assert circle.radius == pytest.approx(5.0)
    with pytest.raises(MultiJointSegError, match="one line"):
        circle_through((0.0, 0.0), (1.0, 1.0), (2.0, 2.0))


def test_a_circle_is_found_among_outliers():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 1.3 * np.pi, 120)
    points = np.array([10.0, -4.0]) + 20 * np.column_stack([np.sin(angle), np.cos(angle)])
    points += rng.normal(0, 0.2, points.shape)
    clutter = rng.uniform(-25, 30, (80, 2))
    both = np.concatenate([points, clutter])
    circle, inliers = refine_circle(both, np.ones(200), Circle((12.0, -6.0), 21.0), (17.0, 25.0), 4.0)
    assert circle.center == pytest.approx((10.0, -4.0), abs=0.4)
    assert circle.radius == pytest.approx(20.0, abs=0.4)
    assert inliers[:120].mean() > 0.6
    assert inliers[120:].mean() < 0.2
    assert refine_circle(both[:5], np.ones(5), circle, (17.0, 25.0), 4.0) is None


def test_discs_fill_the_sphere():
    radius, pixel, pitch = 20 * 0.8, 0.8, 2.0
    assert disc_radius(radius, 3 * pitch) / pixel == pytest.approx(18.5405, abs=1e-4)
    assert disc_radius(radius, 0.0) == radius
    assert disc_radius(radius, 16.1) == 0.0
    heights = np.arange(-20.0, 20.0, 0.01)
    volume = sum(np.pi * disc_radius(radius, h) ** 2 for h in heights) * 0.01
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=1e-4)


@pytest.mark.parametrize(("spacing", "gap"), [((1.0, 0.7, 0.7), 3.0), ((3.0, 0.7, 0.8), 3.0), ((1.5, 0.8, 0.8), 1.5)])
def test_sphere_of_a_head_in_its_socket(ball_in_socket, spacing, gap):
    spacing = np.asarray(spacing)
    shape = tuple(np.ceil(np.array([64.0, 66.0, 72.0]) / spacing).astype(int))
    center = np.array([32.3, 33.1, 36.4])
    image = ball_in_socket(spacing, shape, center, 22.0, gap=gap, noise=25.0)
    sphere = find_head_sphere(image, spacing, center + [3.0, 2.0, -2.0], 20.0)
    assert np.linalg.norm(sphere.center - center) < 0.5 * spacing.max()
    assert sphere.radius == pytest.approx(22.0, abs=0.6)
    assert sphere.coverage > 0.4
    assert sphere.residual < 1.0


def test_rules_thin_out_what_circles_see_and_the_sphere_takes_one_border_of_each_ray(ball_in_socket):
    spacing, center = np.array([3.0, 0.8, 0.8]), np.array([32.3, 33.1, 36.4])
    shape = tuple(np.ceil(np.array([64.0, 66.0, 72.0]) / spacing).astype(int))
    image = ball_in_socket(spacing, shape, center, 22.0, noise=25.0)

    def points(**rules):
        return len(find_head_sphere(image, spacing, center, 21.0, RayRules(**rules)).points)

    alone = points(sphere_prior=False)
    assert points(sphere_prior=False, second_order=False) > 2 * alone
    assert points(sphere_prior=False, suppression=False) > 2 * alone
    # Near the sphere each ray gives its strongest candidate, which is the top of a slope with the rules or without.
    assert points(second_order=False, suppression=False) == pytest.approx(points(), rel=0.1)


def test_no_head_is_said():
    with pytest.raises(MultiJointSegError, match="Fewer than three slices"):
        find_head_sphere(np.full((20, 60, 60), 40.0, np.float32), np.ones(3), np.array([10.0, 30.0, 30.0]), 20.0)


def test_the_joint_space_is_pressed_down():
    image = np.full((40, 40), 900.0, np.float32)
    image[:, 20:22] = 300.0
    enhanced = joint_enhanced(image, np.array([0.7, 0.7]))
    assert enhanced[20, 20] < 250
    assert enhanced[20, 5] == pytest.approx(900, abs=20)
