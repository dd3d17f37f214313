"""Test-time options: the same slices seen in other ways, averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

TTA_OPTIONS = ("none", "flip", "scale")
SCALES = (0.9, 1.1)
"""Magnifications beside the slices' own for the option "scale"."""

Forward = Callable[[np.ndarray, float, float], np.ndarray]
"""Slices (s, 3, h, w) to probabilities (s, c, h, w); then the span of progress that this pass fills."""


def mirrored(images: np.ndarray, plane: str, image_channels: int = 3) -> np.ndarray:
    """Slices of the patient mirrored left to right.

    In sagittal slices that exchanges the neighbors, in the other planes it turns the columns around. Top and bottom,
    front and back are never exchanged: no patient looks like that. The channels after the image's are a mask's, which
    are the same on both sides of the body.
    """
    if plane != "sagittal":
        return images[..., ::-1]
    return np.concatenate([images[:, :image_channels][:, ::-1], images[:, image_channels:]], axis=1)


def unmirrored(probabilities: np.ndarray, plane: str) -> np.ndarray:
    """Probabilities (s, c, h, w) of mirrored slices, back in place."""
    return probabilities if plane == "sagittal" else probabilities[..., ::-1]


def predict(forward: Forward, images: np.ndarray, plane: str, option: str, *, image_channels: int = 3) -> np.ndarray:
    """Mean probabilities over the passes of a test-time option.

    Parameters
    ----------
    forward : callable
        See `Forward`.
    images : float32 ndarray of shape (s, channels, h, w)
        Canonical slices, any size.
    plane : str
        "sagittal", "coronal" or "axial".
    option : str
        "none", "flip" (the patient and the mirrored patient) or "scale" (also magnified by `SCALES`).
    image_channels : int
        How many of the channels are the image's, the first ones.

    Returns
    -------
    float32 ndarray of shape (s, c, h, w)
    """
    passes = list(_passes(images, plane, option, image_channels))
    mean: np.ndarray | None = None
    for index, (seen, back) in enumerate(passes):
        answer = back(forward(seen, index / len(passes), (index + 1) / len(passes)))
        mean = answer if mean is None else mean + answer
    assert mean is not None
    return mean if len(passes) == 1 else mean / np.float32(len(passes))


def _passes(
    images: np.ndarray, plane: str, option: str, image_channels: int
) -> Iterator[tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]]:
    if option not in TTA_OPTIONS:
        raise ValueError(f"Unknown test-time option '{option}'; known are {', '.join(TTA_OPTIONS)}.")
    yield images, lambda answer: answer
    if option == "flip":
        yield mirrored(images, plane, image_channels), lambda answer: unmirrored(answer, plane)
    elif option == "scale":
        size = images.shape[2:]
        for scale in SCALES:
            other = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
            yield _resized(images, other), lambda answer: _resized(answer, (int(size[0]), int(size[1])))


def _resized(stack: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    tensor = torch.from_numpy(np.ascontiguousarray(stack))
    result: np.ndarray = F.interpolate(tensor, size=size, mode="bilinear", align_corners=False, antialias=True).numpy()
    return result
