"""The mesh value object, its checks, and the repair that makes masks manifold."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.surface.extraction import surface_from_mask
from MultiJointSegLib.surface.masks import bounding_box, well_composed
from MultiJointSegLib.surface.mesh import Surface, from_polydata, to_polydata
from MultiJointSegLib.surface.topology import check_topology, largest_part


@pytest.fixture
def tetrahedron() -> Surface:
    points = np.array([[0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4]], float)
    return Surface(points, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


def test_volume_and_area_of_a_tetrahedron(tetrahedron):
    assert tetrahedron.volume_mm3 == pytest.approx(4.0)
    slanted = 0.5 * np.linalg.norm(np.cross([-2, 3, 0], [-2, 0, 4]))
    assert tetrahedron.area_mm2 == pytest.approx(3 + 4 + 6 + slanted)
    assert check_topology(tetrahedron).is_closed_manifold
    assert check_topology(tetrahedron).euler_number == 2


def test_a_far_origin_costs_no_precision(tetrahedron):
    far = Surface(tetrahedron.points_mm + 1e6, tetrahedron.triangles)
    assert far.volume_mm3 == pytest.approx(4.0, rel=1e-9)


def test_mirroring_keeps_the_triangles_outward(tetrahedron):
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirror[:3, 3] = 5, 6, 7
    assert tetrahedron.transformed(mirror).volume_mm3 == pytest.approx(4.0)


def test_polydata_round_trip(tetrahedron):
    back = from_polydata(to_polydata(tetrahedron))
    assert np.array_equal(back.points_mm, tetrahedron.points_mm)
    assert np.array_equal(back.triangles, tetrahedron.triangles)


def test_polygons_become_triangles():
    points, cells = vtkPoints(), vtkCellArray()
    corners = [(0, 0, 0), (2, 0, 0), (2, 1, 0), (1, 2, 0), (0, 1, 0)]
    for corner in corners:
        points.InsertNextPoint(corner)
    cells.InsertNextCell(5, range(5))
    cells.InsertNextCell(3, (0, 1, 2))
    polygon = vtkPolyData()
    polygon.SetPoints(points)
    polygon.SetPolys(cells)
    surface = from_polydata(polygon)
    assert len(surface.triangles) == 4
    assert surface.area_mm2 == pytest.approx(3.0 + 1.0)


def test_empty_polydata():
    assert len(from_polydata(vtkPolyData()).triangles) == 0
    assert Surface(np.zeros((0, 3)), np.zeros((0, 3), int)).volume_mm3 == 0


@pytest.mark.parametrize(
    ("points", "triangles"),
    [
        (np.zeros((3, 2)), np.array([[0, 1, 2]])),
        (np.full((3, 3), np.nan), np.array([[0, 1, 2]])),
        (np.zeros((3, 3)), np.array([[0, 1, 3]])),
    ],
)
def test_impossible_surfaces_are_refused(points, triangles):
    with pytest.raises(MultiJointSegError):
        Surface(points, triangles)


def test_what_is_wrong_is_counted(tetrahedron):
    opened = Surface(tetrahedron.points_mm, tetrahedron.triangles[:-1])
    assert check_topology(opened).open_edges == 3
    turned = tetrahedron.triangles.copy()
    turned[0] = turned[0, ::-1]
    assert check_topology(Surface(tetrahedron.points_mm, turned)).nonmanifold_edges == 3
    doubled = Surface(tetrahedron.points_mm, np.concatenate([tetrahedron.triangles, [[0, 0, 1]]]))
    assert check_topology(doubled).degenerate_triangles == 1
    spare = Surface(np.concatenate([tetrahedron.points_mm, [[9, 9, 9]]]), tetrahedron.triangles)
    assert check_topology(spare).unused_points == 1


def test_largest_part(tetrahedron):
    count = len(tetrahedron.points_mm)
    both = Surface(
        np.concatenate([tetrahedron.points_mm, 2 * tetrahedron.points_mm + 10]),
        np.concatenate([tetrahedron.triangles, tetrahedron.triangles + count]),
    )
    assert check_topology(both).parts == 2
    assert largest_part(both).volume_mm3 == pytest.approx(8 * 4.0)
    assert check_topology(largest_part(both)).parts == 1


def test_bounding_box():
    array = np.zeros((5, 6, 7), bool)
    assert bounding_box(array) is None
    array[1, 2, 3] = array[3, 2, 6] = True
    assert bounding_box(array) == (slice(1, 4), slice(2, 3), slice(3, 7))


def test_every_block_of_eight_voxels_becomes_manifold():
    """All 256 ways to fill a 2x2x2 block, alone and next to a solid."""
    for code in range(1, 256):
        block = ((code >> np.arange(8)) & 1).reshape(2, 2, 2).astype(np.uint8)
        array = np.zeros((8, 8, 8), np.uint8)
        array[2:4, 2:4, 2:4] = block
        array[4:7, 2:7, 2:7] = code % 2
        fixed = well_composed(array)
        assert (fixed >= array).all()
        assert well_composed(fixed) is fixed
        mask = Volume(array, Geometry((8, 8, 8)))
        assert check_topology(surface_from_mask(mask, keep="all")).is_closed_manifold


def test_a_clean_mask_is_left_alone():
    array = np.zeros((6, 6, 6), np.uint8)
    array[2:4, 2:4, 2:4] = 1
    assert well_composed(array) is array
