"""Distance map of a joint: how far each place of one bone is from the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from MultiJointSegLib.surface.distance import signed_distance_mm
from MultiJointSegLib.surface.mesh import Surface

_SHOWN = 2.5
"""Places farther away than this many times the mean distance of the joint surfaces are not part of the joint."""


def tibiotalar_distance_mm(surfaces: Mapping[str, Surface], mean_mm: float) -> np.ndarray:
    """Distance (n,) in mm of each point of the talus to the tibia, bone to bone.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        With "talus" and "tibia", LPS mm.
    mean_mm : float
        Mean distance over the covered dome, the measure "ankle_tibiotalar_distance_mean".

    Returns
    -------
    float ndarray of shape (n,)
        Not a number farther away than 2.5 times the mean, where the bones do not face each other.
    """
    distance = signed_distance_mm(surfaces["talus"].points_mm, surfaces["tibia"])
    return np.where(distance > _SHOWN * mean_mm, np.nan, distance)
