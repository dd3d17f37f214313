"""The same voxels in another order."""

import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.reordering import reordered
from MultiJointSegLib.imaging.volume import Volume

TURNED = np.array([[0.6, 0.0, 0.8], [0.8, 0.0, -0.6], [0.0, 1.0, 0.0]])


def _turned(size: tuple[int, int, int], axes: tuple[int, int, int], flips: tuple[int, int, int]) -> tuple:
    """A volume, and the same voxels with exchanged and turned axes, by their positions."""
    geometry = Geometry(size, (0.5, 0.7, 3.0), (3.0, -4.0, 5.0), tuple(map(tuple, TURNED)))
    array = np.arange(np.prod(size)).reshape(geometry.array_shape)
    first = np.array([size[a] - 1 if f else 0 for a, f in zip(range(3), flips, strict=True)], float)
    direction = TURNED * np.where(flips, -1, 1)
    other = Geometry(
        tuple(size[a] for a in axes),
        tuple((0.5, 0.7, 3.0)[a] for a in axes),
        tuple(geometry.index_to_point(first)),
        tuple(map(tuple, direction[:, list(axes)])),
    )
    return Volume(array, geometry), other


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(0, 0, 0), (1, 0, 0), (0, 1, 1)])
def test_every_voxel_keeps_its_place(axes: tuple, flips: tuple) -> None:
    volume, other = _turned((3, 4, 5), axes, flips)
    found = reordered(volume, other)
    for k, j, i in np.ndindex(found.array.shape):
        index = np.rint(volume.geometry.point_to_index(other.index_to_point(np.array([i, j, k])))).astype(int)
        assert found.array[k, j, i] == volume.array[tuple(index[::-1])]
    assert found.geometry is other


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry((3, 4, 4), (1, 1, 1)),
        Geometry((3, 4, 5), (1, 1, 1.1)),
        Geometry((3, 4, 5), (1, 1, 1), (0.5, 0, 0)),
        Geometry((3, 4, 5), (1, 1, 1), (0, 0, 0), ((0.8, -0.6, 0), (0.6, 0.8, 0), (0, 0, 1))),
    ],
)
def test_other_voxels_are_not_the_same(geometry: Geometry) -> None:
    assert reordered(Volume(np.zeros((5, 4, 3)), Geometry((3, 4, 5), (1, 1, 1))), geometry) is None
