"""Losses by hand-computed values."""

import math

import pytest
import torch

from MultiJointSegLib.learning.losses import IGNORED, detection_loss, hard_dice, merge_unlabeled, segmentation_loss


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes() -> None:
    loss = segmentation_loss(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64), dice_weight=0)
    assert float(loss) == pytest.approx(math.log(3))


def test_dice_term_by_hand() -> None:
    # Two classes, p = 0.5 everywhere, 1 of 4 pixels is bone: soft Dice = (2 * 0.5 + 1) / (2 + 1 + 1) = 0.5.
    target = torch.tensor([[[1, 0], [0, 0]]])
    loss = segmentation_loss(torch.zeros(1, 2, 2, 2), target)
    assert float(loss) == pytest.approx(math.log(2) + 0.5)


def test_balanced_classes_by_hand() -> None:
    """One pixel of four is bone, and the network says everywhere that it is with p = 0.2."""
    target = torch.tensor([[[1, 0], [0, 0]]])
    logits = torch.tensor([0.8, 0.2]).log()[None, :, None, None].expand(1, 2, 2, 2)

    def loss(balance: float) -> float:
        return float(segmentation_loss(logits, target, dice_weight=0, class_balance=balance))

    background, bone = -math.log(0.8), -math.log(0.2)
    assert loss(0) == pytest.approx((3 * background + bone) / 4)
    assert loss(1) == pytest.approx((background + bone) / 2)  # every class counts alike
    root = math.sqrt(3)  # three times as many pixels, each counting 1 / sqrt(3)
    assert loss(0.5) == pytest.approx((root * background + bone) / (root + 1))


def test_right_answer_costs_almost_nothing_and_wrong_one_much() -> None:
    target = torch.tensor([[[0, 1], [2, 0]]])
    right = 20.0 * torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float()
    assert float(segmentation_loss(right, target)) < 1e-3
    assert float(segmentation_loss(right.roll(1, 1), target)) > 10


def test_bones_absent_from_the_batch_add_nothing() -> None:
    target = torch.zeros(1, 2, 2, dtype=torch.int64)
    logits = torch.zeros(1, 3, 2, 2)
    assert float(segmentation_loss(logits, target)) == pytest.approx(math.log(3))


def test_ignored_slices_do_not_count_in_the_detection() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    both = detection_loss(logits, torch.tensor([0, IGNORED]), label_smoothing=0)
    assert float(both) == pytest.approx(math.log(1 + math.exp(-2.0)))
    assert float(detection_loss(logits, torch.tensor([IGNORED, IGNORED]))) == 0


def test_hard_dice_by_hand() -> None:
    target = torch.tensor([[[1, 1], [0, 0]]])
    prediction = torch.tensor([[[1, 0], [0, 0]]])
    logits = torch.nn.functional.one_hot(prediction, 3).movedim(-1, 1).float()
    dice = hard_dice(logits, target)
    assert float(dice[0]) == pytest.approx(2 / 3)
    assert torch.isnan(dice[1])


def test_unlabeled_bones_count_as_background_of_their_slice_only() -> None:
    """Probabilities 1/2, 1/4, 1/4 and background in truth: the loss is log 2, or log 4/3 where bone 2 is unlabeled."""
    logits = torch.log(torch.tensor([0.5, 0.25, 0.25])).view(1, 3, 1, 1).repeat(2, 1, 1, 1).requires_grad_()
    labeled = torch.tensor([[True, True, True], [True, True, False]])
    merged = merge_unlabeled(logits, labeled)
    target = torch.zeros(2, 1, 1, dtype=torch.int64)
    losses = torch.nn.functional.cross_entropy(merged, target, reduction="none").flatten()
    assert losses.tolist() == pytest.approx([math.log(2), math.log(4 / 3)])
    losses[1].backward()
    gradient = logits.grad[1].flatten()
    # Background and the unlabeled bone rise together, in proportion to their probabilities: nothing tells them apart.
    assert float(gradient[0] / gradient[2]) == pytest.approx(2.0)
    assert float(gradient[1]) > 0
    assert merge_unlabeled(logits, torch.ones(2, 3, dtype=torch.bool)) is logits
