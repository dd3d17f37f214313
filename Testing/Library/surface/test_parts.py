"""Parts of one bone that are seen apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.from_segmentation import check_bodies
from MultiJointSegLib.surface.extraction import bone_surfaces
from MultiJointSegLib.surface.parts import parts_of_bone
from MultiJointSegLib.surface.topology import check_topology

SPACING_MM = (2.0, 1.0, 1.0)


def bodies(*blocks: tuple[int, int]) -> np.ndarray:
    """Blocks of 4 x 8 voxels, each with its start and length along the last axis (1 mm a voxel)."""
    mask = np.zeros((8, 12, 140), bool)
    for start, length in blocks:
        mask[2:6, 2:10, start : start + length] = True
    return mask


def numbered(*blocks: tuple[int, int]) -> np.ndarray:
    components, _ = ndimage.label(bodies(*blocks))
    return components


@pytest.mark.parametrize(
    ("blocks", "parts"),
    [
        ([(2, 20)], [1]),
        ([(2, 20), (45, 10)], [1, 2]),  # 24 mm apart
        ([(2, 20), (50, 10)], [1]),  # 29 mm apart
        ([(2, 20), (45, 4)], [1]),  # a fifth of the largest
        ([(2, 20), (45, 8), (76, 8)], [1, 2, 3]),  # the third is near the second
        ([(2, 8), (33, 20)], [2, 1]),  # the largest first
        ([], []),
    ],
)
def test_large_bodies_near_the_largest_are_parts(blocks, parts):
    assert parts_of_bone(numbered(*blocks), SPACING_MM) == parts


def test_distance_is_in_millimeters():
    mask = np.zeros((40, 6, 6), bool)
    mask[0:6], mask[20:26] = True, True  # 15 slices from voxel to voxel
    components, _ = ndimage.label(mask)
    assert parts_of_bone(components, (1.5, 1.0, 1.0)) == [1, 2]
    assert parts_of_bone(components, (2.0, 1.0, 1.0)) == [1]


def labels_of(key: str) -> Volume:
    mask = bodies((2, 20), (40, 10))
    label = anatomy.bone(key).label
    return Volume((mask * label).astype(np.uint8), Geometry(mask.shape[::-1], SPACING_MM[::-1]))


def test_only_bones_that_are_seen_in_parts_have_surfaces_of_several():
    for key, parts in (("scapula", 2), ("humerus", 1)):
        labels = labels_of(key)
        surface = bone_surfaces(labels, [anatomy.bone(key)])[key]
        assert check_topology(surface).parts == parts
        assert check_topology(surface).is_closed_manifold


def test_a_measured_label_may_be_in_parts_but_not_two_bones():
    shoulder = anatomy.joint("shoulder")
    check_bodies(labels_of("scapula"), shoulder)
    with pytest.raises(InputError, match=r"humerus .* two separate bodies"):
        check_bodies(labels_of("humerus"), shoulder)
    far = labels_of("scapula")
    far.array[2:6, 2:10, 110:125] = anatomy.bone("scapula").label
    with pytest.raises(InputError, match=r"scapula .* two separate bodies"):
        check_bodies(far, shoulder)


def test_both_hips_may_have_one_label():
    array = np.zeros((8, 12, 140), np.uint8)
    array[2:6, 2:10, 5:40] = array[2:6, 2:10, 100:135] = anatomy.bone("femur").label
    both = Volume(array, Geometry((140, 12, 8), (1.0, 1.0, 2.0)))
    check_bodies(both, anatomy.joint("hip"))
    with pytest.raises(InputError, match=r"femur .* two separate bodies"):
        check_bodies(both, anatomy.joint("knee"))
    near = np.roll(array, -40, axis=2)
    near[..., 60:] = 0
    near[2:6, 2:10, 5:20] = near[2:6, 2:10, 25:40] = anatomy.bone("femur").label
    with pytest.raises(InputError, match=r"femur .* two separate bodies"):
        check_bodies(both.with_array(near), anatomy.joint("hip"))
