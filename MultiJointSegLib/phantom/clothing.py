"""Put soft tissue around bones: from signed distances of bones to a whole limb part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_body import body_distance
from MultiJointSegLib.phantom.clothing_bones import bounding_box, paint_bone
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, smooth_noise
from MultiJointSegLib.phantom.clothing_frame import make_frame
from MultiJointSegLib.phantom.clothing_joint import cartilage_mask, find_neighbors, fluid_mask
from MultiJointSegLib.phantom.clothing_muscles import fill_body
from MultiJointSegLib.phantom.tissue_map import BoneField, Tissue, TissueMap

_BODY_STEP_MM = 4.0


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
    if not bones:
        raise InputError("No bone was given to put soft tissue around; give at least one BoneField.")
    if any(b.distance_mm.shape != geometry.array_shape for b in bones):
        raise InputError(f"Every bone's distance array must have the grid's shape {geometry.array_shape} (k, j, i).")
    if max(geometry.spacing_mm) > 1.001 * min(geometry.spacing_mm):
        raise InputError(f"The voxel spacing is {geometry.spacing_mm} mm; an isotropic grid is needed.")
    spacing = geometry.spacing_mm[0]
    frame = make_frame(bones, geometry, joint, side, age_years, limb_axis_lps)
    bulk = float(rng.uniform(0.6, 1.3))
    tissue = np.full(geometry.array_shape, Tissue.AIR, np.uint8)

    body_grid = CoarseGrid(geometry, max(1, round(_BODY_STEP_MM / spacing)))
    body = body_distance(bones, body_grid, frame, joint, rng, bulk)
    fat_mm = _fat_thickness(body_grid, frame.scale, rng)
    skin_mm = float(rng.uniform(1.5, 2.5) * (0.7 + 0.3 * frame.scale))
    near = find_neighbors(bones, geometry.array_shape)

    grid = CoarseGrid(geometry, 2)
    depth = grid.coarsen(body_grid.refine(-body - fat_mm - skin_mm, smooth=True))
    filling = fill_body(grid, frame, joint, rng, grid.coarsen(near.first_mm), depth)
    muscle = grid.refine(filling.muscle)
    septum = grid.refine(filling.septum_mm)
    septum_mm = float(rng.uniform(0.7, 1.4))
    body = body_grid.refine(body, smooth=True)

    tissue[body < 0] = Tissue.SKIN
    tissue[body < -skin_mm] = Tissue.FAT
    tissue[(muscle > 0) & (septum > septum_mm) & (body < -skin_mm)] = Tissue.MUSCLE
    tissue[(grid.refine(filling.vessel_mm) < 0) & (body < -skin_mm)] = Tissue.VESSEL
    _paint_joint(tissue, bones, near, geometry, age_years, rng)
    labels = _paint_bones(tissue, bones, near, geometry, frame, age_years, rng)
    return TissueMap(tissue, labels, geometry, joint, side, float(age_years), dict(truth or {}))


def _fat_thickness(grid: CoarseGrid, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Subcutaneous fat in mm on the coarse grid."""
    mean = float(rng.choice([rng.uniform(1.5, 4), rng.uniform(4, 9), rng.uniform(8, 16)]))
    return mean * scale * np.exp(0.35 * smooth_noise(grid.shape, grid.spacing_mm, 60.0, rng)).astype(np.float32)


def _paint_joint(tissue, bones, near, geometry, age_years, rng) -> None:  # noqa: ANN001
    gap = 2.0 * max([b.cartilage_mm for b in bones] + [1.0]) + 1.5
    tissue[fluid_mask(near, gap)] = Tissue.FLUID
    tissue[cartilage_mask(bones, near, geometry, gap)] = Tissue.CARTILAGE


def _paint_bones(tissue, bones, near, geometry, frame, age_years, rng) -> np.ndarray:  # noqa: ANN001
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
