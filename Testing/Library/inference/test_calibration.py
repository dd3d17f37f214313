import numpy as np
import pytest

from MultiJointSegLib.inference.calibration import fit_temperature


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
