"""Rigid placement of bone shapes."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import BoneShape


def placed(bone: BoneShape, turn: np.ndarray, shift: np.ndarray) -> BoneShape:
    """Bone turned by the 3x3 matrix `turn` about the origin, then moved by `shift` (mm)."""
    r, t = turn.astype(np.float32), np.asarray(shift, np.float32)
    smooth = bone.smooth
    return BoneShape(
        bone.label,
        sdf.moved(bone.shape, turn, shift),
        tuple(sdf.moved(p, turn, shift) for p in bone.physes),
        bone.cartilage_mm,
        bone.ossifies_from_center,
        None if smooth is None else (lambda p: smooth((p - t) @ r)),
        bone.retreats,
    )
