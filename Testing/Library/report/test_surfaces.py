"""The rendered view: true to scale, and a sentence where it cannot be drawn."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.report import drawing_process, surface_picture
from MultiJointSegLib.report.surface_picture import SurfaceRendering
from MultiJointSegLib.surface.extraction import surface_from_mask

FEMUR, TIBIA = anatomy.bone("femur"), anatomy.bone("tibia")


def _ball(center: tuple[float, float, float], radius_mm: float):
    geometry = Geometry((60, 60, 60), (1.0, 1.0, 1.0), (-30.0, -30.0, -30.0))
    k, j, i = np.indices(geometry.array_shape)
    points = geometry.index_to_point(np.stack([i, j, k], axis=-1))
    return surface_from_mask(Volume(((points - center) ** 2).sum(axis=-1) < radius_mm**2, geometry))


def _colors(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_views_show_each_bone_where_it_is():
    """A ball at the patient's front left, the femur, and one at the back right below it, the tibia."""
    surfaces = [_ball((12, -12, 10), 10), _ball((-12, 12, -10), 10)]
    with SurfaceRendering(surfaces, [FEMUR, TIBIA], side="right") as rendering:
        pictures, reason = rendering.pictures()
    if not pictures:
        pytest.skip(reason)
    assert [p.caption for p in pictures] == ["Anterior view", "Lateral view (right limb)", "Posterior view"]
    centers = []
    for picture in pictures:
        color = _colors(picture.png)
        femur = (color[..., 0] - color[..., 1] > 40).nonzero()
        tibia = (color[..., 1] - color[..., 0] > 40).nonzero()
        assert femur[0].mean() < tibia[0].mean()  # the femur above
        centers.append((femur[1].mean(), tibia[1].mean()))
    anterior, lateral, posterior = centers
    assert anterior[0] > anterior[1]  # seen from the front, the patient's left is on the right
    assert posterior[0] < posterior[1]
    assert lateral[0] > lateral[1]  # seen from the patient's right, the front is on the right


def test_without_bones_there_is_a_sentence():
    with SurfaceRendering([], []) as rendering:
        assert rendering.pictures() == ([], "There is no 3-D view, since no bone was found.")


def test_machine_that_cannot_draw_gets_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-such-program"))
    with SurfaceRendering([_ball((0, 0, 0), 8)], [FEMUR]) as rendering:
        pictures, reason = rendering.pictures()
    assert (pictures, reason.count(".")) == ([], 1)
    assert "could not draw" in reason


def test_hung_driver_does_not_hold_up_the_report(monkeypatch):
    monkeypatch.setattr(drawing_process, "RENDERING_TIMEOUT_S", 0.01)
    with SurfaceRendering([_ball((0, 0, 0), 8)], [FEMUR]) as rendering:
        pictures, reason = rendering.pictures()
        process = rendering._drawing.process
    assert (pictures, process.poll() is not None) == ([], True)
    assert "took longer" in reason


def test_unknown_side_is_said():
    captions = [view["caption"] for view in surface_picture._views(None)]
    assert captions[1] == "From the patient's left (side not recorded)"
