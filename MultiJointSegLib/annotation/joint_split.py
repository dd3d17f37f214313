"""Femoral head and acetabulum apart on the examination's own voxels, also across a closed joint space."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.exact_cut import exact_cut
from MultiJointSegLib.annotation.grid_energy import GridEnergy, pair
from MultiJointSegLib.annotation.hip_parts import JointSphere, seams

REACH_RADII = 1.5
FACING_COSINE = -0.1
"""Directions within about 96 degrees of the socket's middle belong to the joint."""
DARK_HU, DENSE_HU = 150.0, 700.0
LEAST_EDGE = 0.05
PRIOR_PER_MM = 0.6
SPACE_MM = (-0.8, 4.5)
"""Between these distances from the sphere a dark seam is joint space."""
SPACE_SOLID = 0.55


def split_joint(
    femur: np.ndarray, hip_bone: np.ndarray, image: np.ndarray, spacing_mm: np.ndarray, joint: JointSphere
) -> tuple[np.ndarray, np.ndarray]:
    """Divide the bone around one head between femur and hip bone.

    A minimum cut whose boundary is cheap where an edge has a dark end. Where the socket faces the head, a voxel's
    distance to the sphere tells how it would rather be labeled, so that the cut follows the sphere where the joint
    space cannot be seen; elsewhere the labels given are preferred.

    Parameters
    ----------
    femur, hip_bone : bool ndarray of shape (k, j, i)
        Labels so far; they do not overlap. Only their union is divided.
    image : ndarray of shape (k, j, i)
        HU.
    spacing_mm : (3,)
        Along (k, j, i).
    joint : JointSphere
        On this grid.

    Returns
    -------
    femur, hip_bone : bool ndarray of shape (k, j, i)
        Disjoint; their union is that of the input.
    """
    bone = femur | hip_bone
    distance, cosine = joint.fields(bone.shape, spacing_mm)
    facing = cosine > FACING_COSINE
    inside = distance < -1.5
    near = distance < (REACH_RADII - 1) * joint.radius_mm
    labels = np.where(facing & near & (np.abs(distance) < 8), distance < 0, femur) | (inside & bone)
    free = bone & near & ~inside
    free &= ~(facing & (distance > 4.0))
    wish = np.where(facing, np.clip(-distance, 0, 4), np.where(femur, 0.6, 0)).astype(np.float32)
    dislike = np.where(facing, np.clip(distance, 0, 4), np.where(hip_bone, 0.6, 0)).astype(np.float32)
    edges = []
    for axis in range(3):
        here, after = pair(bone, axis)
        dense = (np.minimum(*pair(image, axis)).astype(np.float32) - DARK_HU) / (DENSE_HU - DARK_HU)
        edges.append(np.where(here & after, np.clip(dense, LEAST_EDGE, 1), 0).astype(np.float32))
    energy = GridEnergy(
        PRIOR_PER_MM * dislike, PRIOR_PER_MM * wish, (edges[0], edges[1], edges[2]), (edges[0], edges[1], edges[2])
    )
    inner = exact_cut(energy, free=free, labels=labels & bone)
    return inner & bone, bone & ~inner


def joint_space(bone: np.ndarray, image: np.ndarray, spacing_mm: np.ndarray, joint: JointSphere) -> np.ndarray:
    """Voxels of a bone mask that are joint space: a dark seam between head and socket, next to the head.

    A cut that looks for the outer surface of bone closes seams of a few voxels; here they are opened again. Where the
    joint space is closed there is no seam and nothing is found.

    Parameters
    ----------
    bone : bool ndarray of shape (k, j, i)
        Femur and hip bone.
    image : ndarray of shape (k, j, i)
        HU.
    spacing_mm : (3,)
        Along (k, j, i).
    joint : JointSphere
        On this grid.

    Returns
    -------
    bool ndarray of shape (k, j, i)
    """
    distance, cosine = joint.fields(bone.shape, spacing_mm)
    zone = (cosine > FACING_COSINE) & (distance > SPACE_MM[0]) & (distance < SPACE_MM[1])
    dark = zone & (seams(image, spacing_mm) < SPACE_SOLID)
    # The marrow behind a thin socket is a dark seam too, but not next to the head.
    pieces, count = ndimage.label(dark)
    start = np.unique(pieces[dark & (distance < 1.5)])
    reached = np.zeros(count + 1, bool)
    reached[start] = True
    reached[0] = False
    return np.asarray(reached[pieces] & bone)
