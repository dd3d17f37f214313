import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from MultiJointSegLib.inference.closing import ball_offsets, close_mask
from MultiJointSegLib.inference.postprocess import clean_classes, fill_holes

ISO = (1.0, 1.0, 1.0)


def ball(shape, center, radius, spacing=ISO):
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return np.linalg.norm((grid - np.array(center)) * np.array(spacing), axis=-1) <= radius


def closed_by_distance(mask, radius, spacing):
    """Closing by its definition, with exact distance transforms."""
    pad = [2 * int(radius / s) + 3 for s in spacing]
    padded = np.pad(mask, [(n, n) for n in pad])
    grown = ndimage.distance_transform_edt(~padded, sampling=spacing) <= radius * (1 + 1e-6)
    closed = ndimage.distance_transform_edt(grown, sampling=spacing) > radius * (1 + 1e-6)
    return closed[tuple(slice(n, n + size) for n, size in zip(pad, mask.shape, strict=True))] | mask


@given(
    st.integers(0, 10_000),
    st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.5, 0.5), (0.7, 0.365, 0.365), (0.6, 2.0, 1.1)]),
    st.floats(0.3, 2.6),
)
@settings(max_examples=25, deadline=None)
def test_closing_equals_its_definition(seed, spacing, radius):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(9, 12, 11)), 1) > 0.05
    before = mask.copy()
    np.testing.assert_array_equal(close_mask(mask, radius, spacing), closed_by_distance(mask, radius, spacing))
    np.testing.assert_array_equal(mask, before)


def test_closing_bridges_gaps_below_its_diameter_in_millimeters():
    mask = np.zeros((5, 20, 5), bool)
    mask[:, 4:8] = mask[:, 10:14] = True  # a gap of two voxels
    gap = (slice(2, 3), slice(8, 10), slice(2, 3))
    assert close_mask(mask, 1.5, (1.0, 1.0, 1.0))[gap].all()
    assert not close_mask(mask, 1.5, (1.0, 2.0, 1.0))[gap].any()


def test_a_radius_below_the_voxel_changes_nothing():
    mask = np.random.default_rng(0).uniform(size=(6, 6, 6)) > 0.5
    np.testing.assert_array_equal(close_mask(mask, 0.9, ISO), mask)
    assert not close_mask(np.zeros((3, 3, 3), bool), 2.0, ISO).any()


def test_ball_is_an_ellipsoid_of_voxels():
    assert len(ball_offsets(1.0, ISO)) == 7
    assert len(ball_offsets(1.0, (2.0, 1.0, 0.5))) == 7  # 5 along i, 2 along j, 0 along k
    assert len(ball_offsets(0.0, ISO)) == 1


def test_holes_are_filled_and_bays_are_not():
    shell = ball((15, 15, 15), (7, 7, 7), 6) & ~ball((15, 15, 15), (7, 7, 7), 3)
    np.testing.assert_array_equal(fill_holes(shell), ball((15, 15, 15), (7, 7, 7), 6))
    open_shell = shell.copy()
    open_shell[7:, 7, 7] = False
    assert fill_holes(open_shell)[7, 7, 7] == open_shell[7, 7, 7]


def clean(classes, *, spacing=ISO, count=2, radius=1.5):
    before = classes.copy()
    result = clean_classes(classes, spacing, count=count, closing_radius_mm=radius)
    np.testing.assert_array_equal(classes, before)
    return result


def test_specks_go_holes_close_and_the_counts_tell():
    shape = (24, 24, 40)
    femur = ball(shape, (12, 12, 12), 8)
    classes = femur.astype(np.uint8)
    classes[12, 12, 12] = 0  # a hole
    classes[10, 10, 10] = 2  # a speck of the other bone inside
    classes[2:4, 2:4, 36] = 1  # an island of four voxels
    tibia = ball(shape, (12, 12, 30), 7)
    classes[tibia] = 2
    result = clean(classes)
    np.testing.assert_array_equal(result.classes == 1, femur)
    np.testing.assert_array_equal(result.classes == 2, tibia)
    assert result.removed_voxels == {1: 4, 2: 1}
    assert result.added_voxels == {1: 2, 2: 0}
    assert result.boxes[2] == tuple(slice(int(v.min()), int(v.max()) + 1) for v in np.nonzero(tibia))


def test_a_bone_never_takes_voxels_of_its_neighbor():
    classes = np.zeros((9, 20, 9), np.uint8)
    classes[:, 3:9] = 1
    classes[:, 9] = 2  # a thin plate between two parts of bone 1
    classes[:, 10:16] = 1
    classes[4, 5, 4] = 2  # inside bone 1, and connected to nothing
    result = clean(classes, radius=3.0)
    assert (result.classes[:, 9] == 2).all()


def test_what_two_bones_claim_stays_background_whatever_the_order():
    classes = np.zeros((11, 11, 24), np.uint8)
    classes[:, :, 2:10] = 1
    classes[:, :, 12:20] = 2
    classes[4:7, 4:7, 8:10] = 0
    classes[4:7, 4:7, 12:14] = 0
    swapped = np.choose(classes, [0, 2, 1]).astype(np.uint8)
    one, other = clean(classes, radius=3.0), clean(swapped, radius=3.0)
    np.testing.assert_array_equal(np.choose(one.classes, [0, 2, 1]), other.classes)
    assert (one.classes[:, :, 10:12] == 0).all(), "the joint space must stay open"


def test_an_absent_bone_has_no_box():
    classes = np.zeros((5, 5, 5), np.uint8)
    classes[2, 2, 2] = 2
    result = clean(classes, count=3)
    assert set(result.boxes) == {2}
    assert result.removed_voxels == {1: 0, 2: 0, 3: 0}
    assert not clean(np.zeros((3, 3, 3), np.uint8)).boxes


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirroring_commutes(axis):
    rng = np.random.default_rng(5)
    classes = (ndimage.gaussian_filter(rng.normal(size=(14, 16, 18)), 2) > 0.02).astype(np.uint8)
    mirrored = clean(np.flip(classes, axis).copy(), count=1).classes
    np.testing.assert_array_equal(mirrored, np.flip(clean(classes, count=1).classes, axis))
