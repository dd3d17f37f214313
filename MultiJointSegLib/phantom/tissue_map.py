"""What a phantom is made of before it is imaged: tissues and bones on a fine grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry


class Tissue(IntEnum):
    """Tissue classes of a phantom; each gets its MR signal from its proton density and relaxation times."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    SKIN = 3
    CORTICAL_BONE = 4
    FATTY_MARROW = 5
    RED_MARROW = 6
    PHYSIS = 7
    CARTILAGE = 8
    FLUID = 9
    TENDON = 10
    VESSEL = 11
    MENISCUS = 12


@dataclass(frozen=True, slots=True)
class BoneField:
    """One bone on a grid, before soft tissue is put around it.

    Parameters
    ----------
    label : int
        Label value of the anatomy catalog, or 0 for a bone of the surroundings that no network has to find
        (for example the navicular, the clavicle, ribs).
    distance_mm : float32 ndarray of shape (k, j, i)
        Signed distance to the bone's outer surface, negative inside. It need be exact only within 5 mm
        of the surface.
    physis_mm : float32 ndarray of shape (k, j, i) or None
        Signed distance to the middle of the growth plate, negative on the side of the epiphysis;
        None where the bone has none or it is closed.
    cartilage_mm : float
        Thickness of articular cartilage where the bone faces another bone of the joint.
    """

    label: int
    distance_mm: np.ndarray
    physis_mm: np.ndarray | None = None
    cartilage_mm: float = 2.0


@dataclass(frozen=True, slots=True)
class TissueMap:
    """Tissues and bones of one limb part on a fine isotropic grid whose axes are L, P, S.

    Parameters
    ----------
    tissue, labels : uint8 ndarray of shape (k, j, i)
        `Tissue` values; label values of the anatomy catalog (0 outside the joint's bones). The bone of a label
        includes its cortex, marrow, ossified epiphysis and growth plate, not its articular cartilage.
    geometry : Geometry
        Identity direction.
    joint, side : str
        Joint key of the catalog, or "other"; "left" or "right".
    age_years : float
        Age that governed growth plates, cortex thickness and size.
    truth : dict
        Exact analytic geometry in LPS mm and degrees, where it is known.
    """

    tissue: np.ndarray
    labels: np.ndarray
    geometry: Geometry
    joint: str
    side: str
    age_years: float
    truth: dict[str, object] = field(default_factory=dict)
