"""Both hips of a CT, from the examination to labels, spheres and quality."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.annotation.body_grid import BodyGrid, body_grid, coarse_grid
from MultiJointSegLib.annotation.bone_cut import body_mask, cut_bone
from MultiJointSegLib.annotation.ct_checks import check_hip_ct
from MultiJointSegLib.annotation.head_sphere import HeadSphere, find_head_sphere
from MultiJointSegLib.annotation.hip_choice import FoundHips, choose_hips
from MultiJointSegLib.annotation.hip_finding import Ball, find_balls
from MultiJointSegLib.annotation.hip_labels import refine_labels, split_one_joint, tidy_labels
from MultiJointSegLib.annotation.hip_parts import FEMUR_OF, HIP_OF, JointSphere, split_pelvis
from MultiJointSegLib.annotation.hip_quality import HipQuality, check_anatomy, hip_quality
from MultiJointSegLib.annotation.ray_rules import ALL_RULES, RayRules
from MultiJointSegLib.errors import MultiJointSegError, RefusalError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.progress import Progress, SilentProgress

FINDING_MM = 3.0
CUTTING_MM = 2.0
SIDES = ("left", "right")


@dataclass(frozen=True, slots=True, kw_only=True)
class HipAnnotation:
    """One hip of an examination.

    Parameters
    ----------
    side : str
        "left" or "right" of the patient.
    center_mm : tuple of 3 float
        Center of the head's sphere, LPS.
    radius_mm : float
        Its radius.
    quality : HipQuality
        How far to trust it.
    """

    side: str
    center_mm: tuple[float, float, float]
    radius_mm: float
    quality: HipQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class HipCtAnnotation:
    """Both hips of an examination.

    Parameters
    ----------
    labels : Volume
        uint8 on the examination's own grid: femur and hip bone of the anatomy catalog.
    sides : uint8 ndarray of shape (k, j, i)
        On the same grid: 1 for bones of the left hip, 2 for those of the right one.
    hips : dict of str to HipAnnotation
        By side.
    warnings : list of str
        Sentences for the user.
    timings_s : dict of str to float
        By step.
    solver : str
        Which graph cut the coarse bones came from, "exact" or "continuous".
    """

    labels: Volume
    sides: np.ndarray
    hips: dict[str, HipAnnotation]
    warnings: list[str]
    timings_s: dict[str, float] = field(default_factory=dict)
    solver: str = "exact"


def annotate_hips(
    volume: Volume,
    *,
    found: FoundHips | None = None,
    rules: RayRules = ALL_RULES,
    solver: str = "auto",
    progress: Progress | None = None,
) -> HipCtAnnotation:
    """Label femurs and hip bones of a CT that shows at least one natural hip.

    Parameters
    ----------
    volume : Volume
        CT in Hounsfield units, any orientation.
    found : FoundHips, optional
        Where the hips are, on the grid of `body_grid`, if that is known; else they are searched by `find_hips`.
    rules : RayRules
        Of the boundary search; all by default.
    solver : str
        "auto", "exact" or "continuous" graph cuts.
    progress : Progress, optional
        Told of every step; may cancel.

    Raises
    ------
    InputError
        If the volume is no calibrated CT; see `ct_checks.check_hip_ct`.
    RefusalError
        If it shows no natural hip, or none but such whose surroundings contradict a hip; one that does is left out and
        the other annotated, with a warning.
    """
    progress = progress or SilentProgress()
    clock = _Clock()
    check_hip_ct(volume)
    grid = body_grid(volume)
    progress.report(0.02, "finding the hips")
    found = found or find_hips(grid)
    spheres, refused = _spheres(grid, found, rules)
    clock.lap("finding the hips")
    progress.report(0.15, "cutting bone from soft tissue")
    coarse, geometry = coarse_grid(grid, CUTTING_MM, low=-1024, high=2500)
    spacing = np.asarray(geometry.spacing_mm[::-1])
    cut = cut_bone(coarse, spacing, solver=solver)
    clock.lap("coarse graph cut")
    progress.report(0.45, "taking the bones apart")
    joints = {side: _joint_on(sphere, found.balls[side], grid, geometry) for side, sphere in spheres.items()}
    middle = grid.geometry.index_to_point(np.array([found.midline, 0.0, 0.0]))
    parts = split_pelvis(cut.bone, coarse, spacing, joints, float(geometry.point_to_index(middle)[0]))
    clock.lap("taking bones apart")
    progress.report(0.55, "refining the bones' surfaces")
    labels = refine_labels(grid, geometry, parts, solver)
    clock.lap("graph cut in the band")
    progress.report(0.85, "taking heads and sockets apart")
    for side, sphere in spheres.items():
        split_one_joint(labels, grid, sphere, found.balls[side], side)
    tidy_labels(labels, grid.spacing_kji_mm)
    clock.lap("taking joints apart")
    hips: dict[str, HipAnnotation] = {}
    warnings: list[str] = []
    for side, sphere in spheres.items():
        femur, hip_bone = FEMUR_OF[side], HIP_OF[side]
        try:
            remarks = check_anatomy(labels, grid, sphere, side, femur, hip_bone)
        except RefusalError as error:
            refused[side] = error
            labels[(labels == femur) | (labels == hip_bone)] = 0
            continue
        quality = hip_quality(labels, grid, sphere, found.balls[side], femur, hip_bone)
        warnings += remarks + [f"{side.capitalize()} hip: {sentence}" for sentence in quality.remarks]
        center = grid.geometry.index_to_point((sphere.center / grid.spacing_kji_mm)[::-1])
        hips[side] = HipAnnotation(
            side=side,
            center_mm=(float(center[0]), float(center[1]), float(center[2])),
            radius_mm=sphere.radius,
            quality=quality,
        )
    if not hips:
        raise next(iter(refused.values()))
    warnings += [f"The {side} hip was left out. {error}" for side, error in refused.items()]
    warnings += [_missing(side, found, grid, spheres) for side in SIDES if side not in hips and side not in refused]
    names = np.zeros(6, np.uint8)
    sides = np.zeros(6, np.uint8)
    for n, side in enumerate(SIDES, 1):
        names[FEMUR_OF[side]], names[HIP_OF[side]] = anatomy.bone("femur").label, anatomy.bone("hip_bone").label
        sides[FEMUR_OF[side]] = sides[HIP_OF[side]] = n
    clock.lap("judging")
    progress.report(1.0, "")
    return HipCtAnnotation(
        labels=Volume(grid.to_native(names[labels]), volume.geometry),
        sides=grid.to_native(sides[labels]),
        hips=hips,
        warnings=warnings,
        timings_s=clock.timings_s,
        solver=cut.solver,
    )


def _spheres(
    grid: BodyGrid, found: FoundHips, rules: RayRules
) -> tuple[dict[str, HeadSphere], dict[str, RefusalError]]:
    """Spheres of the heads, and why a hip has none; `RefusalError` when no hip has one."""
    spheres: dict[str, HeadSphere] = {}
    refused: dict[str, RefusalError] = {}
    for side, ball in found.balls.items():
        try:
            spheres[side] = sphere_at(grid, ball, rules)
        except RefusalError as error:
            refused[side] = error
    if not spheres:
        raise next(iter(refused.values()))
    return spheres, refused


def find_hips(grid: BodyGrid) -> FoundHips:
    """The hips of an examination; `RefusalError` if there is none."""
    image, geometry = coarse_grid(grid, FINDING_MM, low=-1000, high=3000)
    body = body_mask(image, np.asarray(geometry.spacing_mm[::-1]))
    try:
        return choose_hips(find_balls(image, geometry, body, grid), grid.spacing_kji_mm)
    except RefusalError:
        return choose_hips(find_balls(image, geometry, body, grid, thorough=True), grid.spacing_kji_mm)


def sphere_at(grid: BodyGrid, ball: Ball, rules: RayRules = ALL_RULES) -> HeadSphere:
    """Sphere of the head at a ball, its positions in mm along (k, j, i) of the whole grid."""
    spacing = grid.spacing_kji_mm
    reach = 2.2 * ball.radius_mm + 6
    low = np.maximum(np.floor(ball.index - reach / spacing).astype(int), 0)
    high = np.minimum(np.ceil(ball.index + reach / spacing).astype(int) + 1, grid.array.shape)
    crop = grid.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    shift = low * spacing
    try:
        sphere = find_head_sphere(crop, spacing, ball.index * spacing - shift, ball.radius_mm, rules)
    except MultiJointSegError as error:
        raise RefusalError(f"A hip was found, but its femoral head cannot be outlined: {error}") from error
    return HeadSphere(
        sphere.center + shift, sphere.radius, sphere.residual, sphere.coverage, sphere.circles, sphere.points + shift
    )


def _joint_on(sphere: HeadSphere, ball: Ball, grid: BodyGrid, geometry: Geometry) -> JointSphere:
    point = grid.geometry.index_to_point((sphere.center / grid.spacing_kji_mm)[::-1])
    return JointSphere(geometry.point_to_index(point)[::-1], sphere.radius, ball.socket_direction)


def _missing(side: str, found: FoundHips, grid: BodyGrid, spheres: dict[str, HeadSphere]) -> str:
    """Why a side has no annotation: metal, or nothing there."""
    (sphere,) = spheres.values()
    spacing = grid.spacing_kji_mm
    mirrored = sphere.center / spacing
    mirrored[2] = 2 * found.midline - mirrored[2]
    reach = 2.5 * sphere.radius / spacing
    low, high = np.floor(mirrored - reach).astype(int), np.ceil(mirrored + reach).astype(int) + 1
    inside = np.minimum(high, grid.array.shape) - np.maximum(low, 0)
    if (inside <= 0).any() or inside[2] < 0.5 * (high - low)[2]:
        return f"The {side} hip is not in the field of view; only the other one was annotated."
    box = tuple(slice(max(a, 0), b) for a, b in zip(low, high, strict=True))
    metal_ml = float(np.count_nonzero(grid.array[box] > 2200)) * float(np.prod(spacing)) / 1000
    if metal_ml > 3:
        return (
            f"The {side} hip carries metal ({metal_ml:.0f} ml), as a prosthesis does, and has no natural head; "
            "it was left out."
        )
    return f"No {side} femoral head in its socket was found; only the other hip was annotated."


class _Clock:
    def __init__(self) -> None:
        self.timings_s: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.timings_s[name] = round(now - self._last, 3)
        self._last = now
