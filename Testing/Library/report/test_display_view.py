"""Slices lie on the screen as radiologists expect, whatever the orientation of the grid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.report.display_view import PLANES, display_views, edge_letters, view_across

ORIENTATIONS = [
    (permutation, signs)
    for permutation in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
RIGHTWARD_AND_DOWN = {"sagittal": ((1, 1), (2, -1)), "coronal": ((0, 1), (2, -1)), "axial": ((0, 1), (1, 1))}
EDGES = {"sagittal": "APSI", "coronal": "RLSI", "axial": "RLAP"}


def _geometry(permutation: tuple[int, ...], signs: tuple[int, ...], tilt_deg: float = 0.0) -> Geometry:
    direction = np.zeros((3, 3))
    for grid, (world, sign) in enumerate(zip(permutation, signs, strict=True)):
        direction[world, grid] = sign
    angle = np.radians(tilt_deg)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return Geometry((4, 5, 6), (1.0, 2.0, 3.0), (3.0, -7.0, 11.0), tuple(map(tuple, turn @ direction)))


def _positions(geometry: Geometry) -> np.ndarray:
    k, j, i = np.indices(geometry.array_shape)
    return geometry.index_to_point(np.stack([i, j, k], axis=-1))


@pytest.mark.parametrize(("permutation", "signs"), ORIENTATIONS)
@pytest.mark.parametrize("tilt_deg", [0.0, 20.0])
def test_every_orientation_lies_right(permutation, signs, tilt_deg):
    geometry = _geometry(permutation, signs, tilt_deg)
    positions = _positions(geometry)
    for plane in PLANES:
        view = display_views(geometry)[plane]
        shown = np.stack([view.slice(positions[..., axis], 1) for axis in range(3)])
        right = shown[:, 0, 1] - shown[:, 0, 0]
        down = shown[:, 1, 0] - shown[:, 0, 0]
        assert np.linalg.norm(right) == pytest.approx(view.column_mm)
        assert np.linalg.norm(down) == pytest.approx(view.row_mm)
        (right_axis, right_sign), (down_axis, down_sign) = RIGHTWARD_AND_DOWN[plane]
        assert right[right_axis] * right_sign > 0.9 * view.column_mm
        assert down[down_axis] * down_sign > 0.9 * view.row_mm
        assert view.left[0] + view.right[0] + view.top[0] + view.bottom[0] == EDGES[plane]
        assert view.tilt_deg == pytest.approx(0.0 if plane == "sagittal" else tilt_deg, abs=1e-4)
        first, last = (view.slice(positions[..., PLANES.index(plane)], n)[0, 0] for n in (0, 1))
        assert view.first[0] == edge_letters(np.eye(3)[PLANES.index(plane)] * (first - last))[0]


def test_letters_of_oblique_directions():
    assert edge_letters(np.array([0.0, -1.0, 0.0])) == "A"
    assert edge_letters(np.array([0.0, -0.9, 0.43])) == "AS"
    assert edge_letters(np.array([-0.97, 0.2, 0.1])) == "R"


def test_view_across_an_axis():
    views = display_views(_geometry((1, 2, 0), (1, -1, 1)))
    assert view_across(views, 0).plane == "sagittal"
    assert {view_across(views, axis).plane for axis in range(3)} == set(PLANES)
