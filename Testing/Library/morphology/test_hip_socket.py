"""Angles of the socket on built hip bones of known truth, and both hips of one pelvis."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.hip import measure_hip
from MultiJointSegLib.morphology.hip_sides import hip_sides
from MultiJointSegLib.morphology.hip_socket import SOCKET_KEYS, find_socket, measure_socket, pelvis_axes
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.hip import HipVariant, build_hip
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface

FLIP = np.diag([-1.0, 1.0, 1.0, 1.0])
OTHER = np.array([-190.0, 0.0, 0.0])


def built_socket(variant: HipVariant) -> tuple[Surface, dict]:
    rng = np.random.default_rng(4)
    model = build_hip(rng, growth_at(25.0, rng), variant)
    spacing, low, size = 1.4, (-46.0, -44.0, -44.0), (62, 64, 64)
    geometry = Geometry(size, (spacing,) * 3, low)
    inside = np.clip(0.5 - sample_shape(model.bones[1].shape, geometry) / (4 * spacing), 0, 1)
    return surface_from_probability(Volume(inside.astype(np.float32), geometry)), model.truth


@pytest.fixture(scope="module")
def socket():
    return built_socket(HipVariant())


def mirrored(surface: Surface) -> Surface:
    return surface.transformed(FLIP)


def values(surface, radius, *, flip=False):
    center, other = np.zeros(3), OTHER * ([-1, 1, 1] if flip else [1, 1, 1])
    return {m.key: m for m in measure_socket(surface, center, radius, pelvis_axes(center, other))}


def test_inclination_and_version_are_those_of_the_built_socket(socket):
    surface, truth = socket
    found = values(surface, truth["femoral_head_radius_mm"])
    assert found[SOCKET_KEYS[1]].value == pytest.approx(truth["acetabular_inclination_deg"], abs=2.5)
    assert found[SOCKET_KEYS[2]].value == pytest.approx(truth["acetabular_anteversion_deg"], abs=2.5)
    assert found[SOCKET_KEYS[1]].error_estimate < 3.0
    assert "tilt of the pelvis" in found[SOCKET_KEYS[0]].note
    axis = find_socket(surface, np.zeros(3), truth["femoral_head_radius_mm"]).axis
    assert np.degrees(np.arccos(axis @ truth["acetabular_normal_direction"])) < 3.0


def test_left_and_right_have_the_same_angles(socket):
    surface, truth = socket
    radius = truth["femoral_head_radius_mm"]
    left, right = values(surface, radius), values(mirrored(surface), radius, flip=True)
    for key in SOCKET_KEYS:
        assert right[key].value == pytest.approx(left[key].value, abs=0.5)


def test_dysplasia_lowers_the_center_edge_angle(socket):
    surface, truth = socket
    flat, flat_truth = built_socket(HipVariant(steeper_deg=12.0, shallower_mm=8.0))
    healthy = values(surface, truth["femoral_head_radius_mm"])
    ill = values(flat, flat_truth["femoral_head_radius_mm"])
    assert healthy[SOCKET_KEYS[0]].value > ill[SOCKET_KEYS[0]].value + 15
    assert 20 < healthy[SOCKET_KEYS[0]].value < 60
    # The mouth of the built socket lies 3 mm lateral, or 5 mm medial, of the center; its rim is rounded by 1 to 3 mm.
    for found, facts, depth in ((healthy, truth, 3.0), (ill, flat_truth, -5.0)):
        radius = facts["femoral_head_radius_mm"] + 3.4
        exact = 90 - facts["acetabular_inclination_deg"] + np.degrees(np.arcsin(depth / radius))
        assert found[SOCKET_KEYS[0]].value == pytest.approx(exact, abs=7.0)
    assert ill[SOCKET_KEYS[1]].value == pytest.approx(flat_truth["acetabular_inclination_deg"], abs=3.0)


def test_without_a_socket_or_the_other_hip_there_are_reasons(socket):
    surface, truth = socket
    away = measure_socket(surface, np.array([0.0, 0.0, 150.0]), 24.0, pelvis_axes(np.zeros(3), OTHER))
    assert all(m.value is None and m.reason for m in away)
    alone = measure_socket(surface, np.zeros(3), truth["femoral_head_radius_mm"], None)
    assert all("both femoral heads" in m.reason for m in alone)
    assert [m.key for m in measure_hip({"femur": surface, "hip_bone": surface})][-3:] == list(SOCKET_KEYS)


def ball(center) -> Surface:
    spacing = 3.0
    geometry = Geometry((20, 20, 20), (spacing,) * 3, tuple(np.asarray(center) - 28.5))
    axes = [geometry.origin_mm[a] + spacing * np.arange(20) - center[a] for a in range(3)]
    distance = np.sqrt(axes[2][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[0][None, None, :] ** 2)
    return surface_from_probability(Volume(np.clip(0.5 - (distance - 23) / 6, 0, 1).astype(np.float32), geometry))


def joined(*parts: Surface) -> Surface:
    first = np.cumsum([0, *(len(p.points_mm) for p in parts)])
    return Surface(
        np.concatenate([p.points_mm for p in parts]),
        np.concatenate([p.triangles + n for p, n in zip(parts, first[:-1], strict=True)]),
    )


def test_two_femurs_are_measured_one_by_one():
    left, right = ball((90.0, 0.0, 0.0)), ball((-90.0, 0.0, 0.0))
    assert hip_sides({"femur": left}) == {}
    both = {"femur": joined(left, right), "hip_bone": joined(ball((30.0, 5.0, 5.0)), ball((-30.0, 5.0, 5.0)))}
    sides = hip_sides(both)
    assert set(sides) == {"left", "right"}
    assert sides["left"]["femur"].points_mm[:, 0].min() > 60
    assert sides["right"]["hip_bone"].points_mm[:, 0].max() < 0
    found = {m.key: m for m in measure_surfaces(both, joint="hip")}
    assert found["left_femur_volume"].value == pytest.approx(found["right_femur_volume"].value, rel=1e-3)
    assert found["left_femur_volume"].name.endswith(", left")
    assert found["left_femur_head_radius"].value == pytest.approx(23.0, abs=0.4)
    assert {f"{side}_{key}" for side in sides for key in SOCKET_KEYS} <= set(found)
    difference = found["side_difference_femur_head_radius"]
    pair = [found[f"{side}_femur_head_radius"] for side in ("left", "right")]
    assert difference.value == pytest.approx(pair[0].value - pair[1].value)
    assert difference.error_estimate == pytest.approx(np.hypot(*(m.error_estimate for m in pair)))
    assert difference.name == "Femoral head radius, left minus right"
    # Balls have no neck.
    assert "not measured on the left and the right side" in found["side_difference_femur_neck_shaft_angle"].reason


def test_fused_hip_bones_are_said():
    both = {"femur": joined(ball((90.0, 0.0, 0.0)), ball((-90.0, 0.0, 0.0))), "hip_bone": ball((0.0, 0.0, 0.0))}
    found = {m.key: m for m in measure_surfaces(both, joint="hip")}
    assert "one piece" in found[f"left_{SOCKET_KEYS[0]}"].reason
