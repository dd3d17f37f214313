import numpy as np
import pytest
from scipy import ndimage

from MultiJointSegLib.inference.pieces import NEARBY_MM, bone_pieces
from MultiJointSegLib.inference.postprocess import clean_classes

ISO = (1.0, 1.0, 1.0)


def ball(shape, center, radius, spacing=ISO):
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return np.linalg.norm((grid - np.array(center)) * np.array(spacing), axis=-1) <= radius


def count_pieces(mask):
    return ndimage.label(mask, np.ones((3, 3, 3)))[1]


def largest(mask):
    """Largest 26-connected component."""
    components, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    return components == np.bincount(components.ravel())[1:].argmax() + 1


def test_the_largest_piece_is_kept_and_the_input_untouched():
    mask = ball((20, 20, 40), (10, 10, 8), 5) | ball((20, 20, 40), (10, 10, 34), 3)
    before = mask.copy()
    np.testing.assert_array_equal(bone_pieces(mask, ISO), ball((20, 20, 40), (10, 10, 8), 5))
    np.testing.assert_array_equal(mask, before)
    assert not bone_pieces(np.zeros((3, 3, 3), bool), ISO).any()


def test_pieces_touch_over_corners():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True
    np.testing.assert_array_equal(bone_pieces(mask, ISO), mask)


def plate(*, missing, thickness=3.0):
    """A plate of 12 slices, 30 x 4 voxels in each, without some slices; spacing of the slices in mm."""
    mask = np.zeros((12, 40, 12), bool)
    mask[:, 5:35, 4:8] = True
    mask[missing] = False
    return mask, (thickness, 1.0, 1.0)


def test_half_a_plate_beyond_one_missed_slice_is_kept_and_the_gap_closed():
    mask, spacing = plate(missing=slice(6, 7), thickness=2.0)
    before = mask.copy()
    kept = bone_pieces(mask, spacing)
    assert (kept | ~mask).all(), "nothing of the plate is lost"
    assert count_pieces(kept) == 1
    assert kept[6, 10:30, 5:7].all()
    np.testing.assert_array_equal(mask, before)


def test_nothing_is_added_away_from_the_gap():
    mask, spacing = plate(missing=slice(6, 7), thickness=2.0)
    mask[0:3, 15:17, 5:7] = False  # a hollow of the bone's own, far from the gap
    added = bone_pieces(mask, spacing) & ~mask
    assert not added[:3].any()
    assert added[6].any()


def test_a_piece_beyond_a_wide_gap_goes():
    mask, spacing = plate(missing=slice(6, 8))  # centers 9 mm apart
    assert 3 * spacing[0] > NEARBY_MM
    kept = bone_pieces(mask, spacing)
    np.testing.assert_array_equal(kept, largest(mask))


def test_specks_go_however_near():
    mask = ball((24, 24, 40), (12, 12, 12), 8)
    mask[12, 12, 22:24] = True
    assert not bone_pieces(mask, ISO)[12, 12, 22:24].any()


def test_three_pieces_in_a_row_hold_each_other():
    mask, spacing = plate(missing=[3, 8], thickness=2.0)
    assert count_pieces(mask) == 3
    assert count_pieces(bone_pieces(mask, spacing)) == 1


def two_femurs():
    shape = (30, 20, 100)
    return ball(shape, (15, 10, 12), 9) | ball(shape, (15, 10, 86), 8.5)


def test_the_other_side_is_kept_where_both_are_expected():
    mask = two_femurs()
    np.testing.assert_array_equal(bone_pieces(mask, ISO, both_sides=True), mask)
    np.testing.assert_array_equal(bone_pieces(mask, ISO), largest(mask))


def test_a_small_far_piece_is_no_other_side():
    shape = (30, 20, 100)
    mask = ball(shape, (15, 10, 12), 9) | ball(shape, (15, 10, 86), 5)
    np.testing.assert_array_equal(bone_pieces(mask, ISO, both_sides=True), largest(mask))


def test_a_broken_bone_of_the_other_side_is_joined_too():
    shape = (30, 20, 100)
    mask = ball(shape, (15, 10, 12), 9) | ball(shape, (15, 10, 86), 8.5)
    mask[15, :, 70:] = False
    kept = bone_pieces(mask, ISO, both_sides=True)
    assert (kept | ~mask).all()
    assert count_pieces(kept) == 2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirroring_commutes(axis):
    mask, spacing = plate(missing=[3, 8], thickness=2.0)
    mirrored = bone_pieces(np.flip(mask, axis).copy(), spacing)
    np.testing.assert_array_equal(mirrored, np.flip(bone_pieces(mask, spacing), axis))


def test_a_bridge_takes_nothing_from_another_bone():
    mask, spacing = plate(missing=slice(6, 7), thickness=2.0)
    classes = mask.astype(np.uint8)
    classes[5:8, 18:22] = 2  # another bone passes through the gap
    cleaned = clean_classes(classes, spacing, count=2, closing_radius_mm=1.5)
    assert (cleaned.classes[5:8, 18:22] == 2).all()
    assert count_pieces(cleaned.classes == 1) == 1
    assert cleaned.added_voxels[1] > 0
    assert cleaned.removed_voxels == {1: 0, 2: 0}


def test_a_hip_keeps_both_sides_after_cleaning():
    mask = two_femurs()
    cleaned = clean_classes(mask.astype(np.uint8), ISO, count=1, closing_radius_mm=1.5, both_sides=True)
    np.testing.assert_array_equal(cleaned.classes == 1, mask)


def test_parts_seen_apart_are_kept_where_the_bone_is_seen_in_parts():
    near = ball((20, 20, 60), (10, 10, 8), 6) | ball((20, 20, 60), (10, 10, 34), 5)  # 15 mm apart
    np.testing.assert_array_equal(bone_pieces(near, ISO), largest(near))
    np.testing.assert_array_equal(bone_pieces(near, ISO, in_parts=True), near)
    speck = largest(near) | ball((20, 20, 60), (10, 10, 34), 2)
    np.testing.assert_array_equal(bone_pieces(speck, ISO, in_parts=True), largest(near))
    classes = near.astype(np.uint8)
    cleaned = clean_classes(classes, ISO, count=1, closing_radius_mm=0.0, in_parts={1})
    np.testing.assert_array_equal(cleaned.classes, classes)
