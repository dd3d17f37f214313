"""Procedural joints: the same from a seed, mirrored, anatomically sound, with the truth they state."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from scipy import ndimage, optimize

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.procedural import BUILDERS, mirrored, procedural_bones, procedural_tissue_map
from MultiJointSegLib.phantom.tissue_map import BoneField, Tissue, TissueMap

JOINTS = tuple(BUILDERS)
COARSE_MM = 2.0


@cache
def coarse_map(joint: str, seed: int, age_years: float, side: str = "left") -> TissueMap:
    return procedural_tissue_map(joint, seed=seed, side=side, age_years=age_years, spacing_mm=COARSE_MM)


@cache
def bones(joint: str, seed: int, age_years: float, spacing_mm: float) -> tuple[list[BoneField], Geometry, dict]:
    fields, geometry, truth, _, _ = procedural_bones(
        joint, seed=seed, side="left", age_years=age_years, spacing_mm=spacing_mm
    )
    return fields, geometry, truth


def surface_points(field: BoneField, geometry: Geometry) -> np.ndarray:
    """Points (n, 3) in mm where the distance changes sign along x, y or z, by linear interpolation."""
    d = field.distance_mm
    found = []
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = d[tuple(low)], d[tuple(high)]
        index = np.argwhere((a < 0) != (b < 0)).astype(float)
        at = tuple(index.astype(int).T)
        index[:, axis] += a[at] / (a[at] - b[at])
        found.append(geometry.index_to_point(index[:, ::-1]))
    return np.concatenate(found)


def fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    def misfit(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points - x[:3], axis=1) - x[3]

    x = optimize.least_squares(misfit, [*points.mean(0), 20.0], loss="soft_l1", f_scale=0.2).x
    return x[:3], float(x[3])


def digest(tissue_map: TissueMap) -> str:
    return hashlib.sha256(tissue_map.tissue.tobytes() + tissue_map.labels.tobytes()).hexdigest()


def test_every_joint_of_the_catalog_can_be_drawn() -> None:
    assert set(JOINTS) == set(anatomy.joint_names())


def test_same_seed_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib; from MultiJointSegLib.phantom.procedural import procedural_tissue_map as f;"
        f"m = f('knee', seed=5, side='left', age_years=9.0, spacing_mm={COARSE_MM});"
        "print(hashlib.sha256(m.tissue.tobytes() + m.labels.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(coarse_map("knee", 5, 9.0))
    assert digest(coarse_map("knee", 6, 9.0)) != digest(coarse_map("knee", 5, 9.0))


@pytest.mark.parametrize("joint", ["knee", "shoulder"])
def test_right_is_the_mirror_image_of_left(joint: str) -> None:
    left, right = coarse_map(joint, 3, 5.0), coarse_map(joint, 3, 5.0, "right")
    assert (left.side, right.side) == ("left", "right")
    np.testing.assert_array_equal(left.tissue[:, :, ::-1], right.tissue)
    np.testing.assert_array_equal(left.labels[:, :, ::-1], right.labels)
    first = left.geometry.index_to_point(np.zeros(3))
    last = right.geometry.index_to_point(np.array([right.geometry.size[0] - 1, 0, 0]))
    np.testing.assert_allclose(last, first * [-1, 1, 1], atol=1e-9)
    for key, value in left.truth.items():
        if isinstance(value, list):
            np.testing.assert_allclose(right.truth[key], np.array(value) * [-1, 1, 1])
        else:
            assert right.truth[key] == value
    assert mirrored(mirrored(left)).truth == left.truth


@pytest.mark.parametrize("joint", JOINTS)
@pytest.mark.parametrize("age_years", [5.0, 30.0])
def test_labels_are_those_of_the_joint_in_bone_tissue(joint: str, age_years: float) -> None:
    tissue_map = coarse_map(joint, 3, age_years)
    expected = {0, *anatomy.joint(joint).labels}
    assert set(np.unique(tissue_map.labels).tolist()) == expected
    inside = np.unique(tissue_map.tissue[tissue_map.labels > 0]).tolist()
    assert set(inside) <= {Tissue.CORTICAL_BONE, Tissue.FATTY_MARROW, Tissue.RED_MARROW, Tissue.PHYSIS}
    assert tissue_map.geometry.array_shape == tissue_map.labels.shape


@pytest.mark.parametrize("joint", JOINTS)
@pytest.mark.parametrize(("seed", "age_years"), [(1, 6.0), (2, 35.0)])
def test_bones_are_whole_and_do_not_touch(joint: str, seed: int, age_years: float) -> None:
    fields, geometry, _ = bones(joint, seed, age_years, 1.2)
    for n, field in enumerate(fields):
        for other in fields[:n]:
            # Wherever one bone is, the others are away by the least gap (less the grid's interpolation).
            assert other.distance_mm[field.distance_mm < 0].min(initial=9.0) > 0.75
        if field.label:
            assert ndimage.label(field.distance_mm < 0)[1] == 1
    assert geometry.spacing_mm == (1.2, 1.2, 1.2)


@pytest.mark.parametrize("joint", JOINTS)
def test_growth_plates_are_open_in_children_only(joint: str) -> None:
    assert np.any(coarse_map(joint, 3, 5.0).tissue == Tissue.PHYSIS)
    assert not np.any(coarse_map(joint, 3, 30.0).tissue == Tissue.PHYSIS)
    assert all(field.physis_mm is None for field in bones(joint, 2, 35.0, 1.2)[0])


def test_children_are_smaller_and_less_ossified() -> None:
    def volume_mm3(age_years: float) -> int:
        return int((coarse_map("knee", 3, age_years).labels == anatomy.bone("patella").label).sum())

    assert volume_mm3(5.0) < 0.5 * volume_mm3(30.0)


@pytest.mark.parametrize("age_years", [7.0, 30.0])
@pytest.mark.parametrize(
    ("joint", "bone", "name", "axis"),
    [
        ("hip", "femur", "femoral_head", "femoral_neck_direction"),
        ("shoulder", "humerus", "humeral_head", "humeral_head_axis_direction"),
    ],
)
def test_head_spheres_are_where_the_truth_says(joint: str, bone: str, name: str, axis: str, age_years: float) -> None:
    fields, geometry, truth = bones(joint, 4, age_years, 1.2)
    center, radius = np.array(truth[f"{name}_center_mm"]), truth[f"{name}_radius_mm"]
    field = next(f for f in fields if f.label == anatomy.bone(bone).label)
    points = surface_points(field, geometry)
    toward = (points - center) / np.linalg.norm(points - center, axis=1, keepdims=True)
    cap = (toward @ np.array(truth[axis]) > 0.5) & (np.linalg.norm(points - center, axis=1) < 1.3 * radius)
    found_center, found_radius = fit_sphere(points[cap])
    assert cap.sum() > 300
    np.testing.assert_allclose(found_center, center, atol=0.15)
    assert found_radius == pytest.approx(radius, abs=0.15)


@pytest.mark.parametrize("side", ["medial", "lateral"])
def test_posterior_condyles_are_spheres(side: str) -> None:
    fields, geometry, truth = bones("knee", 4, 30.0, 1.2)
    center, radius = np.array(truth[f"{side}_condyle_center_mm"]), truth["condyle_radius_mm"]
    points = surface_points(next(f for f in fields if f.label == 1), geometry) - center
    length = np.linalg.norm(points, axis=1)
    along = np.abs(points @ np.array(truth["condylar_axis_direction"]))
    up = np.array(truth["femoral_shaft_direction"])
    back = np.cross(up, truth["condylar_axis_direction"])
    angle = np.degrees(np.arctan2(points @ up, points @ back))
    cap = (length < 1.3 * radius) & (along < 7) & (np.abs(angle) < 40)
    found_center, found_radius = fit_sphere(points[cap])
    assert cap.sum() > 100
    np.testing.assert_allclose(found_center, 0, atol=0.3)
    assert found_radius == pytest.approx(radius, abs=0.3)


def test_talar_dome_is_a_cylinder() -> None:
    fields, geometry, truth = bones("ankle", 4, 30.0, 1.2)
    axis = np.array(truth["talar_dome_axis_direction"])
    points = surface_points(next(f for f in fields if f.label == 5), geometry) - truth["talar_dome_center_mm"]
    radial = points - np.outer(points @ axis, axis)
    distance = np.linalg.norm(radial, axis=1)
    top = radial @ np.array(truth["talar_dome_top_direction"]) / distance
    dome = (np.abs(points @ axis) < 7) & (top > 0.9) & (distance > 0.6 * truth["talar_dome_radius_mm"])
    assert dome.sum() > 100
    np.testing.assert_allclose(distance[dome], truth["talar_dome_radius_mm"], atol=0.25)


@pytest.mark.parametrize(
    ("joint", "bone", "key", "sign"),
    [
        ("knee", "femur", "femoral_shaft_direction", 1),
        ("knee", "tibia", "tibial_shaft_direction", -1),
        ("hip", "femur", "femoral_shaft_direction", -1),
        ("shoulder", "humerus", "humeral_shaft_direction", -1),
        ("ankle", "tibia", "tibial_shaft_direction", 1),
    ],
)
def test_shaft_axes_are_those_of_the_truth(joint: str, bone: str, key: str, sign: int) -> None:
    fields, geometry, truth = bones(joint, 2, 35.0, 1.2)
    field = next(f for f in fields if f.label == anatomy.bone(bone).label)
    axis = np.array(truth[key])
    points = geometry.index_to_point(np.argwhere(field.distance_mm < 0)[:, ::-1])
    height = sign * (points @ axis)
    # The last 30 mm of the shaft before the border of the grid cuts it.
    end = np.quantile(height, 0.99) - 10
    middles = [points[np.abs(height - z) < 1.0].mean(0) for z in np.linspace(end - 18, end, 7)]
    direction = np.linalg.svd(np.array(middles) - np.mean(middles, 0))[2][0]
    assert np.degrees(np.arccos(min(abs(direction @ axis), 1.0))) < 2.5


def test_neck_and_shaft_make_the_stated_angle() -> None:
    _, _, truth = bones("hip", 2, 35.0, 1.2)
    neck, shaft = np.array(truth["femoral_neck_direction"]), np.array(truth["femoral_shaft_direction"])
    angle = np.degrees(np.arccos(neck @ -shaft))
    assert angle == pytest.approx(truth["neck_shaft_angle_deg"], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"joint": "elbow"}, "knee"),
        ({"side": "up"}, "'left' or 'right'"),
        ({"age_years": 1.0}, "2 to 90"),
        ({"spacing_mm": 0.1}, "0.3 to 4"),
    ],
)
def test_what_cannot_be_drawn_is_said(change: dict, sentence: str) -> None:
    arguments = {"joint": "knee", "seed": 1, **change}
    with pytest.raises(InputError, match=sentence):
        procedural_tissue_map(arguments.pop("joint"), **arguments)
