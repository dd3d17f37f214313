"""The outline of a limb part: a smooth body around bones and muscles, under fat and skin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, signed_distance, smooth_noise
from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.clothing_strands import Plan, nearest_strands
from MultiJointSegLib.phantom.tissue_map import BoneField


def fascia_distance(bones: Sequence[BoneField], plan: Plan, grid: CoarseGrid, frame: Frame) -> np.ndarray:
    """Signed distance to the deep fascia on a grid of about 3 mm, negative inside.

    Bones, muscles, tendons, pads and trunk are united, continued beyond the field of view and closed with a ball, so
    that hollows between them fill; the cover is added.

    Returns
    -------
    float32 ndarray of the grid's shape
    """
    solid = np.logical_or.reduce([grid.coarsen(b.distance_mm) < 0.3 * grid.spacing_mm for b in bones])
    strands = [*plan.muscles, *plan.tendons, *plan.pads]
    if strands:
        solid |= nearest_strands(strands, grid)[0] < 0
    if plan.trunk is not None:
        solid |= plan.trunk.distance(*frame.coordinates(*grid.points())) < 0
    radius = plan.closing_mm
    pad = int(np.ceil(radius / grid.spacing_mm)) + 2
    padded = np.pad(solid, pad, mode="edge")
    outside = ndimage.distance_transform_edt(~padded, sampling=[grid.spacing_mm] * 3)
    closed = signed_distance(outside < radius, grid.spacing_mm) + np.float32(radius)
    closed = np.where(padded, np.minimum(closed, -1), closed).astype(np.float32)
    closed = ndimage.gaussian_filter(closed, 4.5 * frame.scale / grid.spacing_mm, mode="nearest")
    return (closed[(slice(pad, -pad),) * 3] - plan.cover_mm).astype(np.float32)


def fat_thickness(grid: CoarseGrid, frame: Frame, joint: str, rng: np.random.Generator) -> np.ndarray:
    """Thickness of subcutaneous fat in mm: one level per person, thinner over the front of knee and ankle."""
    mean = float(rng.choice([rng.uniform(1.5, 4), rng.uniform(4, 9), rng.uniform(8, 18)], p=[0.35, 0.45, 0.2]))
    fat = mean * np.exp(0.3 * smooth_noise(grid.shape, grid.spacing_mm, 55.0 * frame.scale, rng))
    lateral, anterior, superior = frame.coordinates(*grid.points())
    if joint in ("knee", "ankle"):
        near_joint = np.exp(-0.5 * (superior / (45 * frame.scale)) ** 2)
        front = 0.5 + 0.5 * np.tanh((anterior - 8 * frame.scale) / (15 * frame.scale))
        fat = fat * (1 - 0.65 * near_joint * (0.3 + 0.7 * front))
    return (fat * frame.scale + 0.8).astype(np.float32) + 0.0 * lateral
