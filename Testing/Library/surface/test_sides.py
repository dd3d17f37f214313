"""Left and right bone of one label."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.surface.extraction import bone_surfaces
from MultiJointSegLib.surface.sides import split_sides
from MultiJointSegLib.surface.topology import check_topology


def blocks(*starts) -> Volume:
    array = np.zeros((12, 12, 60), np.uint8)
    for start in starts:
        array[3:9, 3:9, start : start + 8] = 1
    return Volume(array, Geometry((60, 12, 12), (2.0, 2.0, 2.0)))


def test_bones_of_both_sides_are_kept():
    both = blocks(3, 46)
    assert len(split_sides(both)) == 2
    surface = bone_surfaces(both, [anatomy.bone("femur")])["femur"]
    assert check_topology(surface).parts == 2
    one = bone_surfaces(blocks(3), [anatomy.bone("femur")])["femur"]
    assert np.isclose(surface.volume_mm3, 2 * one.volume_mm3, rtol=1e-3)


def test_fragments_beside_a_bone_are_not_another_side():
    near = blocks(3, 16)
    assert len(split_sides(near)) == 1
    assert check_topology(bone_surfaces(near, [anatomy.bone("femur")])["femur"]).parts == 1
    small = blocks(3)
    small.array[5, 5, 55] = 1
    assert split_sides(small) == [small]
    assert len(split_sides(blocks())) == 1


def test_both_sides_are_kept_with_probabilities_too():
    both = blocks(3, 46)
    probability = both.with_array(np.where(both.array > 0, 0.9, 0.05).astype(np.float32))
    surface = bone_surfaces(both, [anatomy.bone("femur")], {"femur": probability})["femur"]
    assert check_topology(surface).parts == 2
    assert np.ptp(surface.points_mm[:, 0]) > 90
