import numpy as np
import pytest

from MultiJointSegLib.inference.calibration import fit_offset, fit_temperature
from MultiJointSegLib.inference.confidence import corrected_confidence


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_factor_of_overconfidence_is_found(factor):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4))
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = (rng.uniform(size=(len(logits), 1)) > probability.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(logits * factor, classes) == pytest.approx(factor, rel=0.03)


def test_always_right_gives_the_smallest_temperature():
    assert fit_temperature(np.eye(3), np.arange(3)) == pytest.approx(0.05, rel=0.1)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="must be"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, int))


def test_a_constant_bias_of_the_logits_is_found():
    stated = np.linspace(0.6, 0.97, 15)
    true = 1 / (1 + np.exp(-(np.log(stated / (1 - stated)) - 0.7)))
    offset = fit_offset(stated, true)
    assert offset == pytest.approx(-0.7, abs=1e-3)
    assert [corrected_confidence(c, offset) for c in stated] == pytest.approx(list(true), abs=1e-3)


def test_a_single_lost_bone_does_not_pull_down_the_others():
    stated, true = np.full(9, 0.9), np.full(9, 0.9)
    true[4] = 0.0
    assert fit_offset(stated, true) == pytest.approx(0.0, abs=0.01)


def test_corrected_confidence_keeps_order_ends_and_without_offset_the_value():
    values = np.linspace(0, 1, 21)
    corrected = [corrected_confidence(float(v), -1.3) for v in values]
    assert np.all(np.diff(corrected) > 0)
    assert (corrected[0], corrected[-1]) == (0.0, 1.0)
    assert [corrected_confidence(float(v), 0.0) for v in values] == list(values)


def test_offsets_need_cases():
    with pytest.raises(ValueError, match="must be"):
        fit_offset(np.zeros(0), np.zeros(0))
