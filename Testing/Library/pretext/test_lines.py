"""Lines and heat maps against analytic geometry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.learning.pretext.lines import heat_map, intersection_line, line_distance_mm
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid

AXIAL = SliceGrid((0, 0, 0), (0.5, 0, 0), (0, 1.25, 0), (40, 80))
"""Columns along x every 0.5 mm, rows along y every 1.25 mm."""


def plane_at(angle_deg: float, point: tuple[float, float, float]) -> Plane:
    """Plane along z whose trace in the axial slice runs at this angle to the x axis."""
    a = np.radians(angle_deg)
    return Plane(point, (float(-np.sin(a)), float(np.cos(a)), 0.0))


@pytest.mark.parametrize("angle", [0, 30, 89.9, 90, 135, 179.99])
def test_line_in_rectangular_pixels_at_any_angle(angle: float) -> None:
    line = intersection_line(AXIAL, plane_at(angle, (10.0, 20.0, 3.0)))
    assert line is not None
    # Points of the true line, in mm and from there in pixels.
    along = np.array([-15.0, 0.0, 7.0])
    x, y = 10 + along * np.cos(np.radians(angle)), 20 + along * np.sin(np.radians(angle))
    assert np.abs(line.pixel_distance(x / 0.5, y / 1.25)).max() < 1e-9


def test_heat_map_of_a_plane_at_constant_x() -> None:
    sigma = 4.0
    image = heat_map(AXIAL, Plane((11.0, 0, 0), (1, 0, 0)), sigma)
    expected = np.exp(-((np.arange(80) * 0.5 - 11.0) ** 2) / (2 * sigma**2))
    np.testing.assert_allclose(image, np.tile(expected, (40, 1)), atol=1e-6)
    assert image[0, 22] == 1.0
    assert image[7, 30] == pytest.approx(0.606531, abs=1e-6)  # 4 mm, which is sigma


def test_distance_is_measured_within_the_slice() -> None:
    oblique = Plane((11.0, 0, 0), tuple(Rotation.from_euler("y", 50, degrees=True).apply([1, 0, 0])))
    distance = line_distance_mm(AXIAL, oblique)
    np.testing.assert_allclose(distance[3], np.abs(np.arange(80) * 0.5 - 11.0), atol=1e-12)


def test_nearly_parallel_planes_have_no_line() -> None:
    def tilted(angle: float) -> Plane:
        return Plane((0, 0, 1), tuple(Rotation.from_euler("x", angle, degrees=True).apply([0, 0, 1])))

    assert intersection_line(AXIAL, tilted(0)) is None
    assert intersection_line(AXIAL, tilted(19.9)) is None
    assert intersection_line(AXIAL, tilted(20.1)) is not None
    assert intersection_line(AXIAL, tilted(160.2)) is None


def random_case(seed: int) -> tuple[SliceGrid, Plane]:
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    pixel = rng.uniform(0.3, 2.0, 2)
    grid = SliceGrid(
        rng.uniform(-90, 90, 3), turn[:, 0] * pixel[1], turn[:, 1] * pixel[0], tuple(rng.integers(60, 300, 2))
    )
    normal = Rotation.random(random_state=seed + 1).apply([0, 0, 1])
    return grid, Plane(tuple(grid.center_mm + rng.normal(size=3) * 15), tuple(normal))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_line_equals_an_independent_solution_to_a_thousandth_of_a_pixel(seed: int) -> None:
    grid, plane = random_case(seed)
    line = intersection_line(grid, plane)
    if line is None:
        return
    # Independently: the common line of two planes as point and direction, by solving three equations.
    direction = np.cross(grid.normal, plane.normal)
    system = np.stack([grid.normal, np.asarray(plane.normal), direction])
    point = np.linalg.solve(system, [grid.normal @ grid.origin_mm, np.dot(plane.normal, plane.point_mm), 0.0])
    for along in (-80.0, 0.0, 120.0):
        offset = point + along * direction - grid.origin_mm
        column = offset @ grid.column_step_mm / np.dot(grid.column_step_mm, grid.column_step_mm)
        row = offset @ grid.row_step_mm / np.dot(grid.row_step_mm, grid.row_step_mm)
        assert abs(line.pixel_distance(column, row)) < 1e-3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_line_follows_resampling_crop_turn_and_reflection(seed: int) -> None:
    grid, plane = random_case(seed)
    line = intersection_line(grid, plane)
    if line is None:
        return
    angle = np.radians(seed % 360)
    turn = np.array([[-1.3 * np.cos(angle), 0.7 * np.sin(angle), 4.5], [1.3 * np.sin(angle), 0.7 * np.cos(angle), -9]])
    for changed, matrix in (
        (grid.resized((71, 133)), None),
        (grid.cropped(-5, 12, (64, 96)), np.array([[1, 0, 12], [0, 1, -5]])),
        (grid.remapped(turn, (64, 96)), turn),
    ):
        again = intersection_line(changed, plane)
        assert again is not None
        back = grid.pixel_map(changed) if matrix is None else matrix
        # A pixel on the new line shows what lay on the old line: "line derived again" is "line transformed".
        for t in (-30.0, 0.0, 55.0):
            new = again.offset * np.array([again.normal_column, again.normal_row]) + t * again.direction
            old = back @ [*new, 1.0]
            assert abs(line.pixel_distance(old[0], old[1])) < 1e-6
            np.testing.assert_allclose(changed.points(*new), grid.points(*old), atol=1e-6)


def test_resized_keeps_the_field_of_view() -> None:
    grid = AXIAL.resized((20, 40))
    np.testing.assert_allclose(grid.pixel_mm, (2.5, 1.0))
    np.testing.assert_allclose(grid.center_mm, AXIAL.center_mm)
    np.testing.assert_allclose(grid.points(-0.5, -0.5), AXIAL.points(-0.5, -0.5))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_rigid_motion_changes_nothing(seed: int) -> None:
    grid, plane = random_case(seed)
    turn, shift = Rotation.random(random_state=seed + 7).as_matrix(), np.array([40.0, -300.0, 12.0])
    moved = Plane(tuple(turn @ plane.point_mm + shift), tuple(turn @ plane.normal))
    np.testing.assert_allclose(
        line_distance_mm(grid.moved(turn, shift), moved), line_distance_mm(grid, plane), atol=1e-6, rtol=1e-6
    )


def test_ends_of_a_line_lie_on_the_border() -> None:
    line = intersection_line(AXIAL, plane_at(90, (10.0, 0, 0)))
    assert line is not None
    ends = line.ends(AXIAL.shape)
    assert ends is not None
    assert sorted(ends[:, 1].tolist()) == pytest.approx([-0.5, 39.5])
    np.testing.assert_allclose(ends[:, 0], 20)
    beyond = intersection_line(AXIAL, plane_at(90, (41.0, 0, 0)))
    assert beyond is not None and beyond.ends(AXIAL.shape) is None


def test_grid_from_dicom_swaps_nothing() -> None:
    grid = SliceGrid.from_dicom((1, 2, 3), (1, 0, 0, 0, 1, 0), (0.4, 0.7), (10, 20))
    np.testing.assert_allclose(grid.points(3, 5), (1 + 3 * 0.7, 2 + 5 * 0.4, 3))
    assert grid.pixel_mm == pytest.approx((0.4, 0.7))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_grid_from_a_volume(axis: int) -> None:
    turn = Rotation.from_euler("xyz", (20, -35, 60), degrees=True).as_matrix()
    geometry = Geometry((7, 9, 11), (0.5, 0.8, 3.0), (4, 5, 6), tuple(map(tuple, turn)))
    grid = SliceGrid.from_geometry(geometry, axis, 2)
    array = np.arange(7 * 9 * 11).reshape(geometry.array_shape)
    assert array.take(2, axis).shape == grid.shape
    k, j, i = np.unravel_index(array.take(2, axis)[3, 4], array.shape)
    np.testing.assert_allclose(grid.points(4, 3), geometry.index_to_point(np.array([i, j, k])), atol=1e-9)


def test_impossible_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="pixel axes"):
        SliceGrid((0, 0, 0), (1, 0, 0), (1, 0, 0), (4, 4))
    with pytest.raises(InputError, match="rows"):
        SliceGrid((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 4))
