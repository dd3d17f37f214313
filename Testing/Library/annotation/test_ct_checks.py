"""What is no usable CT of hips is refused with one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from MultiJointSegLib.annotation.ct_checks import check_hip_ct
from MultiJointSegLib.annotation.hip_choice import choose_hips
from MultiJointSegLib.annotation.hip_finding import Ball
from MultiJointSegLib.errors import InputError, RefusalError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume


@pytest.fixture
def ct() -> np.ndarray:
    rng = np.random.default_rng(0)
    array = rng.normal(40, 20, (12, 60, 60))
    array[:, :8] = array[:, -8:] = -1000
    array[:, 25:32, 25:32] = 900
    return array.astype(np.int16)


def volume(array, modality="CT", pitch=2.0) -> Volume:
    return Volume(array, Geometry(array.shape[::-1], (0.8, 0.8, pitch)), modality)


def test_a_ct_passes(ct):
    check_hip_ct(volume(ct))
    check_hip_ct(volume(ct, ""))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: volume(a, "MR"), "The image is MR"),
        (lambda a: volume(a + 1024, ""), "no Hounsfield units"),
        (lambda a: volume(a + 400, "CT"), "not calibrated"),
        (lambda a: volume(np.minimum(a, 100), "CT"), "no bone"),
        (lambda a: volume(a, "CT", 8.0), "8.0 mm apart"),
        (lambda a: volume(np.where(np.arange(12).reshape(-1, 1, 1) == 5, -1000, a), "CT"), "Slice 6 of 12 is empty"),
        (lambda a: volume(a[[0, 1, 2, 3, 4, 4, 6, 7, 8, 9, 10, 11]], "CT"), "Slices 5 and 6 of 12 are identical"),
    ],
)
def test_what_is_refused(ct, change, sentence):
    with pytest.raises(InputError, match=sentence):
        check_hip_ct(change(ct.copy()))


SPACING = np.array([2.0, 1.0, 1.0])


def ball(i, *, toward, score=0.6, metal=0.0, radius=23.0, k=40.0) -> Ball:
    return Ball(np.array([k, 150.0, i]), radius, score, score, np.array([0.6, 0.1, toward]), metal)


def test_both_hips_are_a_pair_of_balls_with_sockets_inward():
    left, right = ball(340.0, toward=-0.8), ball(160.0, toward=0.8)
    decoys = [ball(260.0, toward=0.5, score=0.9, radius=12.0), ball(350.0, toward=-0.8, score=0.7, k=90.0)]
    found = choose_hips([*decoys, left, right], SPACING)
    assert found.balls == {"left": left, "right": right}
    assert found.midline == 250.0


def test_one_hip_alone_tells_its_side_by_its_socket():
    found = choose_hips([ball(100.0, toward=0.8)], SPACING)
    assert list(found.balls) == ["right"]
    assert found.midline == pytest.approx(100.0 + 3.8 * 23)
    assert list(choose_hips([ball(100.0, toward=-0.8)], SPACING).balls) == ["left"]


def test_no_hip_and_metal_heads_are_refused():
    with pytest.raises(RefusalError, match="No hip joint was found"):
        choose_hips([ball(100.0, toward=0.8, score=0.3)], SPACING)
    with pytest.raises(RefusalError, match="prosthesis"):
        choose_hips([ball(100.0, toward=0.8, metal=0.6)], SPACING)
