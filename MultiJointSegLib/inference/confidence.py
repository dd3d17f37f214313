"""The stated confidence of a bone, brought nearer to the Dice that validation cases had."""

from __future__ import annotations

import math

LARGEST_OFFSET = 4.0
"""On the logit scale: from .9 to .14."""


def corrected_confidence(confidence: float, offset: float) -> float:
    """Confidence after a shift of its logit; the order of any two confidences of a bone stays.

    Parameters
    ----------
    confidence : float
        Expected Dice in [0, 1]; see `uncertainty.expected_dice`.
    offset : float
        Of the bone, from `calibration.fit_offset`; 0 changes nothing.

    Returns
    -------
    float
        In [0, 1]; 0 and 1 stay.
    """
    if offset == 0.0 or not 0.0 < confidence < 1.0:
        return confidence
    return 1.0 / (1.0 + (1.0 / confidence - 1.0) * math.exp(-offset))
