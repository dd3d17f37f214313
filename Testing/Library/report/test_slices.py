"""Which slices are shown, and what a picture of one looks like."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.report.display_view import display_views
from MultiJointSegLib.report.figures import bars
from MultiJointSegLib.report.slice_choice import slices_through
from MultiJointSegLib.report.slice_picture import crop_box, gray_window, outline_color, slice_picture


def test_slices_share_the_area_evenly():
    mask = np.zeros((20, 4, 4), bool)
    mask[4:16] = True
    assert slices_through(mask, 0, 4) == [5, 8, 11, 14]
    assert slices_through(mask, 1, 10) == [0, 1, 2, 3]
    assert slices_through(np.zeros((3, 3, 3), bool), 0, 3) == []


def test_one_voxel_gives_one_slice():
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 3, 4] = True
    assert [slices_through(mask, axis, 4) for axis in range(3)] == [[2], [3], [4]]


def _axial(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Geometry:
    return Geometry(shape[::-1], spacing)


def _picture(volume: Volume, labels: Volume, plane: str, index: int, limit_px: tuple[int, int]) -> np.ndarray:
    view = display_views(volume.geometry)[plane]
    png = slice_picture(
        volume,
        labels,
        anatomy.joint("knee").bones,
        view,
        index,
        window=(0, 100),
        box=crop_box(labels, view),
        limit_px=limit_px,
    )
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_millimeters_are_as_long_in_both_directions():
    """A cube of 24 mm in voxels of 1 x 2 x 4 mm is a square in every plane."""
    geometry = _axial((15, 30, 60), (1.0, 2.0, 4.0))
    cube = np.zeros(geometry.array_shape, np.int16)
    cube[4:10, 9:21, 18:42] = 100
    volume, empty = Volume(cube, geometry), Volume(np.zeros(geometry.array_shape, np.uint8), geometry)
    for plane, index in (("axial", 6), ("coronal", 14), ("sagittal", 30)):
        bright = _picture(volume, empty, plane, index, (240, 240)).mean(axis=2) > 127
        # The letters are white too: take the middle rows and columns of the square.
        rows, columns = np.flatnonzero(bright.sum(axis=1) > 40), np.flatnonzero(bright.sum(axis=0) > 40)
        assert abs(len(rows) - len(columns)) <= 6
        assert len(rows) == pytest.approx(24 / 60 * 240, abs=8)


def test_few_slices_keep_their_proportions():
    """Three slices of 4 mm, seen from the front: 12 mm wide in a picture that has room for the letters."""
    geometry = _axial((80, 40, 3), (4.0, 1.0, 2.0))
    volume = Volume(np.full(geometry.array_shape, 60, np.int16), geometry)
    labels = np.zeros(geometry.array_shape, np.uint8)
    labels[20:60, 10:30, 1] = anatomy.bone("tibia").label
    picture = _picture(volume, Volume(labels, geometry), "coronal", 20, (372, 330)).astype(int)
    assert picture.shape[:2] == (330, 60)
    rows = crop_box(Volume(labels, geometry), display_views(geometry)["coronal"])[0]
    gray = (picture[30] > 100).all(axis=1)
    assert gray.sum() == pytest.approx(330 * 12 / (2 * (rows.stop - rows.start)), abs=1)
    green = (picture[..., 1] - picture[..., 0]) > 40
    assert abs(np.flatnonzero(green.any(axis=0)).mean() - 29.5) < 1.5


def test_outline_lies_on_the_border_of_the_label():
    geometry = _axial((5, 60, 60), (1.0, 1.0, 3.0))
    labels = np.zeros(geometry.array_shape, np.uint8)
    labels[2, 26:36, 26:36] = anatomy.bone("femur").label
    volume = Volume(np.zeros(geometry.array_shape, np.int16), geometry)
    view_labels = Volume(labels, geometry)
    picture = _picture(volume, view_labels, "axial", 2, (600, 600)).astype(int)
    box = crop_box(view_labels, display_views(geometry)["axial"])
    assert box == (slice(1, 60), slice(1, 60))
    red = (picture[..., 0] - picture[..., 2]) > 60
    scale = picture.shape[0] / 59
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    for found in (rows, columns):
        assert found[0] / scale == pytest.approx(25, abs=0.7)
        assert found[-1] / scale == pytest.approx(35, abs=0.7)
    assert not red[int(30 * scale), int(30 * scale)]


def test_crop_keeps_a_margin_and_follows_flips():
    geometry = Geometry((100, 100, 5), (1.0, 1.0, 3.0), direction=((-1.0, 0, 0), (0, 1.0, 0), (0, 0, -1.0)))
    labels = np.zeros(geometry.array_shape, np.uint8)
    labels[2, 10:20, 60:70] = 1
    rows, columns = crop_box(Volume(labels, geometry), display_views(geometry)["axial"])
    assert rows == slice(0, 45)
    assert columns == slice(100 - 95, 100 - 35)


def test_window_is_robust_to_a_bright_speck():
    array = np.full((10, 50, 50), 100, np.int16)
    array[:, 10:40, 10:40] = 500
    array[5, 20, 20] = 30000
    low, high = gray_window(Volume(array, _axial((10, 50, 50), (1.0, 1.0, 1.0))))
    assert (low, high) == (100, 500)


@pytest.mark.parametrize("bone", anatomy.all_bones(), ids=lambda bone: bone.key)
def test_outlines_stand_out_from_gray(bone):
    color = np.array(outline_color(bone))
    assert color.max() > 0.9
    assert color.max() - color.min() > 0.5


def test_bars_hang_from_the_baseline():
    assert bars(np.array([0.0, 0.5, np.nan, 1.0]), width_px=40, height_px=10) == [
        (10.0, 5.0, 8.5, 5.0),
        (30.0, 0.0, 8.5, 10.0),
    ]
