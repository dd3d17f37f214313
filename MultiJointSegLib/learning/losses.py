"""Losses of the segmentation and of the joint detection."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from MultiJointSegLib.networks.processes import process_count, summed

IGNORED = -1
"""Detection target of slices that show no bone: nobody could name their joint."""

_IMPOSSIBLE = -1e4
"""Logit of a class that cannot be; finite, so that a product with zero stays zero."""


def segmentation_loss(
    logits: Tensor, target: Tensor, *, dice_weight: float = 1.0, class_balance: float = 0.0
) -> Tensor:
    """Cross-entropy plus one minus the soft Dice of the bones, each over the whole batch of all processes.

    Boutillon et al. 2022 are believed to use cross-entropy alone; the Dice term is our addition, because the bones
    fill few pixels of most slices.

    Parameters
    ----------
    logits : float tensor of shape (b, bones + 1, h, w)
    target : int64 tensor of shape (b, h, w)
        Class indices; 0 is background.
    dice_weight : float
    class_balance : float
        Each pixel counts in the cross-entropy by the share of its class to the power of minus this: 0 all alike, 1 all
        classes alike. Without it, a bone of few pixels is taken for background for the first thousand steps.

    Returns
    -------
    scalar tensor
    """
    cross_entropy = F.cross_entropy(logits, target, _class_weights(logits, target, class_balance))
    if dice_weight == 0:
        return cross_entropy
    probability = logits.softmax(1)[:, 1:]
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:].to(probability.dtype)
    true = truth.sum((0, 2, 3))
    overlap, size, true = summed(torch.stack([(probability * truth).sum((0, 2, 3)), probability.sum((0, 2, 3)), true]))
    total = size + true
    present = true > 0
    dice = (2 * overlap + 1) / (total + 1)
    if not bool(present.any()):
        return cross_entropy
    return cross_entropy + dice_weight * (1 - dice[present].mean())


def _class_weights(logits: Tensor, target: Tensor, balance: float) -> Tensor | None:
    if balance == 0:
        return None
    counts = summed(torch.bincount(target.flatten(), minlength=logits.shape[1]).to(logits.dtype))
    weights = (counts / counts.sum()).clamp(min=1e-6) ** -balance
    return torch.where(counts > 0, weights, 0)


def detection_loss(logits: Tensor, target: Tensor, *, label_smoothing: float = 0.05) -> Tensor:
    """Cross-entropy of the joint over the slices whose target is not `IGNORED`; zero if there is none.

    Parameters
    ----------
    logits : float tensor of shape (b, joints + 1)
    target : int64 tensor of shape (b,)
    """
    judged = summed((target != IGNORED).sum().float())
    loss = F.cross_entropy(logits, target, ignore_index=IGNORED, label_smoothing=label_smoothing, reduction="sum")
    return loss * process_count() / judged.clamp(min=1)


def merge_unlabeled(logits: Tensor, labeled: Tensor) -> Tensor:
    """Count the bones that nobody labeled in a slice as its background.

    The background's probability becomes that of the background and those bones together, so that the loss teaches
    nothing about where they are: a label map without them does not say that they are absent.

    Parameters
    ----------
    logits : float tensor of shape (b, c, h, w)
    labeled : bool tensor of shape (b, c)
        Classes that the slice's label map would show; the background (class 0) always.
    """
    if bool(labeled.all()):
        return logits
    unknown = ~labeled[:, :, None, None]
    merged = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(~unknown[:, 1:], -torch.inf)], dim=1)
    background = merged.logsumexp(1, keepdim=True)
    return torch.cat([background, logits[:, 1:].masked_fill(unknown[:, 1:], _IMPOSSIBLE)], dim=1)


@torch.no_grad()
def hard_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Dice of each bone over the whole batch, shape (bones,); NaN for bones absent from truth and prediction."""
    prediction = F.one_hot(logits.argmax(1), logits.shape[1]).movedim(-1, 1)[:, 1:]
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:]
    overlap = (prediction * truth).sum((0, 2, 3)).double()
    total = (prediction + truth).sum((0, 2, 3)).double()
    return torch.where(total > 0, 2 * overlap / total, torch.nan)
