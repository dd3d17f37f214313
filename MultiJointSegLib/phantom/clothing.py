"""Put soft tissue around bones: from signed distances of bones to a whole limb part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_ankle import plan_ankle
from MultiJointSegLib.phantom.clothing_body import fascia_distance, fat_thickness
from MultiJointSegLib.phantom.clothing_bones import bounding_box, paint_bone
from MultiJointSegLib.phantom.clothing_chest import paint_chest
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, smooth_noise
from MultiJointSegLib.phantom.clothing_frame import Frame, make_frame
from MultiJointSegLib.phantom.clothing_hip import plan_hip
from MultiJointSegLib.phantom.clothing_joint import Neighbors, find_neighbors, paint_joint
from MultiJointSegLib.phantom.clothing_knee import plan_knee
from MultiJointSegLib.phantom.clothing_other import plan_other
from MultiJointSegLib.phantom.clothing_shoulder import plan_shoulder
from MultiJointSegLib.phantom.clothing_strands import Plan, nearest_strands, paint_strands
from MultiJointSegLib.phantom.tissue_map import BoneField, Tissue, TissueMap

_BODY_STEP_MM = 3.2
_MUSCLE_STEP_MM = 1.6
_PLANS: dict[str, Callable[[Frame, np.random.Generator, float], Plan]] = {
    "knee": plan_knee,
    "ankle": plan_ankle,
    "shoulder": plan_shoulder,
    "hip": plan_hip,
}


def clothe(
    bones: Sequence[BoneField],
    geometry: Geometry,
    *,
    rng: np.random.Generator,
    joint: str,
    side: str,
    age_years: float,
    truth: dict[str, object] | None = None,
    limb_axis_lps: np.ndarray | None = None,
) -> TissueMap:
    """Make a limb part around bones: cortex and marrow, joint structures, muscles, fat, vessels, skin, air.

    Parameters
    ----------
    bones : sequence of BoneField
        Arrays of the geometry's shape (k, j, i). Where two bones overlap, the deeper one wins.
    geometry : Geometry
        Isotropic grid with identity direction, spacing about 0.7 to 1 mm.
    rng : numpy Generator
        Decides everything random: the same state gives the same map.
    joint, side : str
        "knee", "ankle", "shoulder", "hip" or "other"; "left" or "right".
    age_years : float
    truth : dict, optional
        Handed on in the result.
    limb_axis_lps : (3,), optional
        Direction of the limb; the patient's long axis if not given.

    Raises
    ------
    InputError
        If there are no bones, an array does not fit the grid, or the grid is not isotropic.
    """
    _check(bones, geometry)
    spacing = geometry.spacing_mm[0]
    frame = make_frame(bones, geometry, joint, side, age_years, limb_axis_lps)
    plan = _PLANS.get(joint, plan_other)(frame, rng, float(rng.uniform(0.6, 1.35)))
    near = find_neighbors(bones, geometry.array_shape)
    tissue = np.full(geometry.array_shape, Tissue.AIR, np.uint8)

    body_grid = CoarseGrid(geometry, max(1, round(_BODY_STEP_MM / spacing)))
    fascia = fascia_distance(bones, plan, body_grid, frame)
    skin_mm = float(rng.uniform(1.5, 2.5) * (0.7 + 0.3 * frame.scale))
    surface = body_grid.refine(fascia - fat_thickness(body_grid, frame, joint, rng) - skin_mm, smooth=True)
    fascia = body_grid.refine(fascia, smooth=True)
    tissue[surface < 0] = Tissue.SKIN
    tissue[surface < -skin_mm] = Tissue.FAT
    inside = surface < -skin_mm
    del surface

    _paint_muscles(tissue, plan, geometry, frame, fascia, rng)
    if plan.trunk is not None:
        paint_chest(tissue, plan.trunk, geometry, frame, near.first_mm, rng)
    free = inside & (near.first_mm > 0)
    paint_strands(tissue, plan.vessels, Tissue.VESSEL, geometry, free & (near.first_mm > 1.5))
    paint_strands(tissue, plan.fluid, Tissue.FLUID, geometry, free)
    paint_strands(tissue, plan.tendons, Tissue.TENDON, geometry, free)
    paint_joint(tissue, bones, near, geometry, frame, joint, rng)
    labels = _paint_bones(tissue, bones, near, geometry, frame, age_years, rng)
    return TissueMap(tissue, labels, geometry, joint, side, float(age_years), dict(truth or {}))


def _check(bones: Sequence[BoneField], geometry: Geometry) -> None:
    if not bones:
        raise InputError("No bone was given to put soft tissue around; give at least one BoneField.")
    if any(b.distance_mm.shape != geometry.array_shape for b in bones):
        raise InputError(f"Every bone's distance array must have the grid's shape {geometry.array_shape} (k, j, i).")
    if max(geometry.spacing_mm) > 1.001 * min(geometry.spacing_mm):
        raise InputError(f"The voxel spacing is {geometry.spacing_mm} mm; an isotropic grid is needed.")


def _paint_muscles(
    tissue: np.ndarray, plan: Plan, geometry: Geometry, frame: Frame, fascia: np.ndarray, rng: np.random.Generator
) -> None:
    """Muscle bellies under the fascia, with fat septa between them and a dark fascia around them here and there."""
    s = frame.scale
    grid = CoarseGrid(geometry, max(1, round(_MUSCLE_STEP_MM / geometry.spacing_mm[0])))
    warp = np.stack([smooth_noise(grid.shape, grid.spacing_mm, 26.0 * s, rng) for _ in range(3)]) * np.float32(2.2 * s)
    first, second = nearest_strands(plan.muscles, grid, warp)
    _, _, superior = frame.coordinates(*grid.points())
    levels, widths = np.array(plan.slack_mm).T
    slack = np.interp(superior, levels, widths).astype(np.float32)
    first = first - slack + 0.8 * s * smooth_noise(grid.shape, grid.spacing_mm, 9.0 * s, rng)
    septum_mm = rng.uniform(0.5, 1.3) + 0.6 * smooth_noise(grid.shape, grid.spacing_mm, 18.0 * s, rng)
    between = grid.refine(0.5 * (second - first) - np.clip(septum_mm, 0.1, 3.0))
    belly = grid.refine(first)
    tissue[(belly < 0) & (between > 0) & (fascia < -0.4)] = Tissue.MUSCLE
    # Streaks of fat inside the muscles, more in some people.
    streak = smooth_noise(grid.shape, grid.spacing_mm, (16.0 * s, 3.2 * s, 3.2 * s), rng)
    limit = float(rng.uniform(2.2, 3.6))
    tissue[(tissue == Tissue.MUSCLE) & (grid.refine(streak) > limit)] = Tissue.FAT
    if rng.uniform() < 0.75:
        half_mm = float(rng.uniform(0.3, 0.55))
        line = (np.abs(fascia + 0.2) < half_mm) & (tissue != Tissue.AIR) & (tissue != Tissue.SKIN)
        near_muscle = belly < 5.0 * s
        tissue[line & near_muscle] = Tissue.TENDON


def _paint_bones(
    tissue: np.ndarray,
    bones: Sequence[BoneField],
    near: Neighbors,
    geometry: Geometry,
    frame: Frame,
    age_years: float,
    rng: np.random.Generator,
) -> np.ndarray:
    labels = np.zeros(tissue.shape, np.uint8)
    bone_voxels = near.first_mm < 0
    for number, bone in enumerate(bones, 1):
        inside = bone_voxels & (near.owner == number)
        box = bounding_box(inside, 1)
        if box is None:
            continue
        paint_bone(tissue, bone, inside[box], box, geometry, frame, age_years, rng)
        if bone.label:
            labels[box][inside[box]] = bone.label
    return labels
