"""A small training on stacks of slices in memory, for experiments that compare inputs.

The training of models that are kept is `scheme_training`; here every arm of a comparison sees the same slices in the
same order with the same random changes, whatever its channels are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.augmentation import AugmentationSettings, deform, shade
from MultiJointSegLib.learning.losses import segmentation_loss
from MultiJointSegLib.learning.masks.settings import IMAGE_CHANNELS
from MultiJointSegLib.learning.masks.variation import vary_positions
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.progress import Progress, SilentProgress

_MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class SliceStack:
    """Slices of one examination.

    Parameters
    ----------
    inputs : float32 ndarray of shape (s, channels, h, w)
        The image's channels first, if there are any.
    target : uint8 ndarray of shape (s, h, w)
        Class indices.
    sagittal : bool
        Whether mirroring the patient exchanges the neighbors instead of turning the columns around.
    """

    inputs: np.ndarray
    target: np.ndarray
    sagittal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How a network is fitted.

    Parameters
    ----------
    steps, batch : int
    learning_rate : float
        Highest; it rises over a tenth of the steps and falls as a cosine.
    pixel_mm : float
    image_channels : int
        How many of the channels are the image's.
    seed : int
        Of the draws of slices and of their random changes.
    vary_masks : bool
        Change the mask's coordinates at random (`variation.vary_positions`).
    """

    steps: int = 350
    batch: int = 6
    learning_rate: float = 3e-3
    pixel_mm: float = 5.5
    image_channels: int = 3
    seed: int = 1
    vary_masks: bool = True


def square_size(stacks: Sequence[SliceStack]) -> int:
    """Smallest multiple of 32 pixels into which every slice fits."""
    largest = max(max(stack.target.shape[1:]) for stack in stacks)
    return -(-largest // _MULTIPLE) * _MULTIPLE


def fit(
    network: SharedUNet,
    stacks: Sequence[SliceStack],
    settings: FitSettings,
    progress: Progress | None = None,
) -> list[float]:
    """Fit a network of one joint to slices, in place; it ends in evaluation mode.

    Every examination is drawn as often, and in it slices with structures twice as often as those without.

    Parameters
    ----------
    network : SharedUNet
        Of one joint.
    stacks : sequence of SliceStack
        One per examination.
    settings : FitSettings
    progress : Progress, optional

    Returns
    -------
    list of float
        Loss of every step.

    Raises
    ------
    InputError
        If there is no examination, or its channels are not the network's.
    """
    progress = progress or SilentProgress()
    if not stacks:
        raise InputError("There is no examination to learn from; give at least one.")
    channels = {stack.inputs.shape[1] for stack in stacks}
    if channels != {network.input_channels}:
        raise InputError(f"The slices have {sorted(channels)} channels, the network reads {network.input_channels}.")
    (joint,) = network.joints
    size = square_size(stacks)
    generator = torch.Generator().manual_seed(settings.seed)
    of_masks = torch.Generator().manual_seed(settings.seed)  # its own, so that every arm draws the same otherwise
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
    augmentation = AugmentationSettings()
    shown = [np.asarray(stack.target.any(axis=(1, 2))) for stack in stacks]
    network.train()
    losses = []
    for step in range(settings.steps):
        warm = min(1.0, (step + 1) / max(1, settings.steps // 10))
        rate = settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, target, sagittal = _batch(stacks, shown, settings.batch, size, generator)
        images, classes = deform(
            inputs, target, sagittal, size, settings.pixel_mm, augmentation, generator, settings.image_channels
        )
        own = settings.image_channels
        shown_image = images[:, :own] if own else torch.zeros(settings.batch, IMAGE_CHANNELS, size, size)
        shaded = shade(shown_image, augmentation, generator)  # without an image too, so that every arm draws the same
        masks = images[:, own:]
        if settings.vary_masks:
            masks = vary_positions(masks, augmentation, of_masks)
        images = torch.cat([shaded, masks], dim=1) if own else masks
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images, joint)
        loss = segmentation_loss(logits.float(), classes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        progress.report((step + 1) / settings.steps, f"step {step + 1} of {settings.steps}, loss {losses[-1]:.3f}")
    network.eval()
    return losses


def predict_stack(network: SharedUNet, inputs: np.ndarray, *, batch: int = 16) -> np.ndarray:
    """Class probabilities, float32 (s, classes, h, w), of slices (s, channels, h, w) of any size."""
    (joint,) = network.joints
    height, width = inputs.shape[2:]
    more = (-height % _MULTIPLE, -width % _MULTIPLE)
    padded = np.pad(inputs, ((0, 0), (0, 0), (0, more[0]), (0, more[1])))
    answers = []
    with torch.inference_mode():
        for start in range(0, len(padded), batch):
            logits = network(torch.from_numpy(padded[start : start + batch]), joint)
            answers.append(logits.softmax(1)[:, :, :height, :width].numpy())
    return np.concatenate(answers)


def _batch(
    stacks: Sequence[SliceStack], shown: Sequence[np.ndarray], count: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    inputs = np.zeros((count, stacks[0].inputs.shape[1], size, size), np.float32)
    target = np.zeros((count, size, size), np.uint8)
    chance = torch.rand(count, 3, generator=generator).numpy()
    chosen = [int(c * len(stacks)) for c in chance[:, 0]]
    for n, index in enumerate(chosen):
        stack = stacks[index]
        several = np.flatnonzero(shown[index])
        if chance[n, 1] < 1 / 3 or not len(several):
            several = np.arange(len(stack.target))
        at = int(several[int(chance[n, 2] * len(several))])
        height, width = stack.target.shape[1:]
        top, left = (size - height) // 2, (size - width) // 2
        inputs[n, :, top : top + height, left : left + width] = stack.inputs[at]
        target[n, top : top + height, left : left + width] = stack.target[at]
    sagittal = torch.tensor([stacks[index].sagittal for index in chosen])
    return torch.from_numpy(inputs), torch.from_numpy(target).long(), sagittal
