"""Axes and angles of the proximal femur on built femora of known truth and on real ones."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkIOGeometry import vtkSTLReader

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.field_of_view import field_edge
from MultiJointSegLib.morphology.heads import fit_head
from MultiJointSegLib.morphology.hip import ALPHA_TOLERANCE, measure_hip
from MultiJointSegLib.morphology.hip_femur import angle_deg, front_direction, neck_axis, shaft_axis
from MultiJointSegLib.morphology.hip_sections import cross_section, unit
from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.phantom.hip import build_hip
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface, from_polydata


def sampled(shape, low, high, spacing_mm) -> tuple[Surface, Geometry]:
    size = np.ceil((np.asarray(high) - low) / spacing_mm).astype(int) + 1
    geometry = Geometry(tuple(size.tolist()), (spacing_mm,) * 3, tuple(float(x) for x in low))
    inside = np.clip(0.5 - sample_shape(shape, geometry) / (4 * spacing_mm), 0, 1)
    return surface_from_probability(Volume(inside.astype(np.float32), geometry)), geometry


@pytest.fixture(scope="module", params=[3])
def built(request):
    """Proximal femur (surface, grid, shape, truth) whose shaft is cut 135 mm below the head."""
    rng = np.random.default_rng(request.param)
    model = build_hip(rng, growth_at(20.0, rng))
    shape = model.bones[0].shape
    surface, geometry = sampled(shape, (-32.0, -50.0, -135.0), (88.0, 55.0, 34.0), 1.4)
    return surface, geometry, shape, {k: np.asarray(v) for k, v in model.truth.items()}


def values(surface, edge=None):
    return {m.key: m for m in measure_hip({"femur": surface}, {"femur": edge})}


def test_axes_and_angles_of_built_femora(built):
    surface, geometry, shape, truth = built
    edge = field_edge(surface, geometry)
    head = fit_head(surface, smallest_coverage=0.35, on_edge=edge.on_edge)
    shaft = shaft_axis(surface, head.center_mm, head.radius_mm)
    neck = neck_axis(surface, head.center_mm, head.radius_mm, shaft)
    assert angle_deg(shaft.direction, truth["femoral_shaft_direction"]) < 0.1
    assert angle_deg(neck.direction, truth["femoral_neck_direction"]) < 0.5
    front = front_direction(surface, head.center_mm, head.radius_mm, shaft, neck)
    assert front[1] < -0.8
    found = values(surface, edge)
    angle = found["femur_neck_shaft_angle"]
    assert angle.value == pytest.approx(float(truth["neck_shaft_angle_deg"]), abs=0.5)
    assert angle.error_estimate < 1.0
    assert set(angle.geometry) == {"neck_axis", "shaft_axis", "neck_center", "head"}
    # Where the formula of the bone leaves the sphere of the truth, walking round from the neck.
    out = -truth["femoral_neck_direction"]
    ahead = unit(np.cross(truth["femoral_neck_direction"], truth["femoral_shaft_direction"]))
    ahead *= np.sign(ahead @ front)
    theta = np.radians(np.arange(20.0, 140.0, 0.05))
    arc = (1 + ALPHA_TOLERANCE) * float(truth["femoral_head_radius_mm"])
    points = arc * (np.cos(theta)[:, None] * out + np.sin(theta)[:, None] * ahead)
    expected = np.degrees(theta[np.argmax(shape(points.astype(np.float32)) > 0)])
    alpha = found["femur_alpha_angle"]
    assert alpha.value == pytest.approx(expected, abs=1.5)
    assert "condyles" in found["femur_version"].reason


def test_nothing_depends_on_side_and_pose(built, rotation):
    surface, geometry, _, _ = built
    edge = field_edge(surface, geometry)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(3) @ np.diag([-1.0, 1.0, 1.0])
    matrix[:3, 3] = 40.0, -300.0, 15.0
    before, after = values(surface, edge), values(surface.transformed(matrix), edge)
    for key in ("femur_neck_shaft_angle", "femur_alpha_angle"):
        assert after[key].value == pytest.approx(before[key].value, abs=0.1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_version_of_a_femur_with_condyles(sign, rotation):
    rng = np.random.default_rng(5)
    truth_model = build_hip(rng, growth_at(20.0, rng))
    truth = {k: np.asarray(v) for k, v in truth_model.truth.items()}
    shaft, neck = truth["femoral_shaft_direction"], truth["femoral_neck_direction"]
    medial = unit(neck - (neck @ shaft) * shaft)
    front = np.cross(shaft, medial)
    front *= np.sign(-front[1])
    version = np.radians(sign * 22.0)
    aside = np.cos(version) * medial - np.sin(version) * front
    # The shaft's axis passes through the point where the neck's axis meets it: 50 to 60 mm below the head at 24 mm.
    foot = -neck * 55.0 * float(truth["femoral_head_radius_mm"]) / 24.0 - 258.0 * shaft
    condyles = [sdf.sphere(foot + s * 24.0 * aside, 19.0) for s in (1.0, -1.0)]
    bridge = sdf.round_cone(foot - 22 * aside, 14.0, foot + 22 * aside, 14.0)
    shape = sdf.union(truth_model.bones[0].shape, *condyles, bridge)
    surface, geometry = sampled(shape, (-45.0, -110.0, -330.0), (150.0, 110.0, 34.0), 2.2)
    found = values(surface, field_edge(surface, geometry))["femur_version"]
    assert found.value == pytest.approx(sign * 22.0, abs=1.0)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(8) @ np.diag([1.0, -1.0, 1.0])
    assert values(surface.transformed(matrix))["femur_version"].value == pytest.approx(found.value, abs=0.1)


def test_a_small_head_is_said_to_be_a_childs(built):
    surface, geometry, _, _ = built
    adult = values(surface, field_edge(surface, geometry))["femur_neck_shaft_angle"]
    child = values(surface.transformed(np.diag([0.6, 0.6, 0.6, 1.0])))["femur_neck_shaft_angle"]
    assert adult.note == ""
    assert "Small head" in child.note
    assert child.error_estimate > 3.0
    assert child.value == pytest.approx(adult.value, abs=0.5)


def test_a_short_shaft_or_no_head_gives_reasons(built):
    shape = built[2]
    short, grid = sampled(shape, (-32.0, -50.0, -80.0), (88.0, 55.0, 34.0), 2.0)
    found = values(short, field_edge(short, grid))
    assert all(m.value is None for m in found.values())
    assert "the shaft ends" in found["femur_neck_shaft_angle"].reason
    low, grid = sampled(shape, (-32.0, -50.0, -135.0), (88.0, 55.0, -30.0), 2.0)
    found = values(low, field_edge(low, grid))
    assert len(found) == 3
    assert all("femoral head" in m.reason for m in found.values())
    assert measure_hip({}) == []


def test_sections_of_a_box_and_a_hollow(box):
    turn = np.eye(3)
    outer, inner = box((20.0, 10.0, 8.0), turn, (3.0, 0.0, 0.0)), box((4.0, 4.0, 4.0), turn, (3.0, 1.0, 0.0))
    outlines = cross_section(outer, np.array([3.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]))
    assert [o.area_mm2 for o in outlines] == pytest.approx([200.0])
    assert np.allclose(outlines[0].centroid_mm, (3.0, 0.0, 1.0))
    both = Surface(
        np.concatenate([outer.points_mm, inner.points_mm]),
        np.concatenate([outer.triangles, inner.triangles[:, ::-1] + len(outer.points_mm)]),
    )
    areas = [o.area_mm2 for o in cross_section(both, np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, -1.0]))]
    assert areas == pytest.approx([200.0, -16.0])
    assert cross_section(outer, np.array([0.0, 0.0, 9.0]), np.array([0.0, 0.0, 1.0])) == []


def _mesh(path) -> Surface:
    reader = vtkSTLReader()
    reader.SetFileName(str(path))
    reader.Update()
    return from_polydata(reader.GetOutput())


def test_a_real_femur_on_both_sides(shared_data):
    """Adult ranges: neck-shaft angle 110 to 145, version -10 to 40, alpha 30 to 80 degrees."""
    left = values(_mesh(shared_data / "knee/meshes/bmf_left_femur.stl"))
    right = values(_mesh(shared_data / "knee/meshes/bmf_right_femur.stl"))
    for key, (low, high) in {
        "femur_neck_shaft_angle": (110.0, 145.0),
        "femur_version": (-10.0, 40.0),
        "femur_alpha_angle": (30.0, 80.0),
    }.items():
        assert low < left[key].value < high
        assert right[key].value == pytest.approx(left[key].value, abs=0.2)
