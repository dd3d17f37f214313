"""A scene: bones of one joint that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.phantom.real_shapes_reading import BoneShape


@dataclass(frozen=True, slots=True)
class Scene:
    """Bones of one joint in one frame (LPS mm), all of one side.

    Parameters
    ----------
    joint, side : str
    bones : tuple of BoneShape
    center_mm : float ndarray (3,)
        Middle of the joint, where the box of a tissue map is centered.
    """

    joint: str
    side: str
    bones: tuple[BoneShape, ...]
    center_mm: np.ndarray

    def bone(self, name: str) -> BoneShape | None:
        """The bone of that name, or None."""
        return next((b for b in self.bones if b.name == name), None)
