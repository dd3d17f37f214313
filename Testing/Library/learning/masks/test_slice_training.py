"""The small training compares inputs fairly, and learns what a mask tells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.masks import slice_training
from MultiJointSegLib.learning.masks.slice_training import FitSettings, SliceStack, fit, predict_stack
from MultiJointSegLib.networks.shared_unet import SharedUNet


def network(image, mask):
    torch.manual_seed(0)
    return SharedUNet({"task": 1}, (8, 8, 8, 8, 8), backbone="unet", sees_image=image, mask_channels=mask)


@pytest.fixture
def shapes():
    """A square mask; the structure is its upper half. The image is noise."""
    rng = np.random.default_rng(0)
    mask, target = np.zeros((6, 1, 24, 30), np.float32), np.zeros((6, 24, 30), np.uint8)
    for n in range(6):
        top, left = rng.integers(2, 8, 2)
        mask[n, 0, top : top + 14, left : left + 14] = 1
        target[n, top : top + 7, left : left + 14] = 1
    return rng.uniform(0, 1, (6, 3, 24, 30)).astype(np.float32), mask, target


def test_every_arm_sees_the_same_slices_with_the_same_changes(shapes, monkeypatch):
    image, mask, target = shapes
    seen = []
    real = slice_training.segmentation_loss
    monkeypatch.setattr(
        slice_training, "segmentation_loss", lambda logits, t: seen.append(t.clone()) or real(logits, t)
    )
    for inputs, own in ((image, 3), (mask, 0), (np.concatenate([image, mask], 1), 3)):
        net = network(own > 0, inputs.shape[1] - own)
        fit(net, [SliceStack(inputs, target)], FitSettings(steps=2, batch=2, image_channels=own))
    first, second, third = seen[:2], seen[2:4], seen[4:]
    for a, b, c in zip(first, second, third, strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)
    assert not torch.equal(seen[0], seen[1])


def test_a_mask_tells_what_noise_does_not(shapes):
    _, mask, target = shapes
    net = network(False, 1)
    losses = fit(net, [SliceStack(mask, target)], FitSettings(steps=40, batch=4, image_channels=0, learning_rate=5e-3))
    assert np.mean(losses[-5:]) < 0.6 * losses[0] and not net.training
    answer = predict_stack(net, mask, batch=4)
    assert answer.shape == (6, 2, 24, 30)
    assert answer.sum(axis=1) == pytest.approx(1, abs=1e-5)
    found = answer[:, 1] > 0.5
    assert 2 * (found & (target > 0)).sum() / (found.sum() + (target > 0).sum()) > 0.8


def test_wrong_stacks_are_refused(shapes):
    image, _, target = shapes
    with pytest.raises(InputError, match="no examination to learn from"):
        fit(network(True, 0), [], FitSettings())
    with pytest.raises(InputError, match=r"slices have \[3\] channels, the network reads 4"):
        fit(network(True, 1), [SliceStack(image, target)], FitSettings())
