"""Joints, bones, label values, codes and colors: data read from Resources/Anatomy, not code."""

from MultiJointSegLib.anatomy.catalog import (
    Bone,
    Code,
    Joint,
    all_bones,
    bone,
    category,
    joint,
    joint_names,
    laterality,
    side_names,
)

__all__ = [
    "Bone",
    "Code",
    "Joint",
    "all_bones",
    "bone",
    "category",
    "joint",
    "joint_names",
    "laterality",
    "side_names",
]
