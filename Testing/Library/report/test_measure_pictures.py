"""Landmarks are drawn where they are, from where they are seen, and distances get the color of their scale."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from vtkmodules.vtkFiltersSources import vtkSphereSource

from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point, sphere
from MultiJointSegLib.report.change_picture import distance_colors, distance_pictures
from MultiJointSegLib.report.measure_picture import MeasurePictures, drawable, legend, write_measure_pictures
from MultiJointSegLib.report.measure_rendering import measure_view
from MultiJointSegLib.surface.mesh import Surface, from_polydata

DOWN, SIDE = line((0, 0, 20), (0, 0, -20)), line((0, 0, -20), (15, 0, -20))


def ball() -> Surface:
    source = vtkSphereSource()
    source.SetRadius(20.0)
    source.SetThetaResolution(40)
    source.SetPhiResolution(40)
    source.Update()
    return from_polydata(source.GetOutput())


def measured(key: str, geometry: dict[str, dict[str, object]], value: float | None = 1.0) -> Measurement:
    reason = "" if value is not None else "Not there."
    return Measurement(key, key, "femur", value, "mm", "For the test.", geometry=geometry, reason=reason)


def test_view_is_across_the_plane_of_the_landmarks():
    view = measure_view({"a": DOWN, "b": SIDE})
    assert np.allclose(view.toward, (0, -1, 0))
    assert np.allclose(view.up, (0, 0, 1))
    assert view.cut_mm is not None
    given = measure_view({"a": DOWN, "b": SIDE, "view": plane((0, 0, 0), (1, 0, 0))})
    assert np.allclose(given.toward, (1, 0, 0))
    assert given.cut_mm is None
    cut = measure_view({"a": SIDE, "section": plane((0, 0, 7), (0, 0, 1))})
    assert np.allclose(cut.toward, (0, 0, -1))
    assert cut.cut_mm.tolist() == [0, 0, 7]
    assert measure_view({"view": plane((0, 0, 0), (1, 0, 0))}) is None
    assert np.allclose(measure_view({"a": line((0, -5, 0), (0, 5, 0))}).toward, (1, 0, 0))


def test_only_what_has_a_shape_is_drawn():
    kept = drawable(
        [
            measured("line", {"a": DOWN, "view": plane((0, 0, 0), (1, 0, 0))}),
            measured("ball", {"a": sphere((0, 0, 0), 5)}),
            measured("place", {"a": point((0, 0, 0))}),
            measured("absent", {"a": DOWN}, None),
            measured("number", {}),
        ]
    )
    assert [m.key for m in kept] == ["line", "ball"]
    assert [name for name, _ in legend(kept[0])] == ["a"]


def test_landmarks_lie_where_they_are(tmp_path):
    shown = [measured("axis", {"the_axis": DOWN, "foot": SIDE})]
    with MeasurePictures({"femur": ball()}, shown) as drawing:
        pictures, reason = drawing.pictures()
    if reason:
        pytest.skip(reason)
    color = np.asarray(Image.open(io.BytesIO(pictures["axis"])).convert("RGB")).astype(int)[:300]
    red = (color[..., 0] > 150) & (color[..., 1] < 90) & (color[..., 2] < 90)
    blue = (color[..., 2] > 120) & (color[..., 0] < 90)
    rows, columns = np.nonzero(red)
    # The first line runs up and down, left of the second, which lies at its foot on the patient's left.
    assert np.ptp(rows) > 3 * np.ptp(columns)
    assert np.nonzero(blue)[0].mean() > rows.mean()
    assert np.nonzero(blue)[1].mean() > columns.mean()
    paths, reason = write_measure_pictures(tmp_path / "measures", {"femur": ball()}, shown)
    assert ([p.name for p in paths], reason) == (["axis.png"], "")
    assert write_measure_pictures(tmp_path / "none", {"femur": ball()}, []) == ([], "")
    assert not (tmp_path / "none").exists()


def test_distances_get_the_color_of_their_scale():
    colors = distance_colors(np.array([-9.0, -2.0, 0.0, 2.0, np.nan]), -2.0, 2.0).astype(int)
    assert colors[0].tolist() == colors[1].tolist()
    assert colors[1, 2] > colors[1, 0]
    assert colors[2].min() > 240
    assert colors[3, 0] > colors[3, 2]
    assert np.ptp(colors[4]) == 0
    surface = ball()
    pictures, reason = distance_pictures(
        {"femur": surface}, {"femur": surface.points_mm[:, 2] / 20}, (-1.0, 1.0), views=("anterior",)
    )
    if reason:
        pytest.skip(reason)
    picture = np.asarray(Image.open(io.BytesIO(pictures["Anterior view"])).convert("RGB")).astype(int)
    blue, red = picture[..., 2] - picture[..., 0] > 60, picture[..., 0] - picture[..., 2] > 60
    assert np.nonzero(red[:470])[0].mean() < np.nonzero(blue[:470])[0].mean()
