"""Joints, bones, label values and colors: data read from Resources/Anatomy, not code."""

from MultiJointSegLib.anatomy.catalog import Bone, Joint, all_bones, bone, joint, joint_names

__all__ = ["Bone", "Joint", "all_bones", "bone", "joint", "joint_names"]
