"""The plateau of the proximal tibia: its axes and its line from side to side."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.morphology.axes import (
    cross_section,
    section_axes,
)
from MultiJointSegLib.morphology.frames import LandmarkMissing, unit
from MultiJointSegLib.surface.mesh import Surface

_PLATEAU_LEVEL = 0.3


def plateau_axes(
    tibia: Surface, superior: np.ndarray, posterior: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longest axis of the cross-section under the plateau, posterior, and the section's center (3,)."""
    top = float((tibia.points_mm @ superior).max())
    section = cross_section(tibia, superior * (top - _PLATEAU_LEVEL * scale), superior)
    part, _, center = section.largest()
    if part < 0:
        raise LandmarkMissing("The tibial plateau is not found.")
    across = section_axes(section, part)[0]
    back = np.cross(superior, across)
    if abs(back @ posterior) < 0.5:
        raise LandmarkMissing("The tibial plateau is not wider from side to side than from front to back.")
    return across, back * np.sign(back @ posterior), center


def plateau_line(tibia: Surface, superior: np.ndarray, across: np.ndarray, scale: float) -> np.ndarray:
    """Unit vector from the mean of the upward surface of one compartment to that of the other."""
    vectors = tibia.area_vectors_mm2()
    areas = np.linalg.norm(vectors, axis=1)
    centers = tibia.points_mm[tibia.triangles].mean(axis=1)
    height = centers @ superior
    flat = (vectors @ superior > 0.85 * areas) & (height > height.max() - _PLATEAU_LEVEL * scale)
    along = centers @ across
    if flat.sum() < 20:
        raise LandmarkMissing("The tibial plateau is not found.")
    middle = 0.5 * (along[flat].min() + along[flat].max())
    # Without the eminence in the middle.
    sides = [flat & ((along - middle) * sign > 0.15 * scale) for sign in (-1.0, 1.0)]
    if not all(s.any() for s in sides):
        raise LandmarkMissing("The tibial plateau is not found.")
    ends = [areas[s] @ centers[s] / areas[s].sum() for s in sides]
    return unit(ends[1] - ends[0])
