"""Doubt about every voxel from the probabilities of the bones."""

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.pipeline.uncertainty_map import uncertainty_map


def test_doubt_is_where_the_probability_is_near_one_half_and_the_larger_of_two_counts() -> None:
    turned = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    grid = Geometry((8, 6, 4), (1.0, 2.0, 3.0), (5.0, -7.0, 9.0), turned)
    labels = Volume(np.zeros(grid.array_shape, np.uint8), grid)

    def box(corner, values):
        array = np.array(values, np.float16).reshape(1, 1, -1)
        origin = tuple(grid.index_to_point(np.array(corner, float)))
        return Volume(array, Geometry((array.size, 1, 1), grid.spacing_mm, origin, turned))

    doubt = uncertainty_map(labels, {"femur": box((1, 2, 3), [0, 0.25, 0.5, 1]), "tibia": box((3, 2, 3), [0.9, 0.75])})
    assert doubt.array.dtype == np.uint8
    assert doubt.array[3, 2].tolist() == [0, 0, 50, 100, 50, 0, 0, 0]
    assert np.count_nonzero(doubt.array) == 3
    assert doubt.geometry == grid
    assert not uncertainty_map(labels, {}).array.any()
