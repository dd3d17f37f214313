"""How much a prediction disagrees with the labels it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class CaseEvidence:
    """What a case's ranking may use.

    Parameters
    ----------
    name : str
    disagreement : float
        ``u = 1 - mean over bones of Dice(labels, prediction)``, from 0 (the same) to 1 (disjoint).
    bone_disagreement : dict of str to float
        1 - Dice of each bone.
    slice_disagreement : dict of int to float
        The same as `disagreement` for each slice (index along the stack) in which either shows a bone.
    slice_middles : dict of int to (float, float)
        Row and column of the middle of the pixels that differ, for each slice in which any does.
    entropy : float
        Mean entropy of the prediction, in nats, over the voxels that labels or prediction call bone.
    variance : float
        Mean variance over the networks of the probability of bone, over the same voxels; 0 with one network.
    features : ndarray of shape (f,)
        What the network sees in the case, for choosing different ones.
    """

    name: str
    disagreement: float
    bone_disagreement: dict[str, float]
    slice_disagreement: dict[int, float]
    entropy: float = 0.0
    variance: float = 0.0
    features: np.ndarray = field(default_factory=lambda: np.zeros(0))
    slice_middles: dict[int, tuple[float, float]] = field(default_factory=dict)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient of two masks of one shape; 1 where both are empty."""
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / total if total else 1.0


def compare_labels(
    labels: np.ndarray, prediction: np.ndarray, bones: dict[str, int]
) -> tuple[dict[str, float], dict[int, float]]:
    """Disagreement of two label stacks.

    Parameters
    ----------
    labels, prediction : integer ndarrays of shape (s, h, w)
    bones : dict of str to int
        Bone key and its label value.

    Returns
    -------
    by_bone : dict of str to float
        1 - Dice over the whole stack; bones that neither shows are left out.
    by_slice : dict of int to float
        1 - mean Dice over the bones that either shows in the slice; slices without any are left out.

    References
    ----------
    Zhang et al. 2023 rank by the disagreement of pseudo label and prediction; the formula, 1 minus the mean Dice,
    is our choice.
    """
    by_bone, by_slice = {}, {}
    masks = {key: (labels == value, prediction == value) for key, value in bones.items()}
    for key, (a, b) in masks.items():
        if a.any() or b.any():
            by_bone[key] = 1 - dice(a, b)
    for index in range(len(labels)):
        here = [(a[index], b[index]) for a, b in masks.values() if a[index].any() or b[index].any()]
        if here:
            by_slice[index] = 1 - float(np.mean([dice(a, b) for a, b in here]))
    return by_bone, by_slice


def differing_middles(labels: np.ndarray, prediction: np.ndarray, values: list[int]) -> dict[int, tuple[float, float]]:
    """Where a person should look: row and column of the middle of what differs, by slice.

    Parameters
    ----------
    labels, prediction : integer ndarrays of shape (s, h, w)
    values : list of int
        Label values that are looked at; others count as background.
    """
    a, b = (np.where(np.isin(stack, values), stack, 0) for stack in (labels, prediction))
    found = {}
    for index in np.flatnonzero((a != b).any(axis=(1, 2))).tolist():
        row, column = np.argwhere(a[index] != b[index]).mean(axis=0)
        found[index] = (float(row), float(column))
    return found


def gather_case(name: str, labels: np.ndarray, probabilities: list[np.ndarray], bones: dict[str, int]) -> CaseEvidence:
    """Evidence of a case.

    Parameters
    ----------
    name : str
    labels : integer ndarray of shape (s, h, w)
        The labels that are questioned.
    probabilities : list of float ndarray of shape (s, bones + 1, h, w)
        One from each network; none of them was trained on the case. Class 0 is background, the others follow `bones`.
    bones : dict of str to int

    Returns
    -------
    CaseEvidence
        Without features.
    """
    mean = np.mean(probabilities, axis=0, dtype=np.float32)
    values = np.array([0, *bones.values()])
    prediction = values[mean.argmax(axis=1)]
    by_bone, by_slice = compare_labels(labels, prediction, bones)
    region = np.isin(labels, values[1:]) | (prediction > 0)
    entropy = variance = 0.0
    if region.any():
        entropy = float(-(mean * np.log(mean + _TINY)).sum(axis=1)[region].mean())
        bone = np.stack([1 - p[:, 0] for p in probabilities])
        variance = float(bone.var(axis=0)[region].mean())
    return CaseEvidence(
        name=name,
        disagreement=float(np.mean(list(by_bone.values()))) if by_bone else 0.0,
        bone_disagreement=by_bone,
        slice_disagreement=by_slice,
        entropy=entropy,
        variance=variance,
        slice_middles=differing_middles(labels, prediction, list(bones.values())),
    )
