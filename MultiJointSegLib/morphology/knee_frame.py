"""Axes and directions of the knee, from the bones alone.

Nothing is assumed about the pose or the scanner's axes. Superior of the femur is along its shaft, away from the tibia,
made perpendicular to the line through the centers of both condyles: as in axial slices, which are cut across the leg
and not across the femoral shaft, that leans by some 7 degrees. Superior of the tibia is along its shaft. Where too
little of a shaft is in view for its axis, superior is only roughly along the bone, for the tibia made perpendicular to
the line through both plateaus; what is measured against the shaft is then not given.
Anterior is where the patella lies, then refined: mediolateral is the tangent to both posterior condyles. Lateral is
where the fibula lies; without it medial and lateral are not known and what depends on them is not measured, unless the
side of the body is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.morphology.axes import (
    ShaftAxis,
    outward_direction,
    section_scale_mm,
    shaft_axis,
)
from MultiJointSegLib.morphology.fits import SphereFit
from MultiJointSegLib.morphology.frames import LandmarkMissing, angle_deg, perpendicular, unit
from MultiJointSegLib.morphology.knee_condyles import (
    CONDYLES,
    condyle_sphere_errors,
    condyle_spheres,
    condyle_tangents,
    need_two_condyles,
)
from MultiJointSegLib.morphology.knee_plateau import plateau_axes, plateau_line
from MultiJointSegLib.morphology.landmarks import joint_point
from MultiJointSegLib.surface.mesh import Surface

SHAFT_FROM, SHAFT_TO, SHAFT_SHORTEST = 1.05, 2.7, 0.25
"""Part of a shaft used for its axis, in units of `section_scale_mm` from the bone's end at the joint."""

LARGEST_SHAFT_ERROR_DEG = 4.0
"""A shaft axis known less well is not used for angles; on short shafts the flare of the bone makes it wrong."""

_ROUNDS, _STILL_DEG = 5, 0.01


@dataclass(frozen=True, slots=True, eq=False)
class BoneAxis:
    """Long direction of femur or tibia as far as it can be known.

    Parameters
    ----------
    outward : float ndarray of shape (3,)
        Unit vector away from the joint.
    scale_mm : float
        See `section_scale_mm`.
    shaft : ShaftAxis or None
        Axis of the shaft, None when too little of it is in view.
    reason : str
        Why there is no shaft axis, else "".
    """

    outward: np.ndarray
    scale_mm: float
    shaft: ShaftAxis | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class KneeFrame:
    """Directions of one bone of the knee.

    Parameters
    ----------
    bone_axis : BoneAxis
    superior, mediolateral, posterior : float ndarray of shape (3,)
        Unit vectors, perpendicular to each other; mediolateral points to lateral when `lateral_known`.
    lateral_known : bool
    """

    bone_axis: BoneAxis
    superior: np.ndarray
    mediolateral: np.ndarray
    posterior: np.ndarray
    lateral_known: bool

    @property
    def scale_mm(self) -> float:
        """Size of the bone's end at the joint."""
        return self.bone_axis.scale_mm

    @property
    def shaft(self) -> ShaftAxis:
        """Axis of the shaft, direction away from the joint; `LandmarkMissing` when too little of it is in view."""
        if self.bone_axis.shaft is None:
            raise LandmarkMissing(self.bone_axis.reason)
        return self.bone_axis.shaft

    @property
    def note(self) -> str:
        """What to know of values that are measured without the shaft's axis; "" where the axis is known."""
        if self.bone_axis.shaft is not None:
            return ""
        return "Too little of the shaft is in view for its axis; directions come from the bone's end at the joint."

    def need_side(self) -> None:
        """Raise `LandmarkMissing` when medial and lateral are not known."""
        if not self.lateral_known:
            raise LandmarkMissing(
                "Medial and lateral are told apart by the fibula, which is not among the segmented bones; "
                "segment it or give the side of the body."
            )


@dataclass(frozen=True, slots=True, eq=False)
class FemurFrame(KneeFrame):
    """Distal femur; mediolateral is the tangent to both posterior condyles, perpendicular to superior.

    Parameters
    ----------
    posterior_points_mm, distal_points_mm : float ndarray of shape (2, 3)
        Most posterior and most distal point of each condyle: medial, lateral.
    spheres : tuple of SphereFit
        Of the posterior condyles: medial, lateral.
    sphere_errors_mm : float ndarray of shape (2, 4)
        Standard errors of their centers and radii.
    """

    posterior_points_mm: np.ndarray
    distal_points_mm: np.ndarray
    spheres: tuple[SphereFit, SphereFit]
    sphere_errors_mm: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class TibiaFrame(KneeFrame):
    """Proximal tibia; mediolateral is the longest axis of the cross-section under the plateau, at `center_mm`."""

    center_mm: np.ndarray
    on_edge: np.ndarray | None


def needed(surfaces: Mapping[str, Surface], *bones: str) -> tuple[Surface, ...]:
    """The surfaces of bones, or `LandmarkMissing` that names those that are missing."""
    missing = [b for b in bones if b not in surfaces]
    if missing:
        raise LandmarkMissing(f"The {' and the '.join(missing)} must be segmented for this, but is missing.")
    return tuple(surfaces[b] for b in bones)


def _bone_axis(surface: Surface, joint_mm: np.ndarray, on_edge: np.ndarray | None, name: str) -> BoneAxis:
    start = outward_direction(surface, joint_mm)
    scale = section_scale_mm(surface, start)
    try:
        shaft = shaft_axis(
            surface,
            start=start,
            from_mm=SHAFT_FROM * scale,
            to_mm=SHAFT_TO * scale,
            shortest_mm=SHAFT_SHORTEST * scale,
            on_edge=on_edge,
            name=name,
        )
    except LandmarkMissing as error:
        return BoneAxis(start, scale, None, str(error))
    if shaft.error_deg > LARGEST_SHAFT_ERROR_DEG:
        reason = (
            f"The shaft axis of the {name} is known to {shaft.error_deg:.0f} degrees only, accepted are "
            f"{LARGEST_SHAFT_ERROR_DEG:.0f}: {shaft.length_mm:.0f} mm of an uneven shaft are in view."
        )
        return BoneAxis(start, scale, None, reason)
    return BoneAxis(shaft.direction, scale, shaft, "")


def lateral_direction(surfaces: Mapping[str, Surface], side: str | None) -> np.ndarray | None:
    """Roughly toward lateral: to the fibula, else away from the body's middle when the side is given."""
    if "fibula" in surfaces and "tibia" in surfaces:
        offset = surfaces["fibula"].points_mm.mean(axis=0) - surfaces["tibia"].points_mm.mean(axis=0)
        return np.asarray(offset)
    # The patient's left is +x in LPS.
    return None if side is None else np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])


def femur_frame(
    surfaces: Mapping[str, Surface], on_edge: Mapping[str, np.ndarray], side: str | None = None
) -> FemurFrame:
    """Find the frame of the distal femur; `side` ("left", "right") stands in for a missing fibula.

    Raises
    ------
    LandmarkMissing
        If femur or tibia are missing, or the condyles are not found.
    """
    femur, tibia = needed(surfaces, "femur", "tibia")
    axis = _bone_axis(femur, joint_point(femur, tibia), on_edge.get("femur"), "femur")
    superior = axis.outward
    lateral = lateral_direction(surfaces, side)
    middle = femur.points_mm.mean(axis=0) if axis.shaft is None else axis.shaft.point_mm
    posterior = _posterior(surfaces, femur, superior, middle, axis.scale_mm)
    for _ in range(_ROUNDS):
        across, posterior, back, down = condyle_tangents(femur, superior, posterior, lateral, axis.scale_mm)
        spheres = condyle_spheres(femur, superior, across, posterior, axis.scale_mm)
        before = superior
        superior = perpendicular(axis.outward, unit(spheres[1].center_mm - spheres[0].center_mm))
        posterior = perpendicular(posterior, superior)
        if angle_deg(before, superior) < _STILL_DEG:
            break
    across, posterior, back, down = condyle_tangents(femur, superior, posterior, lateral, axis.scale_mm)
    need_two_condyles(femur, superior, across, posterior, back, axis.scale_mm)
    errors = condyle_sphere_errors(femur, superior, across, posterior, axis.scale_mm, spheres)
    return FemurFrame(axis, superior, across, posterior, lateral is not None, back, down, spheres, errors)


def _posterior(
    surfaces: Mapping[str, Surface], femur: Surface, superior: np.ndarray, middle: np.ndarray, scale: float
) -> np.ndarray:
    """Roughly posterior: away from the patella, else where the condyles lie behind the shaft."""
    height = femur.points_mm @ superior
    condyles = femur.points_mm[height < height.min() + CONDYLES * scale]
    posterior = perpendicular(condyles.mean(axis=0) - middle, superior)
    if "patella" in surfaces:
        anterior = perpendicular(surfaces["patella"].points_mm.mean(axis=0) - middle, superior)
        if anterior @ posterior > 0.3:
            raise LandmarkMissing(
                "Front and back of the femur are not clear: patella and condyles lie on the same side of the shaft."
            )
        posterior = -anterior
    return posterior


def tibia_frame(
    surfaces: Mapping[str, Surface],
    on_edge: Mapping[str, np.ndarray],
    posterior: np.ndarray,
    side: str | None = None,
) -> TibiaFrame:
    """Find the frame of the proximal tibia; `posterior` is roughly that direction (of the femur).

    Raises
    ------
    LandmarkMissing
        If femur or tibia are missing, or the plateau is not found.
    """
    femur, tibia = needed(surfaces, "femur", "tibia")
    axis = _bone_axis(tibia, joint_point(femur, tibia), on_edge.get("tibia"), "tibia")
    superior = -axis.outward
    lateral = lateral_direction(surfaces, side)
    if axis.shaft is None:
        # Seen from the front, the shaft is nearly perpendicular to the plateau; seen from the side it is not.
        for _ in range(3):
            across, back, _ = plateau_axes(tibia, superior, posterior, axis.scale_mm)
            superior = perpendicular(superior, plateau_line(tibia, superior, across, axis.scale_mm))
    across, back, center = plateau_axes(tibia, superior, posterior, axis.scale_mm)
    if lateral is not None:
        across = across * np.sign(lateral @ across)
    return TibiaFrame(axis, superior, across, back, lateral is not None, center, on_edge.get("tibia"))
