"""The inside of bones: cortex, marrow, growth plate."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, smooth_noise, smooth_step
from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.tissue_map import BoneField, Tissue

_LONG = (1, 2, 3, 7)
_PLATE_LIKE = (8, 9)
SCAR_AGE_YEARS = 16.0
"""From this age on a growth plate that is given is painted as the scar of a closed one."""


def bounding_box(mask: np.ndarray, margin: int) -> tuple[slice, slice, slice] | None:
    """Slices that hold all true voxels and `margin` more on every side; None for an empty mask."""
    ranges = []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        hits = np.nonzero(mask.any(axis=other))[0]
        if not len(hits):
            return None
        ranges.append(slice(max(int(hits[0]) - margin, 0), min(int(hits[-1]) + margin + 1, mask.shape[axis])))
    return ranges[0], ranges[1], ranges[2]


def paint_bone(
    tissue: np.ndarray,
    bone: BoneField,
    inside: np.ndarray,
    box: tuple[slice, slice, slice],
    geometry: Geometry,
    frame: Frame,
    age_years: float,
    rng: np.random.Generator,
) -> None:
    """Write cortex, marrow and growth plate of one bone into `tissue`.

    Parameters
    ----------
    tissue : uint8 (k, j, i) of the whole grid, changed in place
    inside : bool array of the box: the bone's voxels
    box : where the bone lies
    """
    spacing = geometry.spacing_mm[0]
    d = bone.distance_mm[box]
    view = tissue[box]
    origin = [o + s.start * spacing for o, s in zip(geometry.origin_mm, reversed(box), strict=True)]
    grid = CoarseGrid(Geometry(tuple(reversed(d.shape)), geometry.spacing_mm, tuple(origin)), 4)
    lat, ant, sup = np.broadcast_arrays(*frame.coordinates(*grid.points()))
    from_joint = np.sqrt(lat**2 + ant**2 + sup**2) / frame.scale
    growth = float(np.clip(age_years / 17, 0.1, 1.0))
    noise = smooth_noise(grid.shape, grid.spacing_mm, 14.0 * frame.scale, rng)
    end_mm = rng.uniform(0.5, 0.9) * (0.6 + 0.4 * growth)
    cortex: np.ndarray = np.full(grid.shape, end_mm, np.float32)
    if bone.label in _LONG:
        shaft_mm = rng.uniform(2.2, 4.0) * (0.4 + 0.6 * growth) * frame.scale
        cortex = cortex + (shaft_mm - end_mm) * smooth_step(from_joint, 35, 85)
    elif bone.label in _PLATE_LIKE:
        cortex = cortex + 0.5 * growth
    shell = grid.refine(np.maximum(cortex * (1 + 0.2 * noise), 0.45))
    red = grid.refine(_red_marrow(bone, grid, from_joint, age_years, rng))
    marrow = np.where(red > 0, Tissue.RED_MARROW, Tissue.FATTY_MARROW).astype(np.uint8)
    if bone.physis_mm is not None and age_years >= SCAR_AGE_YEARS:
        # A closed plate stays visible as a thin dark line with gaps.
        patchy = grid.refine(0.45 + 0.35 * smooth_noise(grid.shape, grid.spacing_mm, 8.0, rng))
        marrow[np.abs(bone.physis_mm[box]) < patchy * rng.uniform(0.4, 1.2)] = Tissue.CORTICAL_BONE
    elif bone.physis_mm is not None:
        plate = bone.physis_mm[box]
        marrow[(plate < 0) & (red < 2.5)] = Tissue.FATTY_MARROW
        thickness = float(np.interp(age_years, [2, 10, 15], [2.6, 1.8, 1.1]) * rng.uniform(0.8, 1.2))
        metaphyseal = plate - thickness / 2
        dark_line_mm = rng.choice([0.0, 0.6])
        marrow[(metaphyseal > 0) & (metaphyseal < dark_line_mm)] = Tissue.CORTICAL_BONE
        view[inside] = np.where(d > -shell, np.uint8(Tissue.CORTICAL_BONE), marrow)[inside]
        view[inside & (np.abs(plate) < thickness / 2)] = Tissue.PHYSIS
        return
    view[inside] = np.where(d > -shell, np.uint8(Tissue.CORTICAL_BONE), marrow)[inside]


def _red_marrow(
    bone: BoneField, grid: CoarseGrid, from_joint: np.ndarray, age_years: float, rng: np.random.Generator
) -> np.ndarray:
    """Positive where marrow is red: the young metaphysis and patches, less with age; flat bones stay redder."""
    # Patches with frayed borders.
    noise = 0.85 * smooth_noise(grid.shape, grid.spacing_mm, 10.0, rng)
    noise = noise + 0.55 * smooth_noise(grid.shape, grid.spacing_mm, 3.5, rng)
    level = np.float32(np.interp(age_years, [1, 6, 14, 25], [0.8, 0.2, -1.0, -2.2]) + rng.normal(0, 0.5))
    place = np.zeros(grid.shape, np.float32)
    if bone.label in _PLATE_LIKE:
        place += 1.2
    elif bone.label in _LONG:
        place += 1.3 * smooth_step(from_joint, 18, 40) * (1 - 0.3 * smooth_step(from_joint, 60, 120)) - 0.8
    else:
        place -= 1.2
    return (noise + place + level).astype(np.float32)
