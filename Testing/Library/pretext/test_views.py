"""Names of views, directions of stacks, relative locations."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid
from MultiJointSegLib.learning.pretext.views import (
    described_view,
    rearranged_grid,
    rearranged_image,
    relative_locations,
    screen_order,
    stack_direction,
    view_of,
)


@pytest.mark.parametrize(
    ("normal", "name", "tilt"),
    [
        ((1, 0, 0), "sagittal", 0),
        ((0, -1, 0), "coronal", 0),
        ((0, 0, 1), "axial", 0),
        ((np.cos(np.radians(15)), np.sin(np.radians(15)), 0), "sagittal", 15),
        ((np.cos(np.radians(40)), np.sin(np.radians(40)), 0), "oblique", 40),
    ],
)
def test_view_from_the_normal(normal: tuple[float, float, float], name: str, tilt: float) -> None:
    for sign in (1, -1):
        view = view_of(sign * np.asarray(normal, float))
        assert view.name == name
        assert view.tilt_deg == pytest.approx(tilt, abs=1e-6)


def test_view_says_what_it_is_tilted_towards() -> None:
    assert str(view_of((0.9, 0.1, 0.42))) == "sagittal, tilted 26° towards axial"
    assert str(view_of((0, 1, 1))).startswith("oblique: coronal, tilted 45° towards axial")


@pytest.mark.parametrize(
    ("text", "view"),
    [("PD_SAG_fs", "sagittal"), ("t1 tse tra", "axial"), ("cor t2", "coronal"), ("Sagu 1", None), ("sag and cor", None),
     ("cine_trufi_retro 4CH", None)],
)  # fmt: skip
def test_described_view(text: str, view: str | None) -> None:
    assert described_view(text) == view


def test_relative_location_uses_physical_distances() -> None:
    centers = np.array([[5.0, 9, 2], [0, 0, 0], [-3, 1, 1], [1, 1, 3]])[:, [0, 1, 2]]
    centers[:, 2] = [3.0, 0.0, 1.0, 3.0]
    found = relative_locations(centers, (0, 0, 1))
    assert found is not None
    np.testing.assert_allclose(found, [1, 0, 1 / 3, 1])
    again = relative_locations(centers[::-1], (0, 0, -1))  # order of files and sign of the normal do not matter
    assert again is not None
    np.testing.assert_allclose(again[::-1], found)


def test_single_place_has_no_location() -> None:
    assert relative_locations(np.array([[1.0, 2, 3], [8, 7, 3]]), (0, 0, 1)) is None


def test_sagittal_slices_of_both_sides_agree() -> None:
    x = np.array([10.0, 20.0, 40.0])
    left = relative_locations(np.stack([x, x * 0, x * 0], axis=1), (1, 0, 0), "left")
    right = relative_locations(np.stack([-x, x * 0, x * 0], axis=1), (1, 0, 0), "right")
    unknown = relative_locations(np.stack([-x, x * 0, x * 0], axis=1), (1, 0, 0))
    assert left is not None and right is not None and unknown is not None
    np.testing.assert_allclose(left, right)
    np.testing.assert_allclose(unknown, 1 - right)


def test_locations_do_not_change_with_a_small_tilt_of_the_patient() -> None:
    turn = Rotation.from_euler("xyz", (5, -8, 12), degrees=True).as_matrix()
    centers = np.array([[0.0, 0, 0], [2, 0, 0], [7, 0, 0]])
    first = relative_locations(centers, (1, 0, 0))
    second = relative_locations(centers @ turn.T, -turn[:, 0])
    assert first is not None and second is not None
    np.testing.assert_allclose(first, second)


def test_direction_is_fixed_by_anatomy() -> None:
    np.testing.assert_allclose(stack_direction((0, -1, 0)), (0, 1, 0))
    np.testing.assert_allclose(stack_direction((-1, 0, 0), "left"), (1, 0, 0))
    np.testing.assert_allclose(stack_direction((1, 0, 0), "right"), (-1, 0, 0))


def test_images_are_turned_to_the_screen_together_with_their_grid() -> None:
    image = np.arange(6 * 4).reshape(6, 4)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        axes = rng.permutation(3)[:2]
        signs = rng.choice((-1.0, 1.0), 2)
        steps = np.eye(3)[axes] * signs[:, None] * (0.5, 2.0)[seed % 2]
        tilt = Rotation.from_euler("xyz", rng.normal(size=3) * 6, degrees=True).as_matrix()
        grid = SliceGrid((3, 4, 5), tilt @ steps[0], tilt @ steps[1], (6, 4))
        order = screen_order(grid)
        shown, shown_grid = rearranged_image(image, order), rearranged_grid(grid, order)
        assert shown.shape == shown_grid.shape
        row, column = np.unravel_index(7, shown.shape)
        old_row, old_column = np.unravel_index(shown[row, column], image.shape)
        np.testing.assert_allclose(shown_grid.points(column, row), grid.points(old_column, old_row), atol=1e-9)
        if view_of(grid.normal).nearest != "axial":
            assert shown_grid.row_step_mm[2] < 0  # head up
        assert screen_order(shown_grid) == (False, False, False)
