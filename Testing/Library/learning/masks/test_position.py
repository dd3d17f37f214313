"""Mask-relative coordinates are the anatomy's, not the field of view's."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.imaging.canonical import canonical_grid
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.channels import DEPTH_UNIT_MM, mask_channels
from MultiJointSegLib.learning.masks.position import grid_points_mm, mask_frame
from MultiJointSegLib.learning.masks.settings import MaskSettings
from MultiJointSegLib.learning.masks.source import BodyMask


def body_mask(voxels, geometry, source="skin"):
    return BodyMask(Volume(voxels.astype(np.uint8), geometry), source)


PROBES = np.array([[0.0, 0, 0], [15, 0, 0], [-15, 10, 10], [30, -20, -20]])


def test_grid_points_are_the_geometrys(geometry):
    points = grid_points_mm(geometry)
    for index in ((0, 0, 0), (3, 7, 11), (23, 49, 59)):
        assert points[index] == pytest.approx(geometry.index_to_point(np.array(index[::-1])), abs=1e-4)


def test_coordinates_of_a_cylinder_are_half_widths(geometry, cylinder):
    # Of an ellipse twice the standard deviation is the half axis.
    frame = mask_frame(body_mask(cylinder(geometry, (6, -3)), geometry))
    points = np.array([[6.0, -3, 0], [6 + 38, -3, 0], [6 - 38, -3, 0], [6, -3 + 30, 0]])
    away, lateral, depth, height = frame.coordinates(points)
    assert away == pytest.approx([0, 1, 1, 0], abs=0.03)
    assert lateral == pytest.approx(0)
    assert depth == pytest.approx([0, 0, 0, 1], abs=0.03)
    assert height == pytest.approx(0, abs=0.03)


def test_lateral_is_mirrored_with_the_side(geometry, cylinder):
    body = cylinder(geometry, (4, 0)) & ~cylinder(geometry, (34, 0), (10, 30))  # no mirror symmetry
    mirrored = cylinder(geometry, (-4, 0)) & ~cylinder(geometry, (-34, 0), (10, 30))
    left = mask_frame(body_mask(body, geometry), "left").coordinates(PROBES)
    right = mask_frame(body_mask(mirrored, geometry), "right").coordinates(PROBES * [-1, 1, 1])
    assert right == pytest.approx(left, abs=1e-4)
    assert left[1, 1] > 0.3
    unknown = mask_frame(body_mask(mirrored, geometry)).coordinates(PROBES * [-1, 1, 1])
    assert unknown[[0, 2, 3]] == pytest.approx(left[[0, 2, 3]], abs=1e-4)
    assert not unknown[1].any()


def test_cropping_across_the_body_keeps_the_position_in_the_cross_section(geometry, cylinder):
    points = grid_points_mm(geometry)
    body = cylinder(geometry) & (points[..., 0] < 30 - 0.2 * points[..., 2])  # a shape that changes with the height
    cropped = Geometry((60, 30, 24), (2.0, 2.0, 4.0), (-59.0, -46.0, 29.0), geometry.direction)
    whole = mask_frame(body_mask(body, geometry), "left").coordinates(PROBES * [1, 1, 0.5])
    part = mask_frame(body_mask(body[:, 10:40], cropped), "left").coordinates(PROBES * [1, 1, 0.5])
    assert part[:3] == pytest.approx(whole[:3], abs=0.03)


def test_air_around_the_body_and_axis_order_change_nothing(geometry, cylinder):
    body = cylinder(geometry, (4, 2), (30, 24), (-30, 30))
    before = mask_frame(body_mask(body, geometry), "right").coordinates(PROBES)
    wide = Geometry((80, 50, 30), (2.0, 2.0, 4.0), (-79.0, -54.0, 49.0), geometry.direction)
    padded = np.pad(body, ((2, 4), (0, 0), (10, 10)))
    assert mask_frame(body_mask(padded, wide), "right").coordinates(PROBES) == pytest.approx(before, abs=1e-5)
    turned = Geometry(
        (24, 60, 50),
        (4.0, 2.0, 2.0),
        (-59.0, -46.0, 49.0),
        tuple(map(tuple, np.asarray(geometry.direction)[:, [2, 0, 1]])),
    )
    axes = mask_frame(body_mask(body.transpose(1, 2, 0), turned), "right")
    assert axes.coordinates(PROBES) == pytest.approx(before, abs=1e-5)


def test_a_mask_of_several_pieces_has_one_frame(geometry, cylinder):
    bones = cylinder(geometry, (-20, 0), (8, 8), (0, 40)) | cylinder(geometry, (20, 0), (8, 8), (0, 40))
    bones |= cylinder(geometry, (0, 0), (6, 6), (-40, -10))
    frame = mask_frame(body_mask(bones, geometry, "bone"))
    assert len(frame.level_mm) == 1
    low, high = frame.coordinates(np.array([[20.0, 0, -30], [20, 0, 30]])).T
    assert low[:3] == pytest.approx(high[:3])


def test_channels_lie_on_the_slices(geometry, cylinder):
    body = cylinder(geometry)
    grid = canonical_grid(geometry, pixel_mm=4.0)
    mask = body_mask(body, geometry)
    channels = mask_channels(mask, grid, MaskSettings(), side="left")
    assert channels.shape == (24, 6, 25, 30) and channels.dtype == np.float32
    assert np.array_equal(channels[:, 0] > 0, grid.sample_labels(mask.volume) > 0)
    points = grid_points_mm(grid.geometry)
    frame = mask_frame(mask, "left")
    assert channels[:, 1:5].swapaxes(0, 1) == pytest.approx(frame.coordinates(points))
    middle = np.abs(points - [0, 0, 0]).sum(-1).argmin()
    assert channels[:, 5].ravel()[middle] * DEPTH_UNIT_MM == pytest.approx(30, abs=4)
    assert not channels[:, 5][channels[:, 0] == 0].any()
    binary = mask_channels(mask, grid, MaskSettings(encoding="binary"))
    assert np.array_equal(binary, channels[:, :1])
