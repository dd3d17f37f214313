"""LPS and RAS, and grids of either hand."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")

from MultiJointSegSlicer.scene.coordinates import flip_points, flip_surface, geometry_from_ras, ijk_to_ras, right_handed

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume

pytestmark = pytest.mark.slicer


def test_left_posterior_points_become_right_anterior_ones_and_back() -> None:
    points = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, -6.0]])
    assert flip_points(points).tolist() == [[-1, -2, 3], [4, -5, -6]]
    assert flip_points(flip_points(points)).tolist() == points.tolist()


def test_matrix_of_a_grid_takes_the_index_to_the_ras_position(an_examination) -> None:
    geometry = an_examination.volume.geometry
    position = ijk_to_ras(geometry).MultiplyPoint((3, 4, 5, 1))[:3]
    assert position == pytest.approx(geometry.index_to_point(np.array([3, 4, 5])) * (-1, -1, 1), abs=1e-9)


def test_grid_comes_back_from_its_matrix(an_examination) -> None:
    geometry = an_examination.volume.geometry
    assert geometry_from_ras(geometry.size, ijk_to_ras(geometry)).same_grid(geometry)


def test_surface_keeps_its_volume_and_orientation(an_examination) -> None:
    femur = an_examination.surfaces["femur"]
    assert flip_surface(femur).volume_mm3 == pytest.approx(femur.volume_mm3)
    assert femur.volume_mm3 > 0


def test_right_handed_grid_is_left_alone(an_examination) -> None:
    assert right_handed(an_examination.volume) is an_examination.volume


def test_left_handed_grid_keeps_every_voxel_in_its_place(make_examination) -> None:
    volume = make_examination(left_handed=True, angles_deg=(10.0, 20.0, 30.0)).volume
    turned = right_handed(volume)
    assert np.linalg.det(np.asarray(turned.geometry.direction)) == pytest.approx(1.0)
    k, j, i = 2, 5, 7
    place = volume.geometry.index_to_point(np.array([i, j, k]))
    index = np.rint(turned.geometry.point_to_index(place)).astype(int)
    assert np.allclose(turned.geometry.index_to_point(index), place)
    assert turned.array[index[2], index[1], index[0]] == volume.array[k, j, i]


def test_single_slice_has_a_right_handed_form() -> None:
    geometry = Geometry((4, 3, 1), direction=((1, 0, 0), (0, 1, 0), (0, 0, -1)))
    turned = right_handed(Volume(np.arange(12).reshape(1, 3, 4), geometry))
    assert turned.geometry.origin_mm == geometry.origin_mm
