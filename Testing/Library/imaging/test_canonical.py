"""Canonical slices: the same for every storage of the same anatomy, and exactly back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.canonical import canonical_grid, canonical_slices
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.resampling import downsampling_matrix, linear_taps, nearest_index
from MultiJointSegLib.imaging.volume import Volume

ORIENTATIONS = [
    (order, flips) for order in itertools.permutations(range(3)) for flips in itertools.product((False, True), repeat=3)
]
SAGITTAL = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
"""Columns i = posterior, j = inferior, k = left: as a scanner stores sagittal slices."""


def stored_otherwise(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same voxels in the same places, with grid axes exchanged and turned around."""
    geometry = volume.geometry
    direction = np.asarray(geometry.direction)[:, list(order)] * np.where(flips, -1, 1)
    size = tuple(geometry.size[a] for a in order)
    corner = np.zeros(3)
    for axis, flip in zip(order, flips, strict=True):
        corner[axis] = geometry.size[axis] - 1 if flip else 0
    array = volume.array.transpose([2 - a for a in order[::-1]])
    array = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips[::-1])]
    return Volume(
        np.ascontiguousarray(array),
        Geometry(
            size,
            tuple(geometry.spacing_mm[a] for a in order),
            tuple(geometry.index_to_point(corner)),
            tuple(tuple(row) for row in direction),
        ),
    )


def sagittal_volume(rng: np.random.Generator, spacing_mm=(0.5, 0.6, 3.0), rotation=None) -> Volume:
    direction = np.asarray(SAGITTAL)
    if rotation is not None:
        direction = rotation.as_matrix() @ direction
    geometry = Geometry((37, 29, 7), spacing_mm, (-10.0, 20.0, 30.0), tuple(tuple(row) for row in direction))
    return Volume(rng.random(geometry.array_shape).astype(np.float32), geometry)


def ramp(geometry: Geometry, gradient=(0.02, -0.03, 0.05)) -> np.ndarray:
    """Intensity that is linear in the patient's space."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.array_shape), indexing="ij")
    return (geometry.index_to_point(np.stack([i, j, k], -1)) @ np.asarray(gradient) + 7).astype(np.float32)


@pytest.mark.parametrize("rotation", [None, Rotation.from_euler("xyz", (17, -12, 24), degrees=True)])
@pytest.mark.parametrize("spacing_mm", [(0.5, 0.6, 3.0), (0.9, 0.9, 0.95)])
def test_all_48_storages_give_the_same_slices(spacing_mm, rotation) -> None:
    rng = np.random.default_rng(1)
    volume = sagittal_volume(rng, spacing_mm, rotation)
    reference = canonical_slices(volume)
    stack = rng.random((reference.images.shape[0], 3, *reference.images.shape[2:])).astype(np.float32)
    classes, probability = reference.grid.argmax_to_native(stack)
    assert len(ORIENTATIONS) == 48
    for order, flips in ORIENTATIONS:
        other = stored_otherwise(volume, order, flips)
        slices = canonical_slices(other)
        assert slices.grid.plane == reference.grid.plane == "sagittal"
        assert slices.grid.geometry.same_grid(reference.grid.geometry)
        np.testing.assert_allclose(slices.images, reference.images, atol=1e-5)
        labels, certainty = slices.grid.argmax_to_native(stack)
        expected = stored_otherwise(volume.with_array(classes), order, flips)
        assert expected.geometry.same_grid(other.geometry)
        np.testing.assert_array_equal(labels, expected.array)
        expected_certainty = stored_otherwise(volume.with_array(probability), order, flips)
        np.testing.assert_array_equal(certainty, expected_certainty.array)
        np.testing.assert_array_equal(
            slices.grid.sample_labels(other.with_array(labels)),
            reference.grid.sample_labels(volume.with_array(classes)),
        )


@pytest.mark.parametrize("spacing_mm", [(0.31, 0.43, 3.0), (0.8, 0.8, 4.0), (1.1, 1.3, 5.0), (0.36, 0.36, 0.7)])
def test_linear_field_is_exact_on_the_canonical_grid_and_back(spacing_mm) -> None:
    rotation = Rotation.from_euler("xyz", (8, -5, 11), degrees=True)
    direction = tuple(tuple(row) for row in rotation.as_matrix() @ np.asarray(SAGITTAL))
    geometry = Geometry((60, 50, 24), spacing_mm, (3.0, -5.0, 9.0), direction)
    slices = canonical_slices(Volume(ramp(geometry), geometry))
    expected = ramp(slices.grid.geometry)
    inner = (slice(3, -3),) * 3
    np.testing.assert_allclose(slices.images[:, 1][inner], expected[inner], atol=2e-4)
    back = slices.grid.to_native(slices.images[:, 1:2])
    margin = tuple(slice(int(np.ceil(4 / s)) + 1, -int(np.ceil(4 / s)) - 1) for s in spacing_mm[::-1])
    assert back[0][margin].size > 0
    np.testing.assert_allclose(back[0][margin], ramp(geometry)[margin], atol=2e-4)


def test_channels_are_the_neighbors_at_the_stated_distance() -> None:
    geometry = Geometry((40, 40, 30), (0.8, 0.8, 0.75), (0, 0, 0), SAGITTAL)
    values = np.broadcast_to(np.arange(30, dtype=np.float32)[:, None, None] * 0.75, geometry.array_shape)
    slices = canonical_slices(Volume(values.copy(), geometry))
    pitch = slices.grid.pitch_mm
    assert 1.0 <= pitch < 1.05
    middle = slices.images[:, :, 16, 16]
    before, after = middle[5:-5, 1] - middle[5:-5, 0], middle[5:-5, 2] - middle[5:-5, 1]
    np.testing.assert_allclose(before, 2.0, atol=1e-4)
    np.testing.assert_allclose(after, 2.0, atol=1e-4)
    assert middle[0, 0] == middle[0, 1]
    assert middle[-1, 2] == middle[-1, 1]


def test_thick_slices_take_their_direct_neighbors() -> None:
    volume = sagittal_volume(np.random.default_rng(0), (0.8, 0.8, 4.0))
    images = canonical_slices(volume).images
    np.testing.assert_array_equal(images[1:, 0], images[:-1, 1])
    np.testing.assert_array_equal(images[:-1, 2], images[1:, 1])
    np.testing.assert_allclose(images[:, 1], volume.array, atol=1e-6)


@pytest.mark.parametrize(
    ("axis", "plane", "rows", "columns"),
    [(0, "sagittal", (0, 0, -1), (0, 1, 0)), (1, "coronal", (0, 0, -1), (1, 0, 0)), (2, "axial", (0, 1, 0), (1, 0, 0))],
)
def test_directions_on_screen(axis: int, plane: str, rows, columns) -> None:
    spacing = [0.7, 0.7, 0.7]
    spacing[axis] = 4.0
    grid = canonical_grid(Geometry((20, 21, 22), tuple(spacing)))
    assert grid.plane == plane
    direction = np.asarray(grid.geometry.direction)
    np.testing.assert_allclose(direction[:, 1], rows)
    np.testing.assert_allclose(direction[:, 0], columns)


def test_near_isotropic_grid_is_cut_sagittally() -> None:
    assert canonical_grid(Geometry((50, 50, 50), (1.0, 0.9, 1.1))).plane == "sagittal"
    assert canonical_grid(Geometry((50, 50, 50), (1.0, 0.5, 1.0))).plane == "sagittal"
    assert canonical_grid(Geometry((50, 50, 50), (1.0, 1.0, 1.5))).plane == "axial"


def test_pixel_and_pitch_are_close_to_those_asked_for() -> None:
    grid = canonical_grid(Geometry((512, 512, 160), (0.35, 0.35, 0.7), (0, 0, 0), SAGITTAL))
    assert grid.shape == (112, 224, 224)
    assert grid.pixel_mm == pytest.approx((0.8, 0.8), rel=0.005)
    assert grid.pitch_mm == pytest.approx(1.0, rel=0.01)


def test_labels_survive_the_round_trip() -> None:
    """A ball labeled on the examination's grid comes back within a pixel of its surface."""
    geometry = Geometry((80, 84, 20), (0.5, 0.5, 3.0), (0, 0, 0), SAGITTAL)
    k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.array_shape), indexing="ij")
    points = geometry.index_to_point(np.stack([i, j, k], -1))
    distance = np.linalg.norm(points - geometry.index_to_point(np.array([40, 42, 10])), axis=-1) - 14
    grid = canonical_grid(geometry)
    labels = grid.sample_labels(Volume((distance < 0).astype(np.uint8), geometry))
    one_hot = np.stack([labels == 0, labels == 1], axis=1).astype(np.float32)
    classes, probability = grid.argmax_to_native(one_hot)
    wrong = classes != (distance < 0)
    assert np.abs(distance[wrong]).max() < 0.8
    assert probability.dtype == np.float16
    assert probability.min() >= 0.5


def test_bounded_memory_path_equals_one_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    volume = sagittal_volume(rng, (0.4, 0.4, 0.6))
    whole = canonical_slices(volume)
    stack = rng.random((whole.grid.shape[0], 4, *whole.grid.shape[1:])).astype(np.float32)
    expected = whole.grid.to_native(stack), *whole.grid.argmax_to_native(stack)
    for module in ("canonical", "canonical_grid"):
        monkeypatch.setattr(f"MultiJointSegLib.imaging.{module}.SLAB_VOXELS", 1)
    np.testing.assert_allclose(canonical_slices(volume).images, whole.images, atol=1e-6)
    got = whole.grid.to_native(stack), *whole.grid.argmax_to_native(stack)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(got[1], expected[0].argmax(axis=0))


def test_wrong_shapes_are_refused() -> None:
    volume = sagittal_volume(np.random.default_rng(0))
    grid = canonical_grid(volume.geometry)
    with pytest.raises(InputError, match="stack has shape"):
        grid.to_native(np.zeros((2, 1, 3, 3), np.float32))
    with pytest.raises(InputError, match="grid of its image"):
        grid.sample_labels(Volume(np.zeros((3, 3, 3), np.uint8), Geometry((3, 3, 3))))


@pytest.mark.parametrize(("source", "target"), [(100, 43), (43, 100), (7, 7), (1, 3), (3, 1), (160, 112)])
def test_resampling_matrices(source: int, target: int) -> None:
    matrix = downsampling_matrix(source, target)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    position = (np.arange(target) + 0.5) * source / target - 0.5
    reach = int(np.ceil(max(source / target, 1))) + 1
    inner = (position >= reach) & (position <= source - 1 - reach)
    np.testing.assert_allclose((matrix @ np.arange(source))[inner], position[inner], atol=1e-4)
    lower, upper, weight = linear_taps(source, target)
    np.testing.assert_allclose(lower + weight * (upper - lower), np.clip(position, 0, source - 1), atol=1e-9)
    assert nearest_index(source, target).min() >= 0
    assert nearest_index(source, target).max() < source


@pytest.mark.parametrize("spacing_mm", [(0.5, 0.6, 3.0), (0.9, 0.9, 0.7), (0.8, 0.8, 4.0)])
def test_classes_in_a_corner_of_the_image_are_the_argmax(spacing_mm) -> None:
    """Only the box where bones may win is interpolated for every class; the result has to be that of the whole."""
    rng = np.random.default_rng(5)
    grid = canonical_grid(sagittal_volume(rng, spacing_mm).geometry)
    stack = rng.random((grid.shape[0], 4, *grid.shape[1:])).astype(np.float32)
    stack[:, 0] += 2
    stack[1:3, 1:, 5:14, 3:9] += 2.5
    stack /= stack.sum(axis=1, keepdims=True)
    whole = grid.to_native(stack)
    classes, probability = grid.argmax_to_native(stack)
    np.testing.assert_array_equal(classes, whole.argmax(axis=0))
    np.testing.assert_allclose(probability, whole.max(axis=0), atol=1e-3)
    assert 0 < np.mean(classes > 0) < 0.5
    assert not grid.argmax_to_native(stack[:, :1])[0].any()
