"""Which samples of a ray are candidates for the boundary of the femoral head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class RayRules:
    """Rules that can be switched off one by one, for ablations.

    Parameters
    ----------
    second_order : bool
        The gradient must grow on the way to the boundary: G(b) > G(a) for the previous sample a.
    first_order : bool
        The intensity must fall outward: E(b) < E(a).
    suppression : bool
        Line-based non-maximum suppression: where the gradient grows from a to b, a is no candidate.
    sphere_prior : bool
        One robust sphere through all slices; otherwise every slice keeps its own circle.
    """

    second_order: bool = True
    first_order: bool = True
    suppression: bool = True
    sphere_prior: bool = True


ALL_RULES = RayRules()


def ray_candidates(intensity: np.ndarray, gradient: np.ndarray, bone: np.ndarray, rules: RayRules) -> np.ndarray:
    """Candidates along rays from inside the head outward.

    Parameters
    ----------
    intensity, gradient : float ndarray of shape (rays, samples)
        E and G along each ray.
    bone : bool ndarray of shape (rays, samples)
        Samples that are dense enough to be bone.
    rules : RayRules
        Which rules hold.

    Returns
    -------
    bool ndarray of shape (rays, samples)
        The first sample of a ray has no previous one and is never a candidate.

    Notes
    -----
    The rules are those of the method of arXiv:2306.04579; which of its terms each rule stands for is read from the
    released code, whose last version has the first-order rule and the suppression switched off.
    """
    candidate = np.zeros(intensity.shape, bool)
    candidate[:, 1:] = True
    if rules.second_order:
        candidate[:, 1:] &= gradient[:, 1:] > gradient[:, :-1]
    if rules.first_order:
        candidate[:, 1:] &= intensity[:, 1:] < intensity[:, :-1]
    if rules.suppression:
        candidate[:, :-1] &= gradient[:, 1:] <= gradient[:, :-1]
    return candidate & bone
