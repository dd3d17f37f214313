"""Tissue maps from CT: real soft tissue around real bones, to be given any MR contrast."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap

# Upper ends of Hounsfield ranges outside labelled bones. Bright soft tissue is contrast-filled vessel; what is brighter
# still is bone of the surroundings, spongy or compact.
_RANGES = (
    (-300.0, Tissue.AIR),
    (-25.0, Tissue.FAT),
    (20.0, Tissue.FLUID),
    (90.0, Tissue.MUSCLE),
    (170.0, Tissue.VESSEL),
    (350.0, Tissue.FATTY_MARROW),
    (np.inf, Tissue.CORTICAL_BONE),
)
MARROW_BELOW_HU = 350.0
"""Inside a labelled bone everything below this is marrow, everything above compact bone (our choice)."""


def tissue_map_from_ct(
    ct: Volume,
    labels: Volume | None,
    bone_labels: Mapping[int, int],
    *,
    joint: str,
    side: str,
    center_mm: tuple[float, float, float],
    size_mm: tuple[float, float, float],
    spacing_mm: float = 0.8,
) -> TissueMap:
    """Cut a box out of a CT and name its tissues by their Hounsfield units.

    Parameters
    ----------
    ct : Volume
        Hounsfield units.
    labels : Volume or None
        Label map on the CT's or any other grid.
    bone_labels : mapping of int to int
        Value in `labels` to label of the anatomy catalog; other values are ignored.
    joint, side : str
        As in `TissueMap`.
    center_mm, size_mm : tuple of 3 float
        Box in LPS mm. Voxels outside the CT are air.
    spacing_mm : float
        Isotropic spacing of the result.

    Returns
    -------
    TissueMap
        Linear interpolation of the Hounsfield units; labels interpolated one by one, so that they stay smooth.
    """
    size = np.rint(np.divide(size_mm, spacing_mm)).astype(int)
    origin = np.subtract(center_mm, (size - 1) * spacing_mm / 2)
    geometry = Geometry(
        (int(size[0]), int(size[1]), int(size[2])),
        (spacing_mm, spacing_mm, spacing_mm),
        (float(origin[0]), float(origin[1]), float(origin[2])),
    )
    hounsfield = ndimage.gaussian_filter(_sample(ct.array.astype(np.float32), ct.geometry, geometry, -1000.0), 0.7)
    tissue = np.zeros(geometry.array_shape, np.uint8)
    lower = -np.inf
    for upper, kind in _RANGES:
        tissue[(hounsfield > lower) & (hounsfield <= upper)] = kind
        lower = upper
    catalog = np.zeros(geometry.array_shape, np.uint8)
    if labels is not None:
        for value, label in bone_labels.items():
            mask = (labels.array == value).astype(np.float32)
            if mask.any():
                catalog[_sample(mask, labels.geometry, geometry, 0.0) >= 0.5] = label
        inside = catalog > 0
        tissue[inside & (hounsfield < MARROW_BELOW_HU)] = Tissue.FATTY_MARROW
        tissue[inside & (hounsfield >= MARROW_BELOW_HU)] = Tissue.CORTICAL_BONE
        # Slices of 2 to 3 mm blur a thin cortex to the density of marrow; MR shows it dark, so it gets its shell back.
        tissue[inside & ~ndimage.binary_erosion(inside, iterations=1)] = Tissue.CORTICAL_BONE
    return TissueMap(tissue, catalog, geometry, joint, side, 40.0)


def _sample(array: np.ndarray, source: Geometry, target: Geometry, outside: float) -> np.ndarray:
    """Linear interpolation of `array` on `source` at the voxels of `target`."""
    matrix = source.lps_to_index @ target.index_to_lps
    reverse = matrix[:3, :3][::-1, ::-1]  # (k, j, i) order on both sides
    shift = matrix[:3, 3][::-1]
    sampled: np.ndarray = ndimage.affine_transform(
        array, reverse, shift, output_shape=target.array_shape, order=1, cval=outside
    )
    return sampled
