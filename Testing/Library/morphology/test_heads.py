"""The sphere of femoral and humeral heads on built shapes and on real bones."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkIOGeometry import vtkSTLReader

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.field_of_view import field_edge
from MultiJointSegLib.morphology.head_measures import measure_head
from MultiJointSegLib.morphology.heads import SMALLEST_COVERAGE, fit_head
from MultiJointSegLib.surface.extraction import surface_from_mask
from MultiJointSegLib.surface.mesh import Surface, from_polydata

RADIUS = 18.0
HEAD = np.array([-90.0, 12.0, 40.0])


def femur_like(geometry: Geometry, head: np.ndarray = HEAD, radius: float = RADIUS) -> np.ndarray:
    """Head, neck, trochanter and shaft of a made-up right femur, as a mask (k, j, i)."""
    axes = np.meshgrid(*[np.arange(n) for n in geometry.array_shape], indexing="ij")
    points = geometry.index_to_point(np.stack(axes[::-1], axis=-1))

    def capsule(start: np.ndarray, end: np.ndarray, thickness: float) -> np.ndarray:
        along = np.clip(((points - start) @ (end - start)) / ((end - start) @ (end - start)), 0, 1)
        return np.linalg.norm(points - start - along[..., None] * (end - start), axis=-1) < thickness

    root = head + radius * np.array([-1.9, 0.1, -1.5])
    mask = np.linalg.norm(points - head, axis=-1) < radius
    mask |= capsule(head, root, 0.6 * radius)
    mask |= capsule(root + np.array([0, 0, 0.6 * radius]), root + np.array([0, 0, -6 * radius]), 0.62 * radius)
    return mask.astype(np.uint8)


def grid(spacing_mm: tuple[float, float, float], low: tuple[float, ...], high: tuple[float, ...]) -> Geometry:
    size = np.ceil((np.asarray(high) - low) / spacing_mm).astype(int)
    return Geometry(tuple(size), spacing_mm, tuple(np.asarray(low, float)))


@pytest.fixture(scope="module")
def femur() -> tuple[Surface, Geometry]:
    geometry = grid((1.0, 1.0, 1.0), (-160, -20, -60), (-60, 45, 70))
    return surface_from_mask(Volume(femur_like(geometry), geometry)), geometry


def test_head_of_a_built_femur(femur):
    surface, geometry = femur
    edge = field_edge(surface, geometry)
    assert edge.is_cut
    head = fit_head(surface, smallest_coverage=SMALLEST_COVERAGE["femur"], on_edge=edge.on_edge)
    assert head.reason == ""
    assert head.radius_mm == pytest.approx(RADIUS, abs=0.1)
    assert np.linalg.norm(head.center_mm - HEAD) < 0.2
    assert head.residual_mm < 0.3
    assert 0.6 < head.coverage < 1.0
    assert head.radius_error_mm < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_head_does_not_depend_on_pose_or_side(femur, rotation, seed):
    surface, _ = femur
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(seed) @ np.diag([-1.0 if seed % 2 else 1.0, 1.0, 1.0])
    matrix[:3, 3] = 50.0, -20.0, 700.0
    here = fit_head(surface, smallest_coverage=0.35)
    there = fit_head(surface.transformed(matrix), smallest_coverage=0.35)
    assert there.radius_mm == pytest.approx(here.radius_mm, abs=0.02)
    assert np.linalg.norm(there.center_mm - (matrix[:3, :3] @ here.center_mm + matrix[:3, 3])) < 0.05


def test_thick_slices(femur):
    geometry = grid((0.6, 0.6, 4.0), (-160, -20, -60), (-60, 45, 70))
    surface = surface_from_mask(Volume(femur_like(geometry), geometry))
    head = fit_head(surface, smallest_coverage=0.35, on_edge=field_edge(surface, geometry).on_edge)
    assert head.radius_mm == pytest.approx(RADIUS, abs=0.4)
    assert np.linalg.norm(head.center_mm - HEAD) < 0.6


@pytest.mark.parametrize(("radius", "voxel_mm"), [(8.0, 0.8), (26.0, 1.5)])
def test_small_and_large_heads(radius, voxel_mm):
    low, high = HEAD - 4.5 * radius, HEAD + 1.5 * radius
    geometry = grid((voxel_mm, voxel_mm, 1.2 * voxel_mm), tuple(low), tuple(high))
    surface = surface_from_mask(Volume(femur_like(geometry, radius=radius), geometry))
    head = fit_head(surface, smallest_coverage=0.35, on_edge=field_edge(surface, geometry).on_edge)
    assert head.radius_mm == pytest.approx(radius, abs=0.15)
    assert np.linalg.norm(head.center_mm - HEAD) < 0.25


def test_a_head_half_in_the_field_of_view_is_still_right():
    geometry = grid((1.0, 1.0, 1.0), (-160, -20, -60), (-60, 45, 46))
    surface = surface_from_mask(Volume(femur_like(geometry), geometry))
    head = fit_head(surface, smallest_coverage=0.3, on_edge=field_edge(surface, geometry).on_edge)
    assert head.radius_mm == pytest.approx(RADIUS, abs=0.3)
    assert np.linalg.norm(head.center_mm - HEAD) < 0.5


def test_a_shaft_has_no_head():
    geometry = grid((1.0, 1.0, 1.0), (-160, -20, -60), (-60, 45, -5))
    surface = surface_from_mask(Volume(femur_like(geometry), geometry))
    result = {m.key: m for m in measure_head(surface, joint="hip", edge=field_edge(surface, geometry))}
    radius = result["femur_head_radius"]
    assert radius.value is None
    assert "field of view" in radius.reason
    assert all(m.value is None and m.geometry == {} for m in result.values())


def test_a_cube_has_no_head(box):
    head = fit_head(box((30.0, 30.0, 30.0)), smallest_coverage=0.35)
    assert head.center_mm is None
    assert head.reason


def test_an_egg_is_not_spherical(ellipsoid):
    head = fit_head(ellipsoid((14.0, 20.0, 29.0)), smallest_coverage=0.35)
    assert head.center_mm is None
    assert "sphere" in head.reason or "spherical" in head.reason


def test_the_partner_narrows_the_search(ellipsoid, femur):
    surface, _ = femur
    socket = ellipsoid((5.0, 20.0, 20.0), HEAD + np.array([RADIUS + 8.0, 0.0, 0.0]))
    head = fit_head(surface, smallest_coverage=0.35, partner=socket)
    assert np.linalg.norm(head.center_mm - HEAD) < 0.2
    far = ellipsoid((5.0, 20.0, 20.0), HEAD + np.array([400.0, 0.0, 0.0]))
    assert fit_head(surface, smallest_coverage=0.35, partner=far).reason


def test_measurements_of_a_head(femur):
    surface, geometry = femur
    result = {m.key: m for m in measure_head(surface, joint="hip", edge=field_edge(surface, geometry))}
    assert result["femur_head_radius"].value == pytest.approx(RADIUS, abs=0.1)
    assert result["femur_head_radius"].geometry["head"]["type"] == "sphere"
    assert result["femur_head_center_left"].value == pytest.approx(HEAD[0], abs=0.2)
    assert result["femur_head_center_superior"].value == pytest.approx(HEAD[2], abs=0.2)
    assert result["femur_head_center_left"].error_estimate < 0.5


def _mesh(path) -> Surface:
    reader = vtkSTLReader()
    reader.SetFileName(str(path))
    reader.Update()
    return from_polydata(reader.GetOutput())


def test_real_bones(shared_data):
    """Adult heads: 18 to 29 mm radius, left and right of one body alike."""
    left = fit_head(_mesh(shared_data / "knee/meshes/bmf_left_femur.stl"), smallest_coverage=0.35)
    right = fit_head(_mesh(shared_data / "knee/meshes/bmf_right_femur.stl"), smallest_coverage=0.35)
    humerus = fit_head(_mesh(shared_data / "shoulder/meshes/pybiomech_humerus.stl"), smallest_coverage=0.25)
    for head in (left, right, humerus):
        assert head.reason == ""
        assert 18.0 < head.radius_mm < 29.0
        assert head.residual_mm < 0.6
    assert left.radius_mm == pytest.approx(right.radius_mm, abs=0.02)
    assert np.allclose(left.center_mm * (-1, 1, 1), right.center_mm, atol=0.05)
    # The hip bone's socket lies around it.
    socket = _mesh(shared_data / "hip/meshes/bmf_left_pelvis.stl")
    gap = np.linalg.norm(socket.points_mm - left.center_mm, axis=1).min() - left.radius_mm
    assert -1.0 < gap < 4.0
