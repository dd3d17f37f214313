"""From coarse labels of the hips to those on the examination's own voxels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.body_grid import BodyGrid
from MultiJointSegLib.annotation.head_sphere import HeadSphere
from MultiJointSegLib.annotation.hip_finding import Ball
from MultiJointSegLib.annotation.hip_parts import FEMUR_OF, HIP_OF, JointSphere
from MultiJointSegLib.annotation.joint_split import joint_space, split_joint
from MultiJointSegLib.annotation.native_cut import refine_in_band
from MultiJointSegLib.imaging.geometry import Geometry

RIM_GAP_MM = 4.0
"""Gaps in the rim of a femur up to this wide are closed to see what it encloses."""


def refine_labels(grid: BodyGrid, geometry: Geometry, parts: np.ndarray, solver: str) -> np.ndarray:
    """Labels on the examination's grid: bone by a cut in the band, and of each voxel the nearest coarse label.

    An examination that is as coarse as the cut already has nothing to refine; thin plates would only be lost.

    Parameters
    ----------
    grid : BodyGrid
        The examination.
    geometry : Geometry
        Of the coarse grid.
    parts : uint8 ndarray of shape (k, j, i)
        Coarse labels, see `hip_parts`.
    solver : str
        As for `native_cut.refine_in_band`.

    Returns
    -------
    uint8 ndarray of shape (k, j, i)
    """
    wanted = parts > 0
    if geometry.size == grid.geometry.size:
        return parts.copy()
    bone = refine_in_band(grid.array, grid.geometry, wanted, geometry, solver=solver)
    labels = np.zeros(grid.array.shape, np.uint8)
    nearest = ndimage.distance_transform_edt(
        parts == 0, sampling=geometry.spacing_mm[::-1], return_distances=False, return_indices=True
    )
    everywhere = parts[tuple(nearest)]
    ratio = np.asarray(grid.geometry.spacing_mm[::-1]) / np.asarray(geometry.spacing_mm[::-1])
    first = geometry.point_to_index(np.asarray(grid.geometry.origin_mm))[::-1]
    lookups = [
        np.clip(np.rint(first[a] + ratio[a] * np.arange(n)).astype(int), 0, parts.shape[a] - 1)
        for a, n in enumerate(grid.array.shape)
    ]
    for k, source in enumerate(lookups[0]):
        plane = everywhere[source][np.ix_(lookups[1], lookups[2])]
        labels[k] = np.where(bone[k], plane, 0)
    return labels


def split_one_joint(labels: np.ndarray, grid: BodyGrid, sphere: HeadSphere, ball: Ball, side: str) -> None:
    """Take head and socket of one hip apart, in place.

    Parameters
    ----------
    labels : uint8 ndarray of shape (k, j, i)
        On the examination's grid, see `hip_parts`.
    grid : BodyGrid
        The examination.
    sphere : HeadSphere
        Of the head, in mm along the grid's axes.
    ball : Ball
        Which way the socket lies.
    side : str
        "left" or "right".
    """
    spacing = grid.spacing_kji_mm
    center = sphere.center / spacing
    reach = 1.6 * sphere.radius / spacing
    low = np.maximum(np.floor(center - reach).astype(int), 0)
    high = np.minimum(np.ceil(center + reach).astype(int) + 1, labels.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    part = labels[box]
    femur, hip_bone = (part == FEMUR_OF[side]), (part == HIP_OF[side])
    joint = JointSphere(center - low, sphere.radius, ball.socket_direction)
    image = np.clip(grid.array[box], -200, 2000).astype(np.float32)
    part[joint_space(femur | hip_bone, image, spacing, joint)] = 0
    femur, hip_bone = split_joint(part == FEMUR_OF[side], part == HIP_OF[side], image, spacing, joint)
    part[femur], part[hip_bone] = FEMUR_OF[side], HIP_OF[side]


def tidy_labels(labels: np.ndarray, spacing: np.ndarray) -> None:
    """One piece per bone, without holes; other bones are no longer needed. In place.

    Parameters
    ----------
    labels : uint8 ndarray of shape (k, j, i)
    spacing : (3,)
        Along (k, j, i), mm.
    """
    across = [max(1, round(RIM_GAP_MM / (2 * float(s)))) for s in spacing[1:]]
    margin = sum(across)
    cross = np.ones((2 * across[0] + 1, 2 * across[1] + 1), bool)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        part = labels[box]
        if number not in (*FEMUR_OF.values(), *HIP_OF.values()):
            part[part == number] = 0
            continue
        mask = part == number
        pieces, count = ndimage.label(mask)
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            sizes[0] = 0
            # Thick slices may cut the thin wing of the ilium in two.
            small = sizes < 0.02 * sizes.max()
            part[small[pieces] & mask] = 0
            mask = part == number
        # In space only: in a slice the roof of the socket is a ring about the joint space.
        part[ndimage.binary_fill_holes(mask) & (part == 0)] = number
        if number in FEMUR_OF.values():
            # A femur holds nothing but marrow, which is open where the scan ends and where its rim is thin.
            for plane in part:
                rim = ndimage.binary_closing(np.pad(plane == number, margin), cross)
                marrow = (ndimage.binary_fill_holes(rim) & ~rim)[margin:-margin, margin:-margin]
                plane[marrow & (plane == 0)] = number
