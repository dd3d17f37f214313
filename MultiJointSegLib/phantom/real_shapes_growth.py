"""Where the growth plates of real bones would lie in a child: rules from the extent of the bone's end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from MultiJointSegLib.phantom.real_shapes_reading import BoneShape
from MultiJointSegLib.phantom.real_shapes_types import Scene

PhysisRule = Callable[[np.ndarray], np.ndarray]
"""From LPS points (..., 3) in the bone's frame to the signed distance in mm to the middle of its growth plate,
negative on the side of the epiphysis."""


def physis_rule(scene: Scene, bone: BoneShape, age_years: float) -> PhysisRule | None:
    """Rule of the bone at this joint, or None if it has no growth plate here.

    Knee: the distal femoral plate runs at 0.45 of the condyles' width above the lowest point, dipping at both sides
    of the middle; the proximal tibial plate at 0.19 of the plateau's width below it and down behind the tuberosity;
    the fibula's 0.75 head widths below its tip. Ankle: the distal tibial plate 0.22 of the plafond's width above it,
    with a hump at the front of the medial half; the calcaneal apophysis is the rearmost sixth of the bone (from 6
    years). Shoulder: a tent below the humeral head, highest in the middle.
    """
    points = bone.surface_mm.astype(float)
    if scene.joint == "knee" and bone.name == "femur":
        return _femur_distal(points)
    if scene.joint == "knee" and bone.name == "tibia":
        return _tibia_proximal(points)
    if scene.joint == "knee" and bone.name == "fibula":
        top = points[points[:, 2] > points[:, 2].max() - 20]
        level = points[:, 2].max() - 0.75 * np.ptp(top[:, 1])
        return lambda p: level - p[..., 2]
    if scene.joint == "ankle" and bone.name in ("tibia", "fibula"):
        return _distal_leg(scene, bone)
    if scene.joint == "shoulder" and bone.name == "humerus":
        return _humerus_proximal(points)
    if scene.joint == "ankle" and bone.name == "calcaneus" and age_years >= 6:
        rear, depth = points[:, 1].max(), np.ptp(points[:, 1])
        height = points[:, 2].mean()
        return lambda p: (rear - 0.16 * depth - p[..., 1]) + 0.004 * (p[..., 2] - height) ** 2
    return None


def _femur_distal(points: np.ndarray) -> PhysisRule:
    low = points[points[:, 2] < points[:, 2].min() + 35]
    width = np.ptp(low[:, 0])
    middle = (low.min(0) + low.max(0)) / 2
    level = points[:, 2].min() + 0.45 * width

    def rule(p: np.ndarray) -> np.ndarray:
        u = (p[..., 0] - middle[0]) / (0.5 * width)
        v = (p[..., 1] - middle[1]) / (0.5 * width)
        # A central peak between two shallow cups, sloping down to the back.
        wave = 0.035 * width * np.cos(2 * np.pi * u) * np.exp(-(u**2)) - 0.04 * width * v
        return (p[..., 2] - level - wave) * 0.95

    return rule


def _tibia_proximal(points: np.ndarray) -> PhysisRule:
    near = points[points[:, 2] > points[:, 2].max() - 25]
    width = np.ptp(near[:, 0])
    middle = (near.min(0) + near.max(0)) / 2
    plateau = np.percentile(near[:, 2], 70)
    level = plateau - 0.19 * width
    front = near[:, 1].min()

    def rule(p: np.ndarray) -> np.ndarray:
        u = (p[..., 0] - middle[0]) / (0.5 * width)
        # Under the tuberosity the plate turns down and runs about 9 mm behind the front surface.
        tongue = np.clip((front + 0.2 * width - p[..., 1]) / (0.12 * width), 0, 1) * np.exp(-((u / 0.4) ** 2))
        return (level - 0.28 * width * tongue - p[..., 2] + 0.03 * width * np.cos(np.pi * u)) * (1 - 0.3 * tongue)

    return rule


def _distal_leg(scene: Scene, bone: BoneShape) -> PhysisRule:
    tibia = scene.bone("tibia")
    talus = scene.bone("talus")
    assert tibia is not None and talus is not None
    points = tibia.surface_mm.astype(float)
    dome = talus.surface_mm[:, 2].max()
    low = points[points[:, 2] < dome + 30]
    width = np.ptp(low[:, 0])
    middle = (low.min(0) + low.max(0)) / 2
    if bone.name == "fibula":
        return lambda p: p[..., 2] - (dome + 2.0)
    level = dome + 2.0 + 0.22 * width
    medial = 1.0 if scene.side == "right" else -1.0

    def rule(p: np.ndarray) -> np.ndarray:
        u = medial * (p[..., 0] - middle[0]) / (0.5 * width)
        v = -(p[..., 1] - middle[1]) / (0.5 * width)
        hump = 0.08 * width * np.exp(-((u - 0.3) ** 2 + (v - 0.3) ** 2) / 0.12)
        return p[..., 2] - level - hump

    return rule


def _humerus_proximal(points: np.ndarray) -> PhysisRule:
    top = points[points[:, 2] > points[:, 2].max() - 40]
    width = np.ptp(top[:, 1])
    middle = (top.min(0) + top.max(0)) / 2
    level = points[:, 2].max() - 0.72 * width

    def rule(p: np.ndarray) -> np.ndarray:
        away = np.sqrt((p[..., 0] - middle[0]) ** 2 + (p[..., 1] - middle[1]) ** 2)
        # A tent: highest in the middle, 30 degrees steep.
        return (level - 0.55 * (away - 0.35 * width) - p[..., 2]) * 0.88

    return rule
