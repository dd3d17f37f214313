"""Glenoid, head position and acromion on built shoulders of known truth and on a real scapula."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkIOGeometry import vtkSTLReader

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.field_of_view import field_edge
from MultiJointSegLib.morphology.heads import SMALLEST_COVERAGE, fit_head
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.morphology.shoulder import measure_shoulder
from MultiJointSegLib.morphology.shoulder_face import unit
from MultiJointSegLib.morphology.shoulder_glenoid import find_glenoid
from MultiJointSegLib.morphology.shoulder_humerus import retroversion
from MultiJointSegLib.morphology.shoulder_scapula import scapular_axes
from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom import shoulder as phantom_shoulder
from MultiJointSegLib.phantom.field import sample_shape
from MultiJointSegLib.phantom.growth import growth_at
from MultiJointSegLib.surface.extraction import surface_from_probability
from MultiJointSegLib.surface.mesh import Surface, from_polydata

AXIS_KEYS = {"glenoid_version", "glenoid_inclination", "humeral_head_anterior"}
ACROMION_KEYS = {"acromiohumeral_distance", "critical_shoulder_angle"}


def sampled(shape, low, high, spacing_mm) -> tuple[Surface, Geometry]:
    size = np.ceil((np.asarray(high) - low) / spacing_mm).astype(int) + 1
    geometry = Geometry(tuple(size.tolist()), (spacing_mm,) * 3, tuple(float(x) for x in low))
    inside = np.clip(0.5 - sample_shape(shape, geometry) / (4 * spacing_mm), 0, 1)
    return surface_from_probability(Volume(inside.astype(np.float32), geometry)), geometry


class Built:
    """A whole left shoulder of formulae, whose blade's outline is known too."""

    def __init__(self, seed: int, spacing_mm: float) -> None:
        with pytest.MonkeyPatch.context() as patch:
            original = phantom_shoulder._plate

            def plate(outline, middle, bow_mm, half_thickness, edge):
                self.root = outline[3]
                self.root_y = phantom_shoulder._bow_at(*self.root, middle, bow_mm)
                return original(outline, middle, bow_mm, half_thickness, edge)

            patch.setattr(phantom_shoulder, "_plate", plate)
            rng = np.random.default_rng(seed)
            model = phantom_shoulder.build_shoulder(rng, growth_at(20.0, rng))
        self.humerus_shape, self.scapula_shape = (b.shape for b in model.bones[:2])
        self.truth = {k: np.asarray(v) for k, v in model.truth.items()}
        self.radius = float(self.truth["humeral_head_radius_mm"])
        # Columns: lateral, back and up of the scapula as it was built.
        self.frame = sdf.rotation_deg((0, 0, 1), -float(self.truth["scapular_plane_deg"]))
        version = np.radians(float(self.truth["glenoid_version_deg"]))
        self.glenoid = -(self.radius + 4.0) * np.array([np.cos(version), np.sin(version), 0.0])
        self.medial = np.array([self.root[0], self.root_y, self.root[1]])
        self.surfaces = {
            "humerus": sampled(self.humerus_shape, (-38.0, -40.0, -80.0), (50.0, 50.0, 34.0), spacing_mm)[0],
            "scapula": sampled(self.scapula_shape, (-150.0, -70.0, -150.0), (45.0, 120.0, 75.0), spacing_mm)[0],
        }


@pytest.fixture(scope="module", params=[3])
def built(request) -> Built:
    return Built(request.param, 1.6)


@pytest.fixture(scope="module")
def found(built):
    return {m.key: m for m in measure_shoulder(built.surfaces)}


def test_the_glenoid_of_built_shoulders(built):
    glenoid = find_glenoid(built.surfaces["scapula"], np.zeros(3), built.radius)
    normal = built.truth["glenoid_normal_direction"]
    # The socket is a part of a sphere around the head.
    assert np.linalg.norm(glenoid.center_mm) == pytest.approx(built.radius + 4.0, abs=0.5)
    assert glenoid.up[2] > 0.98
    level = np.cross([0.0, 0.0, 1.0], normal)
    across = unit((glenoid.front_mm - glenoid.back_mm) * np.array([1.0, 1.0, 0.0]))
    assert across[1] < 0
    assert np.degrees(np.arcsin(abs(across @ normal))) < 1.0
    assert abs((glenoid.center_mm) @ level) < 0.4
    assert 30.0 < glenoid.height_mm < 42.0
    assert 22.0 < glenoid.width_mm < 31.0


def test_the_axis_of_built_scapulae(built):
    glenoid = find_glenoid(built.surfaces["scapula"], np.zeros(3), built.radius)
    axes = scapular_axes(built.surfaces["scapula"], glenoid, built.radius)
    medial = built.frame.T @ axes.medial_mm
    # The spine's root is about five millimeters wide there.
    assert np.linalg.norm(medial - built.medial) < 5.0
    expected = unit((built.glenoid - built.medial) * np.array([1.0, 1.0, 0.0]))
    axis = unit((built.frame.T @ axes.lateral) * np.array([1.0, 1.0, 0.0]))
    assert np.degrees(np.arccos(axis @ expected)) < 1.0
    assert (built.frame.T @ axes.front)[1] < -0.98


def test_version_and_head_position(built, found):
    along = built.glenoid - built.medial
    axis_deg = np.degrees(np.arctan2(along[1], along[0]))
    version = axis_deg - float(built.truth["glenoid_version_deg"])
    assert found["glenoid_version"].value == pytest.approx(version, abs=1.75)
    lateral = unit(along * np.array([1.0, 1.0, 0.0]))
    ahead = np.array([lateral[1], -lateral[0], 0.0])
    share = 0.5 + 0.5 * float(-built.glenoid @ ahead) / built.radius
    assert found["humeral_head_anterior"].value == pytest.approx(share, abs=0.015)
    assert found["humeral_head_subluxation"].value == pytest.approx(0.5, abs=0.01)
    assert 0.0 < found["glenoid_version"].error_estimate < 3.0
    assert {"scapular_axis", "spine_root", "glenoid_line", "axial_plane"} == set(found["glenoid_version"].geometry)


def test_the_acromion(built, found):
    # Grid of the formula's inside above the head, in the frame in which the scapula was built.
    axes = np.meshgrid(np.arange(-12, 30, 0.8), np.arange(-10, 26, 0.8), np.arange(20, 48, 0.8), indexing="ij")
    points = np.stack([a.ravel() for a in axes], axis=1) @ built.frame.T
    inside = points[built.scapula_shape(points.astype(np.float32)) < 0]
    distance = found["acromiohumeral_distance"].value
    assert distance <= np.linalg.norm(inside, axis=1).min() - built.radius + 0.5
    assert distance >= built.humerus_shape(inside.astype(np.float32)).min() - 0.5
    angle = found["critical_shoulder_angle"]
    assert 25.0 < angle.value < 55.0
    lateral = np.asarray(angle.geometry["lateral_acromion"]["position_mm"])
    normal = find_glenoid(built.surfaces["scapula"], np.zeros(3), built.radius).normal
    assert lateral @ normal == pytest.approx((inside @ normal).max(), abs=1.2)


def test_nothing_depends_on_side_and_pose(built, found, rotation):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(4) @ np.diag([-1.0, 1.0, 1.0])
    matrix[:3, 3] = -70.0, 20.0, 500.0
    moved = measure_shoulder({k: s.transformed(matrix) for k, s in built.surfaces.items()})
    tolerance = {"deg": 0.1, "mm": 0.1, "1": 0.002}
    for m in moved:
        assert m.value == pytest.approx(found[m.key].value, abs=tolerance[m.unit])


def test_a_shifted_head_is_seen(built, found):
    glenoid = find_glenoid(built.surfaces["scapula"], np.zeros(3), built.radius)
    matrix = np.eye(4)
    matrix[:3, 3] = -0.3 * built.radius * glenoid.front
    shifted = dict(built.surfaces, humerus=built.surfaces["humerus"].transformed(matrix))
    after = {m.key: m for m in measure_shoulder(shifted)}
    change = after["humeral_head_subluxation"].value - found["humeral_head_subluxation"].value
    assert change == pytest.approx(0.15, abs=0.01)
    change = after["humeral_head_anterior"].value - found["humeral_head_anterior"].value
    assert change == pytest.approx(-0.15, abs=0.015)
    assert after["glenoid_version"].value == pytest.approx(found["glenoid_version"].value, abs=0.5)


def test_what_is_cut_off_is_not_measured(built):
    scapula, geometry = sampled(built.scapula_shape, (-95.0, -70.0, -60.0), (45.0, 70.0, 75.0), 2.4)
    labels = Volume(np.zeros(geometry.array_shape, np.uint8), geometry)
    result = measure_surfaces({**built.surfaces, "scapula": scapula}, joint="shoulder", labels=labels)
    cut = {m.key: m for m in result if m.key in AXIS_KEYS | ACROMION_KEYS | {"glenoid_height"}}
    assert len(cut) == 6
    for key in AXIS_KEYS:
        assert "medial border" in cut[key].reason
    assert cut["glenoid_height"].value is not None
    scapula, geometry = sampled(built.scapula_shape, (-150.0, -70.0, -150.0), (45.0, 120.0, 38.0), 2.4)
    edges = {"scapula": field_edge(scapula, geometry), "humerus": None}
    low = {m.key: m for m in measure_shoulder({**built.surfaces, "scapula": scapula}, edges)}
    for key in ACROMION_KEYS:
        assert "acromion" in low[key].reason


def test_missing_bones(built):
    assert measure_shoulder({}) == []
    for bone in ("humerus", "scapula"):
        result = measure_shoulder({bone: built.surfaces[bone]})
        assert len(result) == 10
        of_elbow = result[-1]
        assert all(m.value is None and "missing" in m.reason for m in result[:-1])
        assert of_elbow.key == "humerus_retroversion"
        assert ("missing" if bone == "scapula" else "epicondyles") in of_elbow.reason


def test_a_ball_has_no_glenoid(ellipsoid):
    with pytest.raises(MultiJointSegError):
        find_glenoid(ellipsoid((20.0, 30.0, 40.0), (-60.0, 0.0, 0.0)), np.zeros(3), 24.0)


def test_a_real_scapula(shared_data):
    """Adult glenoids: height 28 to 50 mm, width 20 to 36 mm, version -20 to 10, inclination -8 to 20 degrees."""
    reader = vtkSTLReader()
    reader.SetFileName(str(shared_data / "shoulder/meshes/bonemapy_scapula.stl"))
    reader.Update()
    scapula = from_polydata(reader.GetOutput())
    head = np.array([44.3, -8.8, 309.0]) + 28.0 * unit(np.array([0.2, 0.97, -0.15]))
    glenoid = find_glenoid(scapula, head, 24.0)
    assert glenoid.up[2] > 0.9
    assert glenoid.front[0] < -0.8
    assert 28.0 < glenoid.height_mm < 50.0
    assert 20.0 < glenoid.width_mm < 36.0
    axes = scapular_axes(scapula, glenoid, 24.0)
    ahead, above = glenoid.front_mm - glenoid.back_mm, glenoid.upper_mm - glenoid.lower_mm
    assert -20.0 < np.degrees(np.arctan2(-ahead @ axes.lateral, ahead @ axes.front)) < 10.0
    assert -8.0 < np.degrees(np.arctan2(-above @ axes.lateral, above @ axes.up)) < 20.0
    # Root of the spine, looked up in a picture of the bone.
    assert 85.0 < np.linalg.norm(glenoid.center_mm - axes.medial_mm) < 125.0


def test_retroversion_of_a_whole_real_humerus(shared_data):
    """Cadavers of Boileau and Walch 1997: -7 to 48 degrees; the same on either side."""
    reader = vtkSTLReader()
    reader.SetFileName(str(shared_data / "shoulder/meshes/pybiomech_humerus.stl"))
    reader.Update()
    humerus = from_polydata(reader.GetOutput())
    values = []
    for flip in (1.0, -1.0):
        bone = humerus.transformed(np.diag([flip, 1.0, 1.0, 1.0]))
        head = fit_head(bone, smallest_coverage=SMALLEST_COVERAGE["humerus"])
        values.append(retroversion(bone, head, None).value)
    assert -7.0 < values[0] < 48.0
    assert values[1] == pytest.approx(values[0], abs=0.1)
