"""Knee measures against shapes of known truth, their invariance, and their reasons when something is missing."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.field_of_view import FieldEdge, field_edge
from MultiJointSegLib.morphology.knee import measure_knee
from MultiJointSegLib.morphology.label_check import side_conflict, side_from_bones, swapped_labels
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.knee import build_knee
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface

SPACING_MM = 1.6
BONES = {1: "femur", 2: "tibia", 3: "fibula", 4: "patella"}
Case = tuple[dict[str, Surface], dict[str, FieldEdge | None], dict[str, float]]


def build(seed: int) -> Case:
    """Bones of one adult left knee straight from their formulae (not carved by their neighbors), edges and truth."""
    rng = np.random.default_rng(seed)
    model = build_knee(rng, growth_at(25.0, rng))
    low, high = np.asarray(model.low_mm), np.asarray(model.high_mm)
    geometry = Geometry(
        tuple((np.ceil((high - low) / SPACING_MM).astype(int) + 1).tolist()), (SPACING_MM,) * 3, model.low_mm
    )
    surfaces = {}
    for bone in model.bones:
        distance = sample_shape(bone.shape, geometry)
        inside = np.clip(0.5 - distance / (4 * SPACING_MM), 0, 1).astype(np.float32)
        surfaces[BONES[bone.label]] = surface_from_probability(Volume(inside, geometry))
    edges: dict[str, FieldEdge | None] = {key: field_edge(s, geometry) for key, s in surfaces.items()}
    truth = {key: float(v) for key, v in model.truth.items() if isinstance(v, float)}
    return surfaces, edges, truth


def values(measurements: list[Measurement]) -> dict[str, Measurement]:
    return {m.key: m for m in measurements}


@pytest.fixture(scope="module", params=[3])
def knee(request) -> Case:
    return build(request.param)


@pytest.fixture(scope="module")
def measured(knee) -> dict[str, Measurement]:
    return values(measure_knee(knee[0], knee[1]))


def test_condyles_are_exact(knee, measured):
    truth = knee[2]
    for side in ("medial", "lateral"):
        assert measured[f"femur_{side}_condyle_radius"].value == pytest.approx(truth["condyle_radius_mm"], abs=0.2)
    assert measured["femur_condyle_center_distance"].value == pytest.approx(
        truth["condyle_center_distance_mm"], abs=0.2
    )


@pytest.mark.parametrize("seed", [3, 8])
def test_angles_of_known_truth(knee, measured, seed):
    if seed != 3:
        knee = build(seed)
        measured = values(measure_knee(knee[0], knee[1]))
    truth = knee[2]
    expected = {
        "femur_condylar_axis_angle": truth["lateral_distal_femoral_angle_deg"],
        "knee_tibiofemoral_angle": 90.0 - truth["lateral_distal_femoral_angle_deg"],
        "knee_flexion": truth["flexion_deg"],
        # The medial plateau of the phantom is hollowed by an ellipsoid that does not follow the slope.
        "tibia_lateral_posterior_slope": truth["posterior_tibial_slope_deg"],
    }
    for key, value in expected.items():
        # The shaft of the phantom leans and flares, so that its axis is known to a degree and a half only.
        assert measured[key].value == pytest.approx(value, abs=1.5), key
        assert abs(measured[key].value - value) < 3 * measured[key].error_estimate, key


def test_everything_has_value_or_reason_and_shows_its_landmarks(measured):
    assert {key for key, m in measured.items() if m.value is None} == {"patella_caton_deschamps"}
    assert all(m.geometry and m.error_estimate is not None for m in measured.values() if m.value is not None)
    assert all(m.definition for m in measured.values())


def test_adult_proportions(measured):
    ranges = {
        "femur_bicondylar_width": (70, 95),
        "femur_sulcus_angle": (125, 165),
        "femur_trochlear_depth": (2, 11),
        "femur_notch_width_index": (0.15, 0.4),
        "tibia_plateau_width": (62, 88),
        "tibia_ampta": (80, 97),
        "patella_tilt": (-15, 25),
    }
    for key, (low, high) in ranges.items():
        assert low < measured[key].value < high, key


@pytest.mark.parametrize("mirror", [False, True])
def test_rigid_motion_and_mirroring_change_nothing(knee, measured, rotation, mirror):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(5) @ np.diag([-1.0 if mirror else 1.0, 1.0, 1.0])
    matrix[:3, 3] = (40.0, -25.0, 310.0)
    surfaces = {key: s.transformed(matrix) for key, s in knee[0].items()}
    moved = values(measure_knee(surfaces, knee[1]))
    for key, m in measured.items():
        if m.value is not None:
            assert moved[key].value == pytest.approx(m.value, abs=0.05), key


def test_without_fibula_medial_and_lateral_are_not_guessed(knee, measured):
    surfaces = {key: s for key, s in knee[0].items() if key != "fibula"}
    found = values(measure_knee(surfaces, knee[1]))
    for key in ("femur_alldfa", "tibia_ampta", "knee_tt_tg", "patella_tilt", "tibia_medial_posterior_slope"):
        assert found[key].value is None
        assert "fibula" in found[key].reason
    assert found["femur_sulcus_angle"].value == pytest.approx(measured["femur_sulcus_angle"].value, abs=0.05)


def cropped(case: Case, low_mm: float, high_mm: float) -> tuple[dict[str, Surface], dict[str, FieldEdge | None]]:
    """The knee as a smaller field of view shows it: closed by planes at two heights, which are cuts."""
    surfaces, edges = {}, {}
    for key, surface in case[0].items():
        points = surface.points_mm.copy()
        points[:, 2] = np.clip(points[:, 2], low_mm, high_mm)
        flat = np.isclose(points[:, 2], low_mm) | np.isclose(points[:, 2], high_mm)
        surfaces[key] = Surface(points, surface.triangles)
        on_edge = flat[surface.triangles].all(axis=1)
        edges[key] = FieldEdge(float(on_edge.sum()), 0.0, on_edge)
    return surfaces, edges


def test_a_short_field_of_view_keeps_what_needs_no_shaft(knee, measured):
    surfaces, edges = cropped(knee, -62.0, 62.0)
    found = values(measure_knee(surfaces, edges))
    for key in ("femur_alldfa", "tibia_ampta", "tibia_medial_posterior_slope", "knee_tibiofemoral_angle"):
        assert found[key].value is None
        assert "shaft" in found[key].reason
    accepted = {
        "femur_bicondylar_width": 1.5,
        "tibia_plateau_width": 1.5,
        "femur_condyle_center_distance": 0.5,
        "patella_length": 1.5,
        "patella_width": 1.5,
        "patella_tuberosity_distance": 3.0,
        "knee_tt_tg": 3.0,
    }
    for key, limit in accepted.items():
        assert found[key].value == pytest.approx(measured[key].value, abs=limit), key
    assert "Too little of the shaft" in found["tibia_plateau_width"].note
    # A field of view that ends above the tuberosity does not show it.
    above = values(measure_knee(*cropped(knee, -32.0, 62.0)))
    assert "tuberosity" in above["knee_tt_tg"].reason


def test_the_side_stands_in_for_the_fibula_and_is_checked(knee, measured):
    surfaces = {key: s for key, s in knee[0].items() if key != "fibula"}
    found = values(measure_knee(surfaces, knee[1], "left"))
    assert found["femur_alldfa"].value == pytest.approx(measured["femur_alldfa"].value, abs=0.05)
    assert side_from_bones(knee[0], "knee") == "left"
    assert side_conflict(knee[0], "knee", "left") == ""
    assert "left knee" in side_conflict(knee[0], "knee", "right")


def test_swapped_labels_are_told(knee):
    surfaces = {**knee[0], "femur": knee[0]["tibia"], "tibia": knee[0]["femur"]}
    assert swapped_labels(knee[0], "knee") == ""
    assert "seem to be swapped" in swapped_labels(surfaces, "knee")
    of_joint = [m for m in measure_surfaces(surfaces, joint="knee") if m.key == "knee_flexion"]
    assert "swapped" in of_joint[0].reason


def test_cut_shaft_and_missing_bones_are_reasons(knee):
    surfaces, edges, _ = knee
    femur = surfaces["femur"]
    # As if the field of view ended just above the condyles.
    cut = (femur.points_mm[:, 2] > 50.0)[femur.triangles].any(axis=1)
    found = values(measure_knee(surfaces, {**edges, "femur": FieldEdge(100.0, 0.0, cut)}))
    assert found["femur_alldfa"].value is None
    assert "shaft of the femur" in found["femur_alldfa"].reason
    alone = measure_knee({"patella": surfaces["patella"]})
    assert all(m.value is None and m.reason for m in alone)
    assert "femur" in values(alone)["patella_length"].reason
