"""Each known defect of the released code of arXiv:2306.04579 has a test that it does not return here."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import MultiJointSegLib.annotation as annotation
from MultiJointSegLib.annotation.circles import outlier_limit
from MultiJointSegLib.annotation.head_sphere import RAYS, find_head_sphere, highest_used
from MultiJointSegLib.annotation.ray_rules import ALL_RULES, RayRules

SPACING = np.array([2.0, 0.8, 0.9])
SHAPE = (34, 90, 84)
CENTER = np.array([33.0, 36.0, 38.0])
RADIUS = 20.0


def test_the_sphere_lies_where_it_is_and_not_about_the_first_slice(ball_in_socket):
    """There discs are laid symmetrically about the slice picked by hand: five slices off moves the head by 10 mm."""
    image = ball_in_socket(SPACING, SHAPE, CENTER, RADIUS)
    for slices_off in (-5, 0, 5):
        start = CENTER + [slices_off * SPACING[0], 1.0, -1.0]
        sphere = find_head_sphere(image, SPACING, start, RADIUS)
        assert np.linalg.norm(sphere.center - CENTER) < 0.7
        assert sphere.radius == pytest.approx(RADIUS, abs=0.5)


def test_thick_slices_do_not_enlarge_the_head(ball_in_socket):
    """Away from the center a thick slice shows the outline of its side nearer to the center."""
    fine = ball_in_socket(np.array([0.5, 0.8, 0.9]), (136, *SHAPE[1:]), CENTER, RADIUS)
    thick = fine[:130].reshape(13, 10, *SHAPE[1:]).mean(axis=1)
    first = 4.5 * 0.5
    sphere = find_head_sphere(thick, np.array([5.0, 0.8, 0.9]), CENTER - [first, 0, 0], RADIUS)
    assert np.linalg.norm(sphere.center + [first, 0, 0] - CENTER) < 0.5
    assert sphere.radius == pytest.approx(RADIUS, abs=0.4)
    assert highest_used(RADIUS, 5.0) < 0.6 * RADIUS < highest_used(RADIUS, 0.5)


def test_left_and_right_are_treated_alike(ball_in_socket):
    """There the right hip gets 5, the number of Hough peaks, in the place of the bone percentile 92."""
    size = (SHAPE[2] - 1) * SPACING[2]
    image = ball_in_socket(SPACING, SHAPE, CENTER, RADIUS, noise=20.0)
    left = find_head_sphere(image, SPACING, CENTER, RADIUS)
    at = CENTER * [1, 1, -1] + [0, 0, size]
    right = find_head_sphere(np.ascontiguousarray(image[:, :, ::-1]), SPACING, at, RADIUS)
    assert np.allclose(right.center, left.center * [1, 1, -1] + [0, 0, size], atol=0.1)
    assert right.radius == pytest.approx(left.radius, abs=0.1)


def test_the_outlier_limit_is_a_number_for_points_on_the_circle():
    """There it is sqrt(mean v^2 - n), the root of a negative number for good points."""
    good = np.full(90, 0.3)
    assert np.mean(good**2) - len(good) < 0
    assert outlier_limit(good) == pytest.approx(0.3 * np.sqrt(90 / 89))
    assert outlier_limit(np.zeros(1)) == 0.0


def test_first_order_rule_and_suppression_are_on():
    """The released file has them commented out."""
    assert RayRules(second_order=True, first_order=True, suppression=True, sphere_prior=True) == ALL_RULES


def test_the_first_ray_is_not_repeated_as_the_last():
    """There 90 angles run from 0 to 2 pi inclusive, so that one direction counts twice."""
    source = inspect.getsource(inspect.getmodule(find_head_sphere))
    assert "endpoint=False" in source
    angle = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)
    assert len(np.unique(np.round(np.exp(1j * angle), 9))) == RAYS


def test_exact_ties_are_not_needed():
    """There the center is the mode of exact integer pairs; here every slice of a tilted, noisy head differs."""
    rng = np.random.default_rng(3)
    from MultiJointSegLib.annotation.hip_finding import robust_sphere

    direction = rng.normal(size=(400, 3))
    points = direction / np.linalg.norm(direction, axis=1, keepdims=True) * 21.3 + [1.0, -2.0, 3.0]
    points += rng.normal(0, 0.4, points.shape)
    points[:80] += rng.normal(0, 12, (80, 3))
    center, radius, inliers = robust_sphere(points)
    assert np.linalg.norm(center - [1.0, -2.0, 3.0]) < 0.15
    assert radius == pytest.approx(21.3, abs=0.1)
    assert inliers[80:].mean() > 0.9


@pytest.mark.parametrize("shape", [(30, 84, 96), (30, 96, 84)])
def test_slices_of_any_size_are_taken(ball_in_socket, shape):
    """There 512 x 512 pixels are written into the code, and pixels must be square."""
    center = np.array([29.0, 35.0, 37.0])
    image = ball_in_socket(SPACING, shape, center, 17.5)
    sphere = find_head_sphere(image, SPACING, center + 1.0, 18.5)
    assert np.linalg.norm(sphere.center - center) < 0.7


def test_nothing_waits_for_a_key_and_no_path_of_a_machine_is_written_down():
    for path in sorted(Path(annotation.__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "input(" not in text.replace("_input(", "")
        assert "/home/" not in text
        assert "np.int)" not in text and "np.float)" not in text
