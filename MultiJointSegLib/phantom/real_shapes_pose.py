"""Move the bones of a scene: small pose changes, gaps between neighbors, smooth deformation, growth plates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.phantom.clothing_fields import smooth_noise
from MultiJointSegLib.phantom.real_shapes_reading import BoneShape
from MultiJointSegLib.phantom.real_shapes_types import Scene

Pose = dict[str, np.ndarray]
"""4x4 rigid matrix (LPS) of each bone by name."""


def rotation_about(axis: np.ndarray, angle_deg: float, through_mm: np.ndarray) -> np.ndarray:
    """4x4 rotation about an axis through a point (Rodrigues' formula)."""
    u = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    angle = np.deg2rad(angle_deg)
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, 3] = through_mm - matrix[:3, :3] @ through_mm
    return matrix


def _translation(vector: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = vector
    return matrix


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def gap_mm(fixed: BoneShape, fixed_pose: np.ndarray, moving: BoneShape, moving_pose: np.ndarray) -> float:
    """Smallest signed distance from the moving bone's surface to the fixed bone (negative when they overlap)."""
    points = _apply(np.linalg.inv(fixed_pose) @ moving_pose, moving.surface_mm)
    return float(fixed.sample(points).min())


def bring_to_gap(
    scene: Scene, pose: Pose, fixed: tuple[str, ...], moving: tuple[str, ...], away: np.ndarray, target_mm: float
) -> None:
    """Shift the moving bones along `away` until the smallest gap to the fixed bones is the target; changes `pose`."""
    away = np.asarray(away, float) / np.linalg.norm(away)
    for _ in range(12):
        gaps = [
            gap_mm(a, pose[a.name], b, pose[b.name])
            for a in scene.bones
            if a.name in fixed
            for b in scene.bones
            if b.name in moving
        ]
        if not gaps or abs(target_mm - min(gaps)) < 0.15:
            return
        step = np.clip(target_mm - min(gaps), -6, 6)
        for name in moving:
            if name in pose:
                pose[name] = _translation(0.9 * step * away) @ pose[name]


def condylar_axis(femur: BoneShape) -> tuple[np.ndarray, np.ndarray]:
    """Direction (to +x) and a point of the axis about which the tibia swings.

    The posterior condyles are taken as circles of 0.31 times the condyles' depth that touch the rearmost and the
    lowest points on each side of the notch.
    """
    points = femur.surface_mm[femur.surface_mm[:, 2] < femur.surface_mm[:, 2].min() + 40]
    middle = (points[:, 0].min() + points[:, 0].max()) / 2
    centers = []
    for half in (points[points[:, 0] < middle - 8], points[points[:, 0] > middle + 8]):
        radius = 0.31 * np.ptp(half[:, 1])
        centers.append([half[:, 0].mean(), half[:, 1].max() - radius, half[:, 2].min() + radius])
    a, b = np.array(centers)
    return b - a, (a + b) / 2


def _level_compartments(scene: Scene, pose: Pose, shank: tuple[str, ...]) -> None:
    """Tilt the tibia (at most 5 degrees) about the front-back axis until both sides of the joint are equally wide."""
    femur, tibia = scene.bone("femur"), scene.bone("tibia")
    assert femur is not None and tibia is not None
    for _ in range(3):
        points = _apply(pose["tibia"], tibia.surface_mm)
        points = points[points[:, 2] > np.percentile(points[:, 2], 99.5) - 25]
        gaps = femur.sample(_apply(np.linalg.inv(pose["femur"]), points))
        side = points[:, 0] - (points[:, 0].min() + points[:, 0].max()) / 2
        low, high = gaps[side < -8].min(), gaps[side > 8].min()
        angle = float(np.clip(np.rad2deg((high - low) / (0.55 * np.ptp(side))), -2, 2))
        turn = rotation_about(np.array([0, 1.0, 0]), -angle, np.append(points.mean(0)[:2], points[:, 2].max()))
        for name in shank:
            pose[name] = turn @ pose[name]


def _pose_knee(scene: Scene, rng: np.random.Generator, move: bool) -> Pose:
    pose = {b.name: np.eye(4) for b in scene.bones}
    femur = scene.bone("femur")
    assert femur is not None
    flexion = float(rng.uniform(0, 25) * (rng.uniform() < 0.8)) if move else 0.0
    axis, point = condylar_axis(femur)
    shank = tuple(n for n in ("tibia", "fibula") if n in pose)
    # Turning about +x by a positive angle carries what is below (-z) to the back (+y).
    for name in shank:
        pose[name] = rotation_about(axis, flexion, point)
    if move:
        twist = rotation_about(np.array([0, 0, 1.0]), rng.normal(0, 3), scene.center_mm)
        tilt = rotation_about(np.array([0, 1.0, 0]), rng.normal(0, 1.2), scene.center_mm)
        for name in shank:
            pose[name] = twist @ tilt @ pose[name]
    down = rotation_about(axis, flexion, point)[:3, :3] @ np.array([0, 0, -1.0])
    target = float(rng.uniform(2.5, 5.0))
    bring_to_gap(scene, pose, ("femur",), shank, down, target)
    _level_compartments(scene, pose, shank)
    bring_to_gap(scene, pose, ("femur",), shank, down, target)
    patella = scene.bone("patella")
    if patella is not None:
        pose["patella"] = rotation_about(axis, 0.6 * flexion, point)
        if move:
            shift = [rng.normal(0, 1.5), 0, rng.normal(0, 2.5)]
            turn = rotation_about(np.array([0, 0, 1.0]), rng.normal(0, 4), patella.surface_mm.mean(0))
            pose["patella"] = _translation(np.array(shift)) @ pose["patella"] @ turn
        forward = rotation_about(axis, 0.6 * flexion, point)[:3, :3] @ np.array([0, -1.0, 0])
        bring_to_gap(scene, pose, ("femur", "tibia"), ("patella",), forward, float(rng.uniform(2.5, 5.5)))
    return pose


def _pose_ankle(scene: Scene, rng: np.random.Generator, move: bool) -> Pose:
    pose = {b.name: np.eye(4) for b in scene.bones}
    foot = tuple(n for n in pose if n not in ("tibia", "fibula"))
    talus = scene.bone("talus")
    assert talus is not None
    through = talus.surface_mm.mean(0)
    if move:
        swing = rotation_about(np.array([1.0, 0, 0]), float(rng.uniform(-20, 15)), through)
        tilt = rotation_about(np.array([0, 1.0, 0]), float(rng.normal(0, 3)), through)
        for name in foot:
            pose[name] = tilt @ swing
        subtalar = rotation_about(np.array([0, 0.9, 0.45]), float(rng.normal(0, 3)), through)
        for name in foot:
            if name != "talus":
                pose[name] = subtalar @ pose[name]
    below = tuple(n for n in foot if n != "talus")
    bring_to_gap(scene, pose, ("tibia",), foot, np.array([0, 0, -1.0]), float(rng.uniform(1.8, 3.2)))
    bring_to_gap(scene, pose, ("talus",), below, np.array([0, -0.3, -1.0]), float(rng.uniform(1.0, 1.8)))
    outward = np.array([-1.0 if scene.side == "right" else 1.0, 0.3, 0])
    fibula = scene.bone("fibula")
    if fibula is not None and gap_mm(talus, pose["talus"], fibula, pose["fibula"]) < 1.0:
        bring_to_gap(scene, pose, ("talus",), ("fibula",), outward, 1.2)
    return pose


def _pose_shoulder(scene: Scene, rng: np.random.Generator, move: bool) -> Pose:
    pose = {b.name: np.eye(4) for b in scene.bones}
    humerus = scene.bone("humerus")
    assert humerus is not None
    head = np.zeros(3)
    if move:
        turn = rotation_about(np.array([0, 0, 1.0]), float(rng.uniform(-40, 30)), head)
        # The arm hangs or is held a little away from a right side: its lower end moves to -x.
        lift = rotation_about(np.array([0, 1.0, 0]), float(rng.uniform(-2, 30)), head)
        swing = rotation_about(np.array([1.0, 0, 0]), float(rng.normal(0, 8)), head)
        pose["humerus"] = swing @ lift @ turn
        tip = rotation_about(np.array([0, 1.0, 0]), float(rng.normal(0, 5)), head)
        pose["scapula"] = rotation_about(np.array([1.0, 0, 0]), float(rng.normal(0, 5)), head) @ tip
    outward = np.array([-0.8, -0.5, -0.35])
    bring_to_gap(scene, pose, ("scapula",), ("humerus",), outward, float(rng.uniform(2.0, 4.0)))
    bring_to_gap(scene, pose, ("scapula",), ("clavicle",), np.array([1.0, -0.5, 0.1]), float(rng.uniform(2.0, 4.0)))
    return pose


_POSES: dict[str, Callable[[Scene, np.random.Generator, bool], Pose]] = {
    "knee": _pose_knee,
    "ankle": _pose_ankle,
    "shoulder": _pose_shoulder,
}


def pose_scene(scene: Scene, rng: np.random.Generator, *, move: bool) -> Pose:
    """Pose of every bone: as scanned but with healthy gaps, or (move) with small random joint motion."""
    pose = _POSES[scene.joint](scene, rng, move)
    if move:
        # How the limb lies in the scanner; a bent knee is bent to both sides of the table's long axis.
        turn = np.eye(4)
        for axis, spread in ((np.array([1.0, 0, 0]), 5.0), (np.array([0, 1.0, 0]), 4.0), (np.array([0, 0, 1.0]), 10.0)):
            turn = rotation_about(axis, rng.normal(0, spread), scene.center_mm) @ turn
        if scene.joint == "knee":
            flexion = _swing_deg(pose["tibia"])
            turn = turn @ rotation_about(np.array([1.0, 0, 0]), -0.5 * flexion, scene.center_mm)
        pose = {name: turn @ matrix for name, matrix in pose.items()}
    return pose


def _swing_deg(matrix: np.ndarray) -> float:
    """Angle of a rotation about +x."""
    return float(np.rad2deg(np.arctan2(matrix[2, 1], matrix[1, 1])))


@dataclass(frozen=True, slots=True)
class Warp:
    """Smooth map from the grid of a tissue map back to the scene: scaling about the center plus a displacement.

    Parameters
    ----------
    scale : (3,) factors along L, P, S
    displacement_mm : float32 (3, k, j, i), LPS, on a coarse grid that spans the box
    mirror : bool
        Whether x is mirrored about the center.
    """

    scale: np.ndarray
    displacement_mm: np.ndarray
    mirror: bool


def random_warp(
    shape: tuple[int, int, int], spacing_mm: float, scale: float, rng: np.random.Generator, *, mirror: bool, bend: bool
) -> Warp:
    """Scaling near `scale` with up to 6 % anisotropy, and a displacement of 2 to 5 mm with 60 mm wavelength."""
    factors = scale * rng.uniform(0.94, 1.06, 3) if bend else np.full(3, scale)
    amplitude = rng.uniform(0.6, 1.8) if bend else 0.0
    displacement = np.stack([amplitude * smooth_noise(shape, spacing_mm, 45.0 * scale, rng) for _ in range(3)])
    return Warp(factors, displacement.astype(np.float32), mirror)
