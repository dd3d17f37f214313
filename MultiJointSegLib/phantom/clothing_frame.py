"""Where a limb part lies: joint center, anatomical directions, size, and where each bone is at every level."""

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
# Bone and direction (0 lateral, 1 anterior) whose extent tells the limb's size, and that extent in an adult.
_SIZE_BONE = {"knee": ("tibia", 0, 74.0), "ankle": ("calcaneus", 1, 74.0)}


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
    clouds : dict
        Voxel positions (n, 3) lateral, anterior, superior in mm of every bone of the catalog, by key.
    """

    center_mm: np.ndarray
    axes: np.ndarray
    scale: float
    clouds: dict[str, np.ndarray]

    def coordinates(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lateral, anterior and superior position in mm relative to the joint center."""
        dx, dy, dz = x - self.center_mm[0], y - self.center_mm[1], z - self.center_mm[2]
        lateral, anterior, superior = (
            np.float32(row[0]) * dx + np.float32(row[1]) * dy + np.float32(row[2]) * dz for row in self.axes
        )
        return lateral, anterior, superior

    def points(self, anatomical: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """LPS points (n, 3) of anatomical coordinates (n, 3) in mm."""
        return self.center_mm + np.asarray(anatomical, float) @ self.axes

    def middle(self, key: str, superior_mm: float, window_mm: float = 6.0) -> np.ndarray | None:
        """Lateral and anterior position of the middle of a bone at a level; beyond its ends, that of its end."""
        cloud = self.clouds.get(key)
        if cloud is None or not len(cloud):
            return None
        level = np.clip(superior_mm, cloud[:, 2].min() + window_mm, cloud[:, 2].max() - window_mm)
        near = np.abs(cloud[:, 2] - level) < window_mm
        return cloud[near, :2].mean(0) if near.any() else cloud[:, :2].mean(0)


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
    """Frame from the place where the joint's two main bones face each other (else the middle of all bones).

    At the knee the center is the middle of the tibial plateau, at the ankle the middle of the talar dome, at
    shoulder and hip the center of the head (the largest ball inside the bone near the other bone).
    """
    grid = CoarseGrid(geometry, max(1, round(2.0 / geometry.spacing_mm[0])))
    axes = _axes(side, limb_axis_lps)
    named = fields_by_key(bones)
    x, y, z = grid.points()
    pair = [named[k] for k in _MAIN_PAIR.get(joint, ()) if k in named]
    if len(pair) == 2:
        a, b = (grid.coarsen(p.distance_mm) for p in pair)
        total = np.abs(a) + np.abs(b)
        where = np.nonzero(total < total.min() + 3.0)
    else:
        where = np.nonzero(np.logical_or.reduce([grid.coarsen(b.distance_mm) < 0 for b in bones]))
    if len(where[0]):
        center = np.array([x[0, 0, where[2]].mean(), y[0, where[1], 0].mean(), z[where[0], 0, 0].mean()], float)
    else:
        center = geometry.index_to_point((np.asarray(geometry.size) - 1) / 2)
    clouds = {}
    for key, bone in named.items():
        k, j, i = np.nonzero(grid.coarsen(bone.distance_mm) < 0)
        position = np.stack([x[0, 0, i], y[0, j, 0], z[k, 0, 0]], 1) - center
        if len(position):
            clouds[key] = position @ axes.T
    move = _recenter(clouds, joint)
    clouds = {key: cloud - move for key, cloud in clouds.items()}
    return Frame(center + move @ axes, axes, _scale(clouds, joint, age_years), clouds)


def _axes(side: str, limb_axis_lps: np.ndarray | None) -> np.ndarray:
    up = np.array([0.0, 0.0, 1.0]) if limb_axis_lps is None else np.asarray(limb_axis_lps, float)
    up = up / np.linalg.norm(up)
    up = up if up[2] >= 0 else -up
    anterior = np.array([0.0, -1.0, 0.0]) + up * up[1]
    anterior /= np.linalg.norm(anterior)
    lateral = np.cross(anterior, up)
    lateral *= (1.0 if side == "left" else -1.0) * np.sign(lateral[0])
    return np.stack([lateral, anterior, up])


def _recenter(clouds: dict[str, np.ndarray], joint: str) -> np.ndarray:
    key = {"knee": "tibia", "ankle": "talus"}.get(joint)
    if key not in clouds:
        return np.zeros(3)
    cloud = clouds[key]
    top = cloud[cloud[:, 2] > cloud[:, 2].max() - 20]
    middle = (top.min(0) + top.max(0)) / 2
    return np.array([middle[0], middle[1], cloud[:, 2].max() - (4.0 if joint == "knee" else 0.0)])


def _scale(clouds: dict[str, np.ndarray], joint: str, age_years: float) -> float:
    by_age = float(np.clip(0.45 + 0.55 * age_years / 16, 0.45, 1.0))
    if joint == "shoulder" and "humerus" in clouds:
        head = clouds["humerus"][clouds["humerus"][:, 2] > clouds["humerus"][:, 2].max() - 25]
        return float(np.clip(np.ptp(head[:, 1]) / 46.0, 0.45, 1.2))
    key, direction, adult_mm = _SIZE_BONE.get(joint, ("", 0, 1.0))
    if key not in clouds:
        return by_age
    return float(np.clip(np.ptp(clouds[key][:, direction]) / adult_mm, 0.3, 1.4))
