"""Femurs, hip bones and the rest of the skeleton on the coarse grid, from the spheres of the heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.bone_split import split_bones

SEAM_MM, SEAM_HU = 6.0, 250.0
"""Dark lines up to this wide are joints; this much darker than their borders, they cost nothing to cut."""
OTHER = 1
FEMUR_OF = {"left": 2, "right": 3}
HIP_OF = {"left": 4, "right": 5}


@dataclass(frozen=True, slots=True, eq=False)
class JointSphere:
    """Sphere of a head on some grid whose axes point up, back and left.

    Parameters
    ----------
    index : float ndarray of shape (3,)
        Center (k, j, i).
    radius_mm : float
        Radius.
    socket : float ndarray of shape (3,)
        Unit vector (k, j, i) in mm space from the center into the middle of the socket.
    """

    index: np.ndarray
    radius_mm: float
    socket: np.ndarray

    def fields(self, shape: tuple[int, ...], spacing_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed distance to the sphere in mm, and cosine of the angle to the socket, on a grid."""
        axes = [
            ((np.arange(n) - self.index[a]) * spacing_mm[a])
            .astype(np.float32)
            .reshape([-1 if b == a else 1 for b in range(3)])
            for a, n in enumerate(shape)
        ]
        distance = np.sqrt(axes[0] ** 2 + axes[1] ** 2 + axes[2] ** 2)
        along = sum(np.float32(s) * axis for s, axis in zip(self.socket, axes, strict=True))
        cosine = along / np.maximum(distance, np.float32(1e-3))
        return distance - np.float32(self.radius_mm), np.asarray(cosine)


def split_pelvis(
    bone: np.ndarray, image: np.ndarray, spacing_mm: np.ndarray, joints: dict[str, JointSphere], midline: float
) -> np.ndarray:
    """Label the bones of a pelvis.

    Parameters
    ----------
    bone : bool ndarray of shape (k, j, i)
        Mask of all bone; axes point up, back and left.
    image : float32 ndarray of shape (k, j, i)
        HU.
    spacing_mm : (3,)
        Along (k, j, i).
    joints : dict of str to JointSphere
        By side.
    midline : float
        Index along i of the middle of the body.

    Returns
    -------
    uint8 ndarray of shape (k, j, i)
        0, `OTHER`, and per side `FEMUR_OF` and `HIP_OF`.
    """
    shape = bone.shape
    radius = float(np.mean([j.radius_mm for j in joints.values()]))
    middle = np.mean([j.index for j in joints.values()], axis=0)
    up, back = ((np.arange(n) - middle[a]) * spacing_mm[a] / radius for a, n in enumerate(shape[:2]))
    left = (np.arange(shape[2]) - midline) * spacing_mm[2] / radius
    up, back, left = up[:, None, None], back[None, :, None], left[None, None, :]
    spine = (np.abs(left) < 0.75) & ((back > 0.7) | (up > 2.6))
    # The wings of the sacrum reach to the sacroiliac joints, which lie 1.4 radii from the middle and more.
    spine = spine | ((np.abs(left) < 1.3) & (back > 0.2) & (up > 1.2))
    other = np.broadcast_to(spine, shape).copy()
    factor = np.ones(shape, np.float32)
    seeds: dict[int, np.ndarray] = {}
    for side, joint in joints.items():
        distance, cosine = joint.fields(shape, spacing_mm)
        r = joint.radius_mm
        sign = 1 if side == "left" else -1
        mine = sign * left
        outer = mine - float(sign * left[0, 0, int(np.clip(round(joint.index[2]), 0, shape[2] - 1))])
        thigh = (outer > 0.8) & (outer < 2.6) & (up < 0.2)
        seeds[FEMUR_OF[side]] = (distance < -0.25 * r) | np.broadcast_to(thigh, shape)
        socket = (cosine > 0.35) & (distance > 3.0) & (distance < 0.6 * r)
        pubis = (mine > 0.12) & (mine < 1.0) & (back < -0.2) & (np.abs(up + 0.8) < 1.6)
        ilium = (mine > 2.2) & (mine < 5.5) & (up > 1.3) & (np.abs(back) < 2.5)
        seeds[HIP_OF[side]] = socket | np.broadcast_to(pubis, shape) | np.broadcast_to(ilium, shape)
        # Between the head and the socket the cut is expected on the sphere; the neck is left whole.
        facing = (cosine > -0.15) & (np.abs(distance) < max(2.0, 1.1 * float(np.max(spacing_mm))))
        factor[facing] = 0.1
    for side, sign in (("left", 1), ("right", -1)):
        if side not in joints:
            # Without its hip the other half is only what the cut must keep away from.
            other |= np.broadcast_to(sign * left > 0.2, shape) & ~np.logical_or.reduce(list(seeds.values()))
    femurs = np.logical_or.reduce([s for n, s in seeds.items() if n in FEMUR_OF.values()])
    for number in HIP_OF.values():
        if number in seeds:
            seeds[number] = seeds[number] & ~femurs & ~other
    other &= ~np.logical_or.reduce(list(seeds.values()))
    numbers = [OTHER, *seeds]
    # Slits across the long axis, as between the slabs of a phantom, are no joints.
    unslit = ndimage.grey_closing(image, size=(max(3, round(6.0 / spacing_mm[0]) | 1), 1, 1))
    parts = split_bones(bone, [other, *seeds.values()], seams(unslit, spacing_mm), factor)
    labels = np.array([0, *numbers], np.uint8)[parts]
    for side, joint in joints.items():
        for number in (FEMUR_OF[side], HIP_OF[side]):
            _keep_piece_at(labels, number, joint, spacing_mm)
    return labels


def seams(image: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """How easily bone can be cut, 0 (in a narrow dark seam) to 1: marrow is dark too, but wide.

    Parameters
    ----------
    image : float32 ndarray of shape (k, j, i)
        HU.
    spacing_mm : (3,)
        Along (k, j, i).
    """
    clipped = np.clip(image, 0, 700)
    size = [max(3, round(SEAM_MM / float(s)) | 1) for s in spacing_mm]
    depth = ndimage.grey_closing(clipped, size=size) - clipped
    return np.asarray(np.clip(1 - depth / SEAM_HU, 0, 1), np.float32)


def _keep_piece_at(labels: np.ndarray, number: int, joint: JointSphere, spacing_mm: np.ndarray) -> None:
    """Of all pieces of a label keep the one with most voxels near the joint: vessels and calcifications drop out."""
    pieces, count = ndimage.label(labels == number)
    if count < 2:
        return
    distance, _ = joint.fields(labels.shape, spacing_mm)
    near = pieces[distance < joint.radius_mm]
    sizes = np.bincount(near.ravel(), minlength=count + 1)
    sizes[0] = 0
    labels[(pieces > 0) & (pieces != sizes.argmax())] = 0
