import numpy as np
import pytest

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.detection import (
    OTHER,
    choose_slices,
    combine_slices,
    detect_joint,
    modality_of,
    refuse_modality,
)
from MultiJointSegLib.inference.manifest import DetectionSettings

JOINTS = ("ankle", "knee", "shoulder")
SETTINGS = DetectionSettings()


def answer(logits):
    images = np.ones((12, 3, 8, 8), np.float32)
    return detect_joint(
        images, 4.0, joints=JOINTS, settings=SETTINGS, compute=lambda x: np.tile(np.array(logits, float), (len(x), 1))
    )


def test_agreeing_slices_are_accepted():
    detection = answer([0, 4, 0, 0])
    assert detection.joint == "knee"
    assert detection.confidence == pytest.approx(np.exp(4) / (np.exp(4) + 3))
    assert detection.scores.keys() == {*JOINTS, OTHER}
    assert sum(detection.scores.values()) == pytest.approx(1)
    assert detection.reason.startswith("The images show a knee (score 0.95")
    assert answer([5, 0, 0, 0]).reason.startswith("The images show an ankle")


def test_other_and_undecided_are_refused_with_a_sentence():
    other = answer([0, 1, 0, 6])
    assert other.joint is None
    assert other.confidence == other.scores[OTHER] > 0.9
    assert "ankle, knee or shoulder" in other.reason
    undecided = answer([1, 1.2, 1, 1])
    assert undecided.joint is None
    assert "the nearest is the knee with a score of 0.29, 0.50 is needed" in undecided.reason


def test_combination_by_hand():
    p = np.array([[0.8, 0.2], [0.4, 0.6]])
    weight = np.array([0.75, 0.25])
    expected = np.exp(weight @ np.log(p))
    np.testing.assert_allclose(combine_slices(np.log(p), weight, 1.0), expected / expected.sum())


def test_temperature_softens_and_keeps_the_order():
    logits = np.array([[3.0, 1.0, 0.0]])
    sharp, soft = (combine_slices(logits, np.ones(1), t) for t in (1.0, 4.0))
    assert sharp[0] > soft[0] > soft[1] > soft[2] > sharp[2]


def test_one_odd_slice_does_not_decide():
    logits = np.tile([0.0, 3.0, 0.0], (20, 1))
    logits[10] = [500.0, 0.0, 0.0]
    assert combine_slices(logits, np.full(20, 0.05), 1.0).argmax() == 1
    assert combine_slices(logits, np.full(20, 0.05), 1.0)[1] > 0.7


def test_slices_of_air_are_left_out_and_edges_weigh_less():
    images = np.zeros((16, 3, 10, 10), np.float32)
    images[2:] = 1
    index, weight = choose_slices(images, 4.0, SETTINGS)
    assert index.tolist() == list(range(2, 16))
    assert weight.sum() == pytest.approx(1)
    assert weight[-1] < weight[-2] < weight[6] == weight[5]
    assert choose_slices(np.zeros((4, 3, 5, 5), np.float32), 4.0, SETTINGS)[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 160])
def test_close_slices_are_thinned_evenly(count):
    index, weight = choose_slices(np.ones((count, 3, 4, 4), np.float32), 1.0, SETTINGS)
    assert len(index) == (count + 2) // 3
    assert abs(index[0] - (count - 1 - index[-1])) <= 1
    np.testing.assert_allclose(weight.sum(), 1)


def volume(array, modality=""):
    return Volume(array, Geometry(array.shape[::-1]), modality)


def test_ct_is_refused_stated_or_by_its_look():
    mr = np.random.default_rng(0).integers(0, 900, (4, 10, 10)).astype(np.int16)
    ct = mr.copy()
    ct[:, :3] = -1000
    assert refuse_modality(volume(mr, "MR"), JOINTS) is None
    assert refuse_modality(volume(mr), JOINTS) is None
    stated = refuse_modality(volume(mr, "CT"), JOINTS)
    assert stated.joint is None
    assert stated.reason == "This is a CT examination; the model reads MR of the ankle, knee or shoulder only."
    assert "looks like a CT" in refuse_modality(volume(ct), JOINTS).reason
    assert refuse_modality(volume(mr, "CT"), ("hip",)) is None
    assert modality_of(volume(ct)) == ("CT", False)
    assert modality_of(volume(mr.astype(np.uint16))) == ("", False)
