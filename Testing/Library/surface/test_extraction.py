"""Surfaces are closed, outward, in the right place and of the right size."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree

from MultiJointSegLib.anatomy import catalog
from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.progress import CallbackProgress
from MultiJointSegLib.surface.extraction import bone_surfaces, surface_from_mask, surface_from_probability
from MultiJointSegLib.surface.topology import check_topology

SHIFTS = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 3))


def assert_closed(surface) -> None:
    found = check_topology(surface)
    assert found.is_closed_manifold, found
    assert found.degenerate_triangles == 0
    assert found.unused_points == 0
    assert surface.volume_mm3 > 0


@pytest.mark.parametrize(
    ("spacing_mm", "radius_mm", "volume_percent", "area_percent"),
    [
        ((0.6, 0.6, 0.6), 5.0, 0.5, 2.0),
        ((0.6, 0.6, 0.6), 15.0, 0.5, 2.0),
        ((0.6, 0.6, 1.2), 5.0, 0.5, 2.0),
        ((0.6, 0.6, 1.2), 15.0, 0.5, 2.0),
        ((0.6, 0.6, 1.2), 30.0, 0.5, 2.0),
        # Thick slices: within the same limits thanks to the interpolation by shape.
        ((0.5, 0.5, 3.0), 10.0, 0.5, 2.0),
        ((0.5, 0.5, 3.0), 15.0, 0.5, 2.0),
        ((3.0, 0.6, 0.6), 15.0, 0.5, 2.0),
        ((0.6, 4.0, 0.6), 20.0, 0.5, 2.0),
    ],
)
def test_sphere_size(digitize, spacing_mm, radius_mm, volume_percent, area_percent):
    volume, area = [], []
    for shift in SHIFTS:
        surface = surface_from_mask(digitize(radius_mm, spacing_mm, shift_voxels=shift))
        assert_closed(surface)
        volume.append(surface.volume_mm3 / (4 / 3 * np.pi * radius_mm**3) - 1)
        area.append(surface.area_mm2 / (4 * np.pi * radius_mm**2) - 1)
    assert abs(100 * np.mean(volume)) < volume_percent
    assert abs(100 * np.mean(area)) < area_percent


@pytest.mark.parametrize("spacing_mm", [(0.6, 0.6, 0.6), (0.6, 0.6, 1.2), (0.5, 0.5, 3.0)])
def test_probability_sphere_size(digitize, spacing_mm):
    radius = 12.0
    volume, area = [], []
    for shift in SHIFTS:
        surface = surface_from_probability(digitize(radius, spacing_mm, shift_voxels=shift, soft_mm=0.5))
        assert_closed(surface)
        volume.append(surface.volume_mm3 / (4 / 3 * np.pi * radius**3) - 1)
        area.append(surface.area_mm2 / (4 * np.pi * radius**2) - 1)
    # Three-millimeter slices: one of six spheres ends right behind a slice, which no slice shows.
    assert abs(100 * np.mean(volume)) < (0.5 if max(spacing_mm) < 2.0 else 0.7)
    assert abs(100 * np.mean(area)) < 2.0


def _placements() -> list[np.ndarray]:
    """All 48 orientations of the axes."""
    return [
        np.eye(3)[:, list(order)] * np.asarray(signs)
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]


@pytest.mark.parametrize("spacing_mm", [(1.0, 0.9, 1.1), (0.9, 1.0, 3.0), (3.0, 0.9, 1.0)])
def test_every_axis_orientation_gives_the_same_solid(digitize, rotation, spacing_mm):
    center, radii = (-71.0, 33.0, 512.0), (13.0, 9.0, 7.0)
    truth = 4 / 3 * np.pi * np.prod(radii)
    oblique = rotation((14.0, -21.0, 8.0))
    for n, axes in enumerate(_placements()):
        direction = oblique @ axes if n % 2 else axes
        mask = digitize(radii, spacing_mm, center_mm=center, direction=direction)
        surface = surface_from_mask(mask)
        assert_closed(surface)
        assert surface.volume_mm3 == pytest.approx(truth, rel=0.02)
        offset = (surface.points_mm - center) / radii
        assert np.abs(np.linalg.norm(offset, axis=1) - 1).max() < 0.15
        outward = np.einsum(
            "ij,ij->i", surface.area_vectors_mm2(), surface.points_mm[surface.triangles].mean(axis=1) - center
        )
        assert (outward > 0).mean() > 0.999


def test_index_and_patient_space_agree(digitize):
    """A mirrored grid with the same voxels in the same places gives the same surface."""
    mask = digitize((9.0, 7.0, 11.0), (0.8, 0.8, 1.0), shift_voxels=(0.2, -0.3, 0.1))
    geometry = mask.geometry
    last = geometry.index_to_point(np.array([geometry.size[0] - 1, 0, 0]))
    flipped = Geometry(
        geometry.size, geometry.spacing_mm, tuple(last), ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    )
    one = surface_from_mask(mask)
    two = surface_from_mask(Volume(mask.array[:, :, ::-1], flipped))
    assert two.volume_mm3 == pytest.approx(one.volume_mm3, rel=1e-4)
    distance, _ = cKDTree(one.points_mm).query(two.points_mm)
    assert distance.max() < 1e-3


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.5, 0.5, 2.0)])
@pytest.mark.parametrize("share", [0.15, 0.5, 0.85])
def test_noise_is_still_closed_and_manifold(spacing_mm, share):
    rng = np.random.default_rng(int(100 * share))
    array = rng.random((9, 12, 11)) < share
    for keep in ("largest", "all"):
        surface = surface_from_mask(Volume(array, Geometry(array.shape[::-1], spacing_mm)), keep=keep)
        found = check_topology(surface)
        assert found.is_closed_manifold, found
        assert surface.volume_mm3 > 0
        if keep == "largest":
            assert found.parts == 1


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.5, 0.5, 4.0)])
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 12, 12), (12, 1, 12), (2, 2, 2), (5, 1, 1)])
def test_tiny_and_flat_masks(spacing_mm, size):
    array = np.zeros((16, 16, 16), np.uint8)
    array[tuple(slice(2, 2 + n) for n in size)] = 1
    surface = surface_from_mask(Volume(array, Geometry((16, 16, 16), spacing_mm)))
    assert check_topology(surface).is_closed_manifold
    assert surface.volume_mm3 > 0


def test_a_thin_plate_keeps_its_thickness():
    """Thin processes must not shrink: a plate of 3.6 mm, as the acromion of a child."""
    array = np.zeros((60, 60, 20), np.uint8)
    array[5:55, 5:55, 7:13] = 1
    surface = surface_from_mask(Volume(array, Geometry((20, 60, 60), (0.6, 0.6, 0.6))))
    middle = np.linalg.norm(surface.points_mm[:, 1:] - 0.6 * 29.5, axis=1) < 8.0
    assert np.ptp(surface.points_mm[middle, 0]) == pytest.approx(3.6, abs=0.01)
    assert surface.volume_mm3 == pytest.approx(30 * 30 * 3.6, rel=0.01)


def test_islands_fall_away_and_cavities_are_filled(digitize):
    whole = digitize(10.0, (1.0, 1.0, 1.0))
    array = whole.array.copy()
    middle = np.asarray(array.shape) // 2
    array[middle[0] - 1 : middle[0] + 2, middle[1] - 1 : middle[1] + 2, middle[2]] = 0
    array[1:3, 1:3, 1:3] = 1
    mask = whole.with_array(array)
    surface = surface_from_mask(mask)
    assert check_topology(surface).parts == 1
    assert surface.volume_mm3 == pytest.approx(surface_from_mask(whole).volume_mm3, rel=1e-6)
    assert check_topology(surface_from_mask(mask, keep="all")).parts == 3


@pytest.mark.parametrize("pitch_mm", [1.0, 3.0])
def test_a_bone_cut_by_the_field_of_view_is_closed(digitize, pitch_mm):
    radius = 12.0
    for soft in (None, 0.5):
        volume = digitize(radius, (1.0, 1.0, pitch_mm), soft_mm=soft)
        cut = int(volume.array.shape[0] // 2)
        volume = digitize(radius, (1.0, 1.0, pitch_mm), soft_mm=soft, cut_at_voxel=cut)
        surface = surface_from_mask(volume) if soft is None else surface_from_probability(volume)
        assert_closed(surface)
        # The cut lies half a slice below the lowest slice; the filter rings a little at its sharp edge.
        low = volume.geometry.origin_mm[2] - pitch_mm / 2
        assert surface.points_mm[:, 2].min() == pytest.approx(low, abs=0.3)
        height = radius - low
        assert surface.volume_mm3 == pytest.approx(np.pi * height**2 * (radius - height / 3), rel=0.02)


def test_the_mask_decides_what_is_inside(digitize):
    probability = digitize(10.0, (1.0, 1.0, 1.0), soft_mm=0.5)
    array = (probability.array >= 0.5).astype(np.uint8)
    array[:, :, : array.shape[2] // 2] = 0
    surface = surface_from_probability(probability, mask=probability.with_array(array))
    assert_closed(surface)
    assert surface.volume_mm3 == pytest.approx(np.count_nonzero(array), rel=0.03)


def test_half_precision_probabilities(digitize):
    probability = digitize(10.0, (0.8, 0.8, 1.0), soft_mm=0.4)
    exact = surface_from_probability(probability)
    half = surface_from_probability(probability.with_array(probability.array.astype(np.float16)))
    assert half.volume_mm3 == pytest.approx(exact.volume_mm3, rel=1e-3)


def test_bone_surfaces(digitize):
    femur, tibia = catalog.bone("femur"), catalog.bone("tibia")
    sphere = digitize(8.0, (1.0, 1.0, 1.0), soft_mm=0.4)
    shape = sphere.array.shape
    labels = np.zeros((2 * shape[0], shape[1], shape[2]), np.uint8)
    inside = sphere.array >= 0.5
    labels[: shape[0]][inside] = femur.label
    labels[shape[0] :][inside] = tibia.label
    geometry = Geometry(labels.shape[::-1], sphere.spacing_mm, sphere.geometry.origin_mm)
    volume = Volume(labels, geometry)
    seen: list[str] = []
    surfaces = bone_surfaces(
        volume,
        catalog.joint("knee").bones,
        {"femur": sphere},
        CallbackProgress(lambda _fraction, message: seen.append(message)),
    )
    assert list(surfaces) == ["femur", "tibia"]
    for surface in surfaces.values():
        assert_closed(surface)
        assert surface.volume_mm3 == pytest.approx(4 / 3 * np.pi * 8.0**3, rel=0.02)
    distance = surfaces["tibia"].points_mm.mean(axis=0) - surfaces["femur"].points_mm.mean(axis=0)
    assert np.allclose(distance, (0, 0, shape[0]), atol=0.05)
    assert "Surface of the femur" in seen
    with pytest.raises(CancelledError):
        bone_surfaces(volume, (femur,), None, CallbackProgress(lambda *_: None, lambda: True))


def test_a_probability_of_another_grid_is_not_used(digitize):
    femur = catalog.bone("femur")
    mask = digitize(8.0, (1.0, 1.0, 1.0))
    other = digitize(3.0, (0.5, 0.5, 0.5), soft_mm=0.4)
    surfaces = bone_surfaces(mask.with_array(mask.array * femur.label), (femur,), {"femur": other})
    assert surfaces["femur"].volume_mm3 == pytest.approx(surface_from_mask(mask).volume_mm3)


def test_nothing_inside_is_said():
    empty = Volume(np.zeros((4, 4, 4), np.uint8), Geometry((4, 4, 4)))
    with pytest.raises(InputError, match="no voxel inside"):
        surface_from_mask(empty)
    with pytest.raises(InputError, match="one half"):
        surface_from_probability(empty.with_array(np.full((4, 4, 4), 0.3)))
    with pytest.raises(InputError, match="different grids"):
        surface_from_probability(empty, mask=Volume(empty.array, Geometry((4, 4, 4), (1.0, 1.0, 2.0))))
