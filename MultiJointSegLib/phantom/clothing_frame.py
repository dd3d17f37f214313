"""Where a limb part lies: joint center, anatomical directions, size. All clothing rules refer to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.anatomy.catalog import all_bones
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid
from MultiJointSegLib.phantom.tissue_map import BoneField

_MAIN_PAIR = {
    "knee": ("femur", "tibia"),
    "ankle": ("tibia", "talus"),
    "shoulder": ("humerus", "scapula"),
    "hip": ("femur", "hip_bone"),
}
# Bone whose left-right extent tells the size of the limb, and that extent in an adult.
_SIZE_BONE = {"knee": ("femur", 82.0), "ankle": ("calcaneus", 44.0), "shoulder": ("humerus", 52.0)}


@dataclass(frozen=True, slots=True)
class Frame:
    """Anatomical frame of a limb part.

    Parameters
    ----------
    center_mm : float ndarray (3,)
        Middle of the joint, LPS.
    axes : float ndarray (3, 3)
        Rows: unit vectors lateral, anterior, superior (along the limb), LPS.
    scale : float
        Size relative to an adult.
    """

    center_mm: np.ndarray
    axes: np.ndarray
    scale: float

    def coordinates(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lateral, anterior and superior position in mm relative to the joint center."""
        dx, dy, dz = x - self.center_mm[0], y - self.center_mm[1], z - self.center_mm[2]
        lateral, anterior, superior = (
            np.float32(row[0]) * dx + np.float32(row[1]) * dy + np.float32(row[2]) * dz for row in self.axes
        )
        return lateral, anterior, superior

    def point(self, lateral: float, anterior: float, superior: float) -> np.ndarray:
        """LPS point of anatomical coordinates in mm."""
        return self.center_mm + np.array([lateral, anterior, superior]) @ self.axes


def fields_by_key(bones: Sequence[BoneField]) -> dict[str, BoneField]:
    """Bones of the catalog by their key."""
    keys = {bone.label: bone.key for bone in all_bones()}
    return {keys[b.label]: b for b in bones if b.label in keys}


def make_frame(
    bones: Sequence[BoneField],
    geometry: Geometry,
    joint: str,
    side: str,
    age_years: float,
    limb_axis_lps: np.ndarray | None,
) -> Frame:
    """Frame from the place where the joint's two main bones face each other (else the middle of all bones)."""
    grid = CoarseGrid(geometry, 2)
    x, y, z = grid.points()
    named = fields_by_key(bones)
    pair = [named[k] for k in _MAIN_PAIR.get(joint, ()) if k in named]
    if len(pair) == 2:
        total = np.abs(grid.coarsen(pair[0].distance_mm)) + np.abs(grid.coarsen(pair[1].distance_mm))
        where = np.nonzero(total < total.min() + 3.0)
    else:
        fields = [grid.coarsen(b.distance_mm) < 0 for b in bones]
        where = np.nonzero(np.logical_or.reduce(fields)) if fields else ([], [], [])
    if len(where[0]):
        center = np.array([x[0, 0, where[2]].mean(), y[0, where[1], 0].mean(), z[where[0], 0, 0].mean()], float)
    else:
        center = geometry.index_to_point((np.asarray(geometry.size) - 1) / 2)
    up = np.array([0.0, 0.0, 1.0]) if limb_axis_lps is None else np.asarray(limb_axis_lps, float)
    up = up / np.linalg.norm(up)
    up = up if up[2] >= 0 else -up
    sign = 1.0 if side == "left" else -1.0
    anterior = np.array([0.0, -1.0, 0.0]) - up * -up[1]
    anterior /= np.linalg.norm(anterior)
    lateral = np.cross(anterior, up)
    lateral *= sign * np.sign(lateral[0])
    return Frame(center, np.stack([lateral, anterior, up]), _scale(named, grid, joint, age_years))


def _scale(named: dict[str, BoneField], grid: CoarseGrid, joint: str, age_years: float) -> float:
    if joint in _SIZE_BONE and _SIZE_BONE[joint][0] in named:
        key, adult_mm = _SIZE_BONE[joint]
        columns = np.nonzero((grid.coarsen(named[key].distance_mm) < 0).any(axis=(0, 1)))[0]
        if len(columns) > 3:
            return float(np.clip((columns[-1] - columns[0]) * grid.spacing_mm / adult_mm, 0.3, 1.4))
    return float(np.clip(0.45 + 0.55 * age_years / 16, 0.45, 1.0))
