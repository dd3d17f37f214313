import numpy as np
import pytest

from MultiJointSegLib.inference.uncertainty import (
    SLICE_AREA_SCALE_MM2,
    expected_dice,
    slice_uncertainty,
    slices_to_review,
)


def test_expected_dice_of_known_cases():
    mask = np.array([True, True, False, False])
    assert expected_dice(mask.astype(float), mask) == 1
    assert expected_dice(np.full(4, 0.5), mask) == pytest.approx(2 * 1 / (2 + 2))
    assert expected_dice(np.array([0.9, 0.7, 0.2, 0.0]), mask) == pytest.approx(2 * 1.6 / (1.8 + 2))
    assert expected_dice(np.zeros(4), mask) == 0
    assert expected_dice(np.zeros(4), np.zeros(4, bool)) == 0


def test_expected_dice_is_the_mean_dice_of_calibrated_probabilities():
    rng = np.random.default_rng(0)
    probability = rng.beta(0.3, 0.3, 4000)
    mask = probability > 0.5
    draws = rng.uniform(size=(300, 4000)) < probability
    dice = 2 * (draws & mask).sum(axis=1) / (draws.sum(axis=1) + mask.sum())
    assert expected_dice(probability, mask) == pytest.approx(dice.mean(), abs=2e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices(axis):
    mask = np.zeros((5, 20, 20), bool)
    mask[1:3, 5:15, 5:15] = True  # 100 pixels
    probability = mask.astype(np.float32)
    probability[2, 5:15, 5:15] = 0.6
    probability[4, 5:15, 5:15] = 0.45  # nothing segmented, much promised
    mask, probability = np.moveaxis(mask, 0, axis), np.moveaxis(probability, 0, axis)
    doubt = slice_uncertainty(probability, mask, axis=axis, pixel_area_mm2=0.5)
    a = SLICE_AREA_SCALE_MM2
    assert doubt[:2].tolist() == [0, 0]
    assert doubt[2] == pytest.approx(1 - (60 + a) / (30 + 50 + a))
    assert doubt[3] == 0
    assert doubt[4] == pytest.approx(1 - a / (22.5 + a))
    assert doubt.dtype == np.float32


def test_the_last_sliver_weighs_little():
    mask = np.zeros((1, 4, 4), bool)
    mask[0, 1, 1] = True
    assert slice_uncertainty(mask * 0.5, mask, axis=0, pixel_area_mm2=0.64)[0] < 0.02


def test_review_lists_the_worst_slice_of_each_run():
    doubt = {"tibia": np.array([0, 0.1, 0.4, 0.3, 0, 0.2, 0]), "femur": np.array([0.35, 0.35, 0.1])}
    assert slices_to_review(doubt, count=3) == [("tibia", 2, 0.4), ("femur", 1, 0.35), ("tibia", 5, 0.2)]
    assert slices_to_review({"tibia": np.zeros(4)}) == []
