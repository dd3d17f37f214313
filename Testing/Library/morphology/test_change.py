"""Two examinations of one bone: alignment, change, and what an unsure outline means."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.anatomy import bone
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.alignment import align_rigidly, change_mm
from MultiJointSegLib.morphology.change import changes_between
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.morphology.measures import measure_surfaces
from MultiJointSegLib.morphology.repeatability import shifted_outlines, with_pixel_error
from MultiJointSegLib.surface.extraction import bone_surfaces


def motion(angle_deg: float) -> np.ndarray:
    turn = np.radians(angle_deg)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrix[:3, 3] = (40.0, -7.0, 95.0)
    return matrix


def test_a_moved_bone_is_laid_back(ellipsoid):
    fixed = ellipsoid((30.0, 16.0, 9.0))
    moving = fixed.transformed(motion(20.0))
    found = align_rigidly(moving, fixed)
    assert found.residual_mm < 0.3
    assert np.linalg.det(found.matrix[:3, :3]) == pytest.approx(1.0)
    laid = moving.transformed(found.matrix)
    assert np.abs(change_mm(laid, fixed)).max() < 0.3


def test_growth_is_seen_where_it_is_and_cuts_are_left_out(ellipsoid):
    earlier, later = ellipsoid((30.0, 16.0, 9.0)), ellipsoid((31.0, 17.0, 10.0))
    found = align_rigidly(later, earlier)
    assert np.median(change_mm(later.transformed(found.matrix), earlier)) == pytest.approx(1.0, abs=0.1)
    cut = (earlier.points_mm[:, 0] > 20.0)[earlier.triangles].all(axis=1)
    change = change_mm(later, earlier, cut)
    assert np.isnan(change[later.points_mm[:, 0] > 22.0]).all()
    assert np.isfinite(change[later.points_mm[:, 0] < 10.0]).all()


def measured(key: str, value: float | None, error: float | None, reason: str = "") -> Measurement:
    return Measurement(key, key, "", value, "mm", "For the test.", reason=reason, error_estimate=error)


def test_a_change_is_certain_beyond_the_error_of_both():
    first = [measured("a", 10.0, 0.3), measured("b", 10.0, 0.3), measured("c", 10.0, None), measured("d", 1.0, 0.1)]
    second = [measured("a", 10.5, 0.4), measured("b", 12.0, 0.4), measured("c", 12.0, 0.4), measured("e", 2.0, 0.1)]
    found = {c.key: c for c in changes_between(first, [*second, measured("f", None, None, "Cut off.")])}
    assert found["a"].change == pytest.approx(0.5)
    assert found["a"].error == pytest.approx(0.5)
    assert [found[key].certain for key in "abcdef"] == [False, True, None, None, None, None]
    assert found["c"].error is None
    assert "not segmented" in found["d"].remark
    assert "Cut off." in found["f"].remark
    assert changes_between([measured("femur_centroid_left", 1.0, None)], []) == []


@pytest.fixture(scope="module")
def labels() -> Volume:
    """An ellipsoid as talus, on slices of 4 mm."""
    geometry = Geometry((48, 48, 16), (1.0, 1.0, 4.0))
    grid = np.moveaxis(np.indices(geometry.array_shape), 0, -1) * (4.0, 1.0, 1.0)
    inside = (((grid - (30.0, 23.0, 24.0)) / (20.0, 16.0, 12.0)) ** 2).sum(axis=-1) <= 1
    return Volume(np.where(inside, bone("talus").label, 0).astype(np.uint8), geometry)


def test_outlines_move_within_slices_only(labels):
    for pixels in (1, -1):
        changed = shifted_outlines(labels, "ankle", pixels)
        used = [np.flatnonzero(v.array.any(axis=(1, 2))) for v in (labels, changed)]
        assert used[1].tolist() == used[0].tolist() or pixels < 0
        middle = [int((v.array[7, 23] > 0).sum()) for v in (labels, changed)]
        assert middle[1] - middle[0] == 2 * pixels


def test_one_pixel_is_an_error_of_every_length(labels):
    surfaces = bone_surfaces(labels, [bone("talus")])
    plain = measure_surfaces(surfaces, joint="ankle", labels=labels)
    found = {m.key: m for m in with_pixel_error(plain, labels, "ankle")}
    assert [m.key for m in plain] == list(found)
    assert found["talus_principal_length_2"].error_estimate == pytest.approx(2.0, abs=0.3)
    assert found["talus_volume"].error_estimate == pytest.approx(0.75 * surfaces["talus"].area_mm2, rel=0.3)
    assert found["talus_length"].value is None
