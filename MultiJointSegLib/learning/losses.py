"""Losses of the segmentation and of the joint detection."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -1
"""Detection target of slices that show no bone: nobody could name their joint."""


def segmentation_loss(logits: Tensor, target: Tensor, *, dice_weight: float = 1.0) -> Tensor:
    """Cross-entropy plus one minus the soft Dice of the bones, each over the whole batch.

    Boutillon et al. 2022 are believed to use cross-entropy alone; the Dice term is our addition, because the bones
    fill few pixels of most slices.

    Parameters
    ----------
    logits : float tensor of shape (b, bones + 1, h, w)
    target : int64 tensor of shape (b, h, w)
        Class indices; 0 is background.

    Returns
    -------
    scalar tensor
    """
    cross_entropy = F.cross_entropy(logits, target)
    if dice_weight == 0:
        return cross_entropy
    probability = logits.softmax(1)[:, 1:]
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:].to(probability.dtype)
    overlap = (probability * truth).sum((0, 2, 3))
    total = probability.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    dice = (2 * overlap + 1) / (total + 1)
    if not bool(present.any()):
        return cross_entropy
    return cross_entropy + dice_weight * (1 - dice[present].mean())


def detection_loss(logits: Tensor, target: Tensor, *, label_smoothing: float = 0.05) -> Tensor:
    """Cross-entropy of the joint over the slices whose target is not `IGNORED`; zero if there is none.

    Parameters
    ----------
    logits : float tensor of shape (b, joints + 1)
    target : int64 tensor of shape (b,)
    """
    if not bool((target != IGNORED).any()):
        return logits.sum() * 0
    return F.cross_entropy(logits, target, ignore_index=IGNORED, label_smoothing=label_smoothing)


@torch.no_grad()
def hard_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Dice of each bone over the whole batch, shape (bones,); NaN for bones absent from truth and prediction."""
    prediction = F.one_hot(logits.argmax(1), logits.shape[1]).movedim(-1, 1)[:, 1:]
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:]
    overlap = (prediction * truth).sum((0, 2, 3)).double()
    total = (prediction + truth).sum((0, 2, 3)).double()
    return torch.where(total > 0, 2 * overlap / total, torch.nan)
