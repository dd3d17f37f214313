"""Fitting the temperatures of a bundle, so that a stated probability is the frequency of being right."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

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
