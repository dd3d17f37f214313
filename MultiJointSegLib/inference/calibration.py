"""Fitting temperatures and confidence offsets of a bundle, so that it is right as often as it says."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, logsumexp

from MultiJointSegLib.inference.confidence import LARGEST_OFFSET

_EDGE = 1e-3
_LOG_RANGE = (np.log(0.05), np.log(20.0))


def fit_temperature(logits: np.ndarray, classes: np.ndarray) -> float:
    """Temperature that makes softmax(logits / temperature) fit held-out cases best.

    Parameters
    ----------
    logits : float ndarray of shape (n, c)
        Of slices (detection) or pixels (segmentation) that the network was not trained on.
    classes : int ndarray of shape (n,)
        The true class of each.

    Returns
    -------
    float
        Between 0.05 and 20; above 1 for an over-confident network.

    Raises
    ------
    ValueError
        If there are no cases or the shapes do not fit.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv 1706.04599, section 4.2: the minimum of
    the negative log-likelihood over one scalar.
    """
    logits, classes = np.asarray(logits, np.float64), np.asarray(classes)
    if logits.ndim != 2 or classes.shape != logits.shape[:1] or not len(classes):
        raise ValueError(f"Logits {logits.shape} and classes {classes.shape} must be (n, c) and (n,) with n > 0.")
    chosen = logits[np.arange(len(classes)), classes]

    def negative_log_likelihood(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(logsumexp(logits * scale, axis=1) - chosen * scale))

    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=_LOG_RANGE, method="bounded").x))


def fit_offset(confidences: np.ndarray, dices: np.ndarray) -> float:
    """Offset that brings stated confidences nearest to the Dice of the same cases.

    Parameters
    ----------
    confidences, dices : float ndarray of shape (n,)
        Of one bone in cases that the network was not trained on.

    Returns
    -------
    float
        Least sum of absolute errors, so that a single lost bone does not pull down the confidence of all;
        between -`LARGEST_OFFSET` and `LARGEST_OFFSET`.

    Raises
    ------
    ValueError
        If there are no cases or the shapes differ.
    """
    stated, true = np.asarray(confidences, float), np.asarray(dices, float)
    if stated.ndim != 1 or stated.shape != true.shape or not len(stated):
        raise ValueError(f"Confidences {stated.shape} and Dice {true.shape} must be (n,) with n > 0.")
    start = logit(np.clip(stated, _EDGE, 1 - _EDGE))

    def error(offset: float) -> float:
        return float(np.abs(expit(start + offset) - true).sum())

    # The sum may have several lows: the best of a grid, then refined beside it.
    grid = np.linspace(-LARGEST_OFFSET, LARGEST_OFFSET, 161)
    best = float(grid[np.argmin([error(offset) for offset in grid])])
    step = float(grid[1] - grid[0])
    bounds = (max(-LARGEST_OFFSET, best - step), min(LARGEST_OFFSET, best + step))
    return float(minimize_scalar(error, bounds=bounds, method="bounded").x)
