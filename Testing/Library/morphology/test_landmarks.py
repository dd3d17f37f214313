"""Landmarks on round and hollow surfaces: they stay where they are when the surface is noisy."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.morphology.arcs import round_arc
from MultiJointSegLib.morphology.frames import LandmarkMissing
from MultiJointSegLib.morphology.knee_trochlea import groove_bottom
from MultiJointSegLib.morphology.landmarks import apex_point
from MultiJointSegLib.surface.mesh import Surface


def noisy_profile(radius: float, from_deg: float, to_deg: float, *, seed: int, noise_mm: float) -> tuple:
    """Points of a cylinder's top that goes on as a flat slope on both sides, seen along its axis, and their places."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-80.0, 80.0, 6000)
    beyond = np.maximum(angle - to_deg, 0.0) + np.maximum(from_deg - angle, 0.0)
    r = radius + rng.normal(0.0, noise_mm, angle.size) - 0.08 * beyond
    turn = np.radians(angle)
    return np.column_stack([r * np.cos(turn), r * np.sin(turn)]) + (0.4, -0.3), rng.uniform(0.0, 30.0, angle.size)


@pytest.mark.parametrize(("from_deg", "to_deg"), [(-40.0, 40.0), (-10.0, 70.0)])
def test_the_round_part_of_a_profile_is_found_where_it_is(from_deg, to_deg):
    arc = round_arc(*noisy_profile(18.0, from_deg, to_deg, seed=3, noise_mm=0.1))
    assert arc.radius_mm == pytest.approx(18.0, abs=0.3)
    assert abs(arc.radius_mm - 18.0) < 3 * arc.error_mm + 0.1
    assert arc.from_deg == pytest.approx(from_deg, abs=8.0)
    assert arc.to_deg == pytest.approx(to_deg, abs=8.0)


def test_a_wedge_has_no_round_part():
    angle = np.radians(np.random.default_rng(1).uniform(-80.0, 80.0, 6000))
    r = 18.0 / (np.cos(angle) + 0.6 * np.abs(np.sin(angle)))
    with pytest.raises(LandmarkMissing, match="45 degrees"):
        round_arc(np.column_stack([r * np.cos(angle), r * np.sin(angle)]), np.linspace(0.0, 30.0, angle.size))


def test_the_bottom_of_a_groove_does_not_wander_with_noise():
    rng = np.random.default_rng(5)
    outlines = []
    for n in range(5):
        x = np.linspace(-15.0, 15.0, 90)
        depth = 20.0 - 0.45 * (np.hypot(x - 2.0, 4.0) - 4.0) + 0.1 * n + rng.normal(0.0, 0.1, x.size)
        outlines.append(np.column_stack([x, depth]))
    deepest = [o[np.argmax(o[:, 1]), 0] for o in outlines]
    at, depths, error = groove_bottom(outlines, 0.0, 4.8)
    assert at == pytest.approx(2.0, abs=0.15)
    assert np.abs(np.array(deepest) - 2.0).max() > 0.3
    assert np.allclose(np.diff(depths), 0.1, atol=0.08)
    assert 0.0 < error < 0.5


def test_the_apex_of_a_bump_is_found_between_its_points(ellipsoid, rotation):
    turn = rotation(3)
    bump = ellipsoid((20.0, 14.0, 10.0), (5.0, 1.0, -2.0), turn)
    outward, top = turn[:, 2], np.array([5.0, 1.0, -2.0]) + 10.0 * turn[:, 2]
    start = top + turn @ np.array([1.5, -1.2, -0.1])
    assert np.linalg.norm(apex_point(bump, start, outward, 4.0) - top) < 0.15
    # Where nothing bulges, the guess stays.
    hollow = Surface(bump.points_mm, bump.triangles[:, ::-1])
    assert np.array_equal(apex_point(hollow, start, outward, 4.0), start)
