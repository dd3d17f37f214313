"""The trunk's inside: rib cage and lung beside the shoulder, bowel-like contents beside the hip."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, smooth_noise
from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.clothing_strands import Trunk
from MultiJointSegLib.phantom.tissue_map import Tissue

_WALL_MM = 15.0


def paint_chest(
    tissue: np.ndarray, trunk: Trunk, geometry: Geometry, frame: Frame, bone_mm: np.ndarray, rng: np.random.Generator
) -> None:
    """Write the contents of the trunk into `tissue`, at least some millimeters away from the limb's bones.

    Parameters
    ----------
    bone_mm : float32 (k, j, i)
        Distance to the nearest bone that was given.
    """
    s = frame.scale
    grid = CoarseGrid(geometry, 2)
    lat, ant, sup = np.broadcast_arrays(*frame.coordinates(*grid.points()))
    depth = -trunk.distance(lat, ant, sup)
    depth = depth + 2.0 * s * smooth_noise(grid.shape, grid.spacing_mm, 40.0 * s, rng)
    fine_depth = grid.refine(depth)
    clear = bone_mm > 7.0 * s
    if not trunk.cage:
        organ = grid.refine(smooth_noise(grid.shape, grid.spacing_mm, 22.0 * s, rng))
        inner = (fine_depth > 28 * s) & clear & (tissue == Tissue.FAT)
        tissue[inner & (organ > 0.25)] = Tissue.MUSCLE
        tissue[inner & (organ > 1.2)] = Tissue.FLUID
        return
    # Ribs: oblique rings in the wall, falling to the front.
    pitch = rng.uniform(24, 30) * s
    phase = (sup + 0.45 * ant + rng.uniform(0, pitch)) % pitch - pitch / 2
    across = np.sqrt((phase / 6.5) ** 2 + ((depth - 0.55 * _WALL_MM * s) / 4.0) ** 2 * 1.0 / s**0)
    rib = grid.refine((across - s) * 4.0)
    wall = (fine_depth > 0) & clear
    tissue[wall] = Tissue.MUSCLE
    tissue[wall & (fine_depth > _WALL_MM * s)] = Tissue.AIR
    tissue[wall & (rib < 0)] = Tissue.CORTICAL_BONE
    tissue[wall & (rib < -1.0 * s)] = Tissue.RED_MARROW if rng.uniform() < 0.5 else Tissue.FATTY_MARROW
    # The mediastinum: great vessels and heart on the far side.
    middle = grid.refine(
        (lat - trunk.center_mm[0]) / s + 6.0 * smooth_noise(grid.shape, grid.spacing_mm, 30.0 * s, rng)
    )
    far = wall & (fine_depth > _WALL_MM * s) & (middle < -25)
    tissue[far] = Tissue.FAT
    tissue[far & (middle < -32)] = Tissue.VESSEL if rng.uniform() < 0.5 else Tissue.MUSCLE
