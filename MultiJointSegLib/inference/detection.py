"""Which joint an examination shows, or that it shows none of the model's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.manifest import DetectionSettings

OTHER = "other"
"""Key of "none of the model's joints" in the scores."""

TISSUE_LEVEL = 0.15
"""Normalized intensity (0 air, about 1 bright tissue) above which a pixel counts as tissue."""

EVIDENCE_FLOOR = 1e-3
"""No slice may speak against a class with a probability below this: one odd slice must not decide alone."""

DETECTION_PITCH_MM = 3.0
"""Slices closer than this repeat each other; for detection every n-th is enough."""

ADVICE = "If you know that it is one of them, name it."
"""Last sentence of a refusal by the network."""

CT_AIR_LEVEL = -500
CT_AIR_FRACTION = 0.005
"""An image without a stated modality is taken for CT when this fraction lies below -500, as air in Hounsfield units
does and MR intensities do not."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Answer of the joint detection.

    Parameters
    ----------
    joint : str or None
        Joint key; None when the examination is refused.
    confidence : float
        Score of the joint, or of "other" when refused, in [0, 1].
    scores : dict of str to float
        Joint keys and `OTHER`; they sum to 1. Empty when the image was refused before the network saw it.
    reason : str
        One or two sentences for a clinician.
    """

    joint: str | None
    confidence: float
    scores: dict[str, float]
    reason: str


def modality_of(volume: Volume) -> tuple[str, bool]:
    """Modality of an examination and whether its source states it.

    Returns
    -------
    modality : str
        The stated one, else "CT" when the intensities look like Hounsfield units, else "".
    stated : bool
    """
    if volume.modality:
        return volume.modality, True
    low = np.count_nonzero(volume.array < CT_AIR_LEVEL) if volume.array.dtype.kind != "u" else 0
    return ("CT", False) if low > CT_AIR_FRACTION * volume.array.size else ("", False)


def refuse_modality(volume: Volume, joints: tuple[str, ...]) -> Detection | None:
    """Refusal of an examination whose modality none of the joints accepts; None when one does or none is known."""
    modality, stated = modality_of(volume)
    if not modality or any(modality in anatomy.joint(key).modalities for key in joints):
        return None
    what = f"is a {modality} examination" if stated else f"looks like a {modality} examination"
    accepted = sorted({m for key in joints for m in anatomy.joint(key).modalities})
    return Detection(
        None, 1.0, {}, f"This {what}; the model reads {' or '.join(accepted)} of the {join_words(joints)} only."
    )


def choose_slices(images: np.ndarray, pitch_mm: float, settings: DetectionSettings) -> tuple[np.ndarray, np.ndarray]:
    """Slices that take part in the detection, and their weights.

    Parameters
    ----------
    images : float32 ndarray of shape (s, 3, h, w)
        Canonical slices.
    pitch_mm : float
        Distance of neighboring slices.
    settings : DetectionSettings
        Of the bundle.

    Returns
    -------
    index : int64 ndarray of shape (n,)
        At least one slice; those with too little tissue are left out unless all are.
    weight : float64 ndarray of shape (n,)
        1 in the middle half of the stack, falling linearly to `edge_weight` at its ends; sums to 1.
    """
    count = len(images)
    step = max(1, int(DETECTION_PITCH_MM / pitch_mm + 1e-6))
    index = np.arange((count - 1) % step // 2, count, step)  # centered
    tissue = (images[index, 1] > TISSUE_LEVEL).mean(axis=(1, 2))
    if np.any(tissue >= settings.minimum_foreground):
        index = index[tissue >= settings.minimum_foreground]
    depth = (np.minimum(index, count - 1 - index) + 0.5) / count  # 0 at the ends of the stack, 0.5 in the middle
    weight = settings.edge_weight + (1 - settings.edge_weight) * np.clip(depth / 0.25, 0, 1)
    return index, weight / weight.sum()


def combine_slices(logits: np.ndarray, weight: np.ndarray, temperature: float) -> np.ndarray:
    """Scores of an examination from those of its slices.

    Parameters
    ----------
    logits : float ndarray of shape (n, classes)
        Per slice.
    weight : float ndarray of shape (n,)
        Sums to 1.
    temperature : float
        Divides the logits, so that confidences mean what they say.

    Returns
    -------
    float64 ndarray of shape (classes,)
        Weighted geometric mean of the slices' probabilities (each at least `EVIDENCE_FLOOR`), scaled to sum to 1.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    probability = np.exp(scaled)
    probability /= probability.sum(axis=1, keepdims=True)
    mean = weight @ np.log(np.maximum(probability, EVIDENCE_FLOOR))
    score = np.exp(mean - mean.max())
    result: np.ndarray = score / score.sum()
    return result


def detect_joint(
    images: np.ndarray,
    pitch_mm: float,
    *,
    joints: tuple[str, ...],
    settings: DetectionSettings,
    compute: Callable[[np.ndarray], np.ndarray],
) -> Detection:
    """Detect the joint from canonical slices.

    Parameters
    ----------
    images : float32 ndarray of shape (s, 3, h, w)
        All canonical slices.
    pitch_mm : float
        Their distance.
    joints : tuple of str
        Joint keys in the order of the detection classes.
    settings : DetectionSettings
        Of the bundle.
    compute : callable
        Slices (n, 3, h, w) to logits (n, joints + 1).

    Returns
    -------
    Detection
    """
    index, weight = choose_slices(images, pitch_mm, settings)
    combined = combine_slices(compute(images[index]), weight, settings.temperature)
    scores = dict(zip((*joints, OTHER), (float(s) for s in combined), strict=True))
    best = max(joints, key=lambda key: scores[key])
    known = join_words(joints)
    if scores[best] >= settings.accept_threshold and scores[best] > scores[OTHER]:
        return Detection(
            best, scores[best], scores, f"The images show {article(best)} (score {scores[best]:.2f} of at most 1)."
        )
    return Detection(
        None,
        scores[OTHER],
        scores,
        f"The images do not show any joint that this model knows ({known}): the nearest is the {best} with a score of "
        f"{scores[best]:.2f}, {settings.accept_threshold:.2f} is needed. {ADVICE}",
    )


def join_words(words: tuple[str, ...]) -> str:
    """Words as in a sentence: "ankle, knee or shoulder"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def article(joint: str) -> str:
    """The joint's key with its article."""
    return f"{'an' if joint[0] in 'aeiou' else 'a'} {joint}"
