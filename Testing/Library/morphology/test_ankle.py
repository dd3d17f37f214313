"""Ankle measures against shapes of known truth, their invariance, and their reasons when something is missing."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkIOGeometry import vtkSTLReader

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.ankle import measure_ankle
from MultiJointSegLib.morphology.field_of_view import FieldEdge, field_edge
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.phantom.ankle import build_ankle
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface, from_polydata

SPACING_MM = 1.6
BONES = {2: "tibia", 5: "talus", 6: "calcaneus"}
Case = tuple[dict[str, Surface], dict[str, FieldEdge | None], dict[str, object]]


def build(seed: int) -> Case:
    """Bones of one adult left ankle straight from their formulae (not carved by their neighbors), edges and truth."""
    rng = np.random.default_rng(seed)
    model = build_ankle(rng, growth_at(25.0, rng))
    low, high = np.asarray(model.low_mm), np.asarray(model.high_mm)
    geometry = Geometry(
        tuple((np.ceil((high - low) / SPACING_MM).astype(int) + 1).tolist()), (SPACING_MM,) * 3, model.low_mm
    )
    surfaces = {}
    for bone in model.bones:
        if bone.label in BONES:
            distance = sample_shape(bone.shape, geometry)
            inside = np.clip(0.5 - distance / (4 * SPACING_MM), 0, 1).astype(np.float32)
            surfaces[BONES[bone.label]] = surface_from_probability(Volume(inside, geometry))
    edges: dict[str, FieldEdge | None] = {key: field_edge(s, geometry) for key, s in surfaces.items()}
    return surfaces, edges, model.truth


def values(measurements: list[Measurement]) -> dict[str, Measurement]:
    return {m.key: m for m in measurements}


@pytest.fixture(scope="module", params=[2])
def ankle(request) -> Case:
    return build(request.param)


@pytest.fixture(scope="module")
def measured(ankle) -> dict[str, Measurement]:
    return values(measure_ankle(ankle[0], ankle[1]))


@pytest.mark.parametrize("seed", [2, 5])
def test_dome_and_axes_of_known_truth(ankle, measured, seed):
    if seed != 2:
        ankle = build(seed)
        measured = values(measure_ankle(ankle[0], ankle[1]))
    truth = ankle[2]
    cosine = np.dot(truth["tibial_shaft_direction"], truth["talar_dome_axis_direction"])
    frontal = measured["ankle_frontal_tibiotalar_angle"]
    assert frontal.value == pytest.approx(np.degrees(np.arccos(cosine)), abs=1.5)
    assert measured["talus_dome_radius"].value == pytest.approx(truth["talar_dome_radius_mm"], rel=0.03)
    # Tibia and dome of the phantom are concentric, 3.4 mm apart.
    assert measured["ankle_tibiotalar_distance_mean"].value == pytest.approx(3.4, abs=0.3)
    assert measured["ankle_tibiotalar_distance_sd"].value < 0.5


def test_everything_has_value_or_reason_and_adult_size(measured):
    assert {key for key, m in measured.items() if m.value is None} == {"calcaneus_pitch"}
    ranges = {
        "talus_length": (45, 80),
        "talus_width": (30, 55),
        "talus_height": (25, 45),
        "calcaneus_length": (65, 105),
        "ankle_lateral_talocalcaneal_angle": (5, 60),
        "ankle_axial_talocalcaneal_angle": (-10, 45),
        "ankle_sagittal_tibiotalar_angle": (75, 160),
    }
    for key, (low, high) in ranges.items():
        assert low < measured[key].value < high, key
    assert all(m.geometry and m.definition for m in measured.values() if m.value is not None)


def test_plantar_flexion_moves_the_sagittal_angle(ankle, measured):
    surfaces, edges, _ = ankle
    angle = np.radians(12.0)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    moved = {
        **surfaces,
        "talus": surfaces["talus"].transformed(turn),
        "calcaneus": surfaces["calcaneus"].transformed(turn),
    }
    found = values(measure_ankle(moved, edges))
    change = found["ankle_sagittal_tibiotalar_angle"].value - measured["ankle_sagittal_tibiotalar_angle"].value
    assert change == pytest.approx(12.0, abs=1.0)
    # Talus and calcaneus moved together.
    key = "ankle_lateral_talocalcaneal_angle"
    assert found[key].value == pytest.approx(measured[key].value, abs=0.5)


@pytest.mark.parametrize("mirror", [False, True])
def test_rigid_motion_and_mirroring_change_nothing(ankle, measured, rotation, mirror):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(6) @ np.diag([-1.0 if mirror else 1.0, 1.0, 1.0])
    matrix[:3, 3] = (-60.0, 15.0, 420.0)
    surfaces = {key: s.transformed(matrix) for key, s in ankle[0].items()}
    moved = values(measure_ankle(surfaces, ankle[1]))
    for key, m in measured.items():
        if m.value is not None:
            assert moved[key].value == pytest.approx(m.value, abs=0.1), key


def test_missing_and_cut_bones_are_reasons(ankle):
    surfaces, edges, _ = ankle
    assert all(m.value is None and m.reason for m in measure_ankle({"talus": surfaces["talus"]}))
    calcaneus = surfaces["calcaneus"]
    cut = FieldEdge(120.0, 0.0, np.zeros(len(calcaneus.triangles), bool))
    found = values(measure_ankle(surfaces, {**edges, "calcaneus": cut}))
    assert "cut off" in found["calcaneus_length"].reason
    assert found["talus_length"].value is not None


def test_a_real_ankle(shared_data):
    """The dome's axis of an adult leans 74 to 94 degrees to the tibia (Inman); both sides are mirror images."""
    found = []
    for side in ("left", "right"):
        names = {"tibia": "knee", "talus": "ankle", "calcaneus": "ankle"}
        surfaces = {}
        for bone, joint in names.items():
            reader = vtkSTLReader()
            reader.SetFileName(str(shared_data / joint / "meshes" / f"bmf_{side}_{bone}.stl"))
            reader.Update()
            surfaces[bone] = from_polydata(reader.GetOutput())
        found.append(values(measure_ankle(surfaces)))
    missing = {key for key, m in found[0].items() if m.value is None}
    assert {"calcaneus_pitch"} <= missing <= {"calcaneus_pitch", "talus_dome_radius"}
    assert 86.0 < found[0]["ankle_frontal_tibiotalar_angle"].value < 106.0
    for key, m in found[0].items():
        if m.value is not None:
            assert found[1][key].value == pytest.approx(m.value, abs=0.3), key
