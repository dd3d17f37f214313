"""Axes and directions of the knee, from the bones alone.

Nothing is assumed about the pose or the scanner's axes. Superior is along the femoral shaft, away from the tibia.
Anterior is where the patella lies, then refined: mediolateral is the tangent to both posterior condyles. Lateral is
where the fibula lies; without it medial and lateral are not known and what depends on them is not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.morphology.axes import (
    ShaftAxis,
    cross_section,
    outward_direction,
    section_axes,
    section_scale_mm,
    shaft_axis,
    side_of_shaft,
)
from MultiJointSegLib.morphology.fits import SphereFit, fit_sphere
from MultiJointSegLib.morphology.frames import LandmarkMissing, perpendicular
from MultiJointSegLib.morphology.landmarks import extreme_point, joint_point
from MultiJointSegLib.surface.mesh import Surface

SHAFT_FROM, SHAFT_TO, SHAFT_SHORTEST = 1.05, 2.7, 0.25
"""Part of a shaft used for its axis, in units of `section_scale_mm` from the bone's end at the joint."""

_CONDYLES = 0.65
_PATCH_DEG = (-60.0, 15.0)
"""Part of a posterior condyle that its sphere is fitted to: direction of the normal above (+) or below (-) posterior.
Farther up the growing epiphysis is not round, farther down the distal facet begins."""


@dataclass(frozen=True, slots=True, eq=False)
class FemurFrame:
    """Distal femur.

    Parameters
    ----------
    shaft : ShaftAxis
        Direction superior.
    scale_mm : float
        See `section_scale_mm`.
    mediolateral : float ndarray of shape (3,)
        Unit vector along the tangent to both posterior condyles, perpendicular to the shaft; toward lateral when
        `lateral_known`.
    posterior : float ndarray of shape (3,)
        Unit vector perpendicular to shaft and mediolateral.
    lateral_known : bool
    posterior_points_mm, distal_points_mm : float ndarray of shape (2, 3)
        Most posterior and most distal point of each condyle: medial, lateral.
    spheres : tuple of SphereFit
        Of the posterior condyles: medial, lateral.
    """

    shaft: ShaftAxis
    scale_mm: float
    mediolateral: np.ndarray
    posterior: np.ndarray
    lateral_known: bool
    posterior_points_mm: np.ndarray
    distal_points_mm: np.ndarray
    spheres: tuple[SphereFit, SphereFit]

    @property
    def superior(self) -> np.ndarray:
        """Unit vector along the shaft."""
        return self.shaft.direction

    def need_side(self) -> None:
        """Raise `LandmarkMissing` when medial and lateral are not known."""
        if not self.lateral_known:
            raise LandmarkMissing(
                "Medial and lateral are told apart by the fibula, which is not among the segmented bones."
            )


@dataclass(frozen=True, slots=True, eq=False)
class TibiaFrame:
    """Proximal tibia; mediolateral is the longest axis of the cross-section under the plateau."""

    shaft: ShaftAxis
    scale_mm: float
    mediolateral: np.ndarray
    posterior: np.ndarray
    lateral_known: bool
    center_mm: np.ndarray

    @property
    def superior(self) -> np.ndarray:
        """Unit vector along the shaft, toward the knee."""
        return -self.shaft.direction


def needed(surfaces: Mapping[str, Surface], *bones: str) -> tuple[Surface, ...]:
    """The surfaces of bones, or `LandmarkMissing` that names those that are missing."""
    missing = [b for b in bones if b not in surfaces]
    if missing:
        raise LandmarkMissing(f"The {' and the '.join(missing)} must be segmented for this, but is missing.")
    return tuple(surfaces[b] for b in bones)


def _shaft(surface: Surface, joint_mm: np.ndarray, on_edge: np.ndarray | None, name: str) -> tuple[ShaftAxis, float]:
    start = outward_direction(surface, joint_mm)
    scale = section_scale_mm(surface, start)
    axis = shaft_axis(
        surface,
        start=start,
        from_mm=SHAFT_FROM * scale,
        to_mm=SHAFT_TO * scale,
        shortest_mm=SHAFT_SHORTEST * scale,
        on_edge=on_edge,
        name=name,
    )
    return axis, scale


def femur_frame(surfaces: Mapping[str, Surface], on_edge: Mapping[str, np.ndarray]) -> FemurFrame:
    """Find the frame of the distal femur.

    Raises
    ------
    LandmarkMissing
        If femur or tibia are missing, the shaft is cut too short, or the condyles are not found.
    """
    femur, tibia = needed(surfaces, "femur", "tibia")
    shaft, scale = _shaft(femur, joint_point(femur, tibia), on_edge.get("femur"), "femur")
    height = femur.points_mm @ shaft.direction
    condyles = femur.points_mm[height < height.min() + _CONDYLES * scale]
    # The condyles lie behind the shaft's axis; the patella must lie on the other side.
    posterior = side_of_shaft(shaft, condyles.mean(axis=0))
    if "patella" in surfaces:
        anterior = side_of_shaft(shaft, surfaces["patella"].points_mm.mean(axis=0))
        if anterior @ posterior > 0.3:
            raise LandmarkMissing(
                "Front and back of the femur are not clear: patella and condyles lie on the same side of the shaft."
            )
        posterior = -anterior
    lateral: np.ndarray | None = None
    if "fibula" in surfaces:
        lateral = surfaces["fibula"].points_mm.mean(axis=0) - tibia.points_mm.mean(axis=0)
    across = np.cross(shaft.direction, posterior)
    back = np.zeros((2, 3))
    for _ in range(40):
        previous = across
        if lateral is not None and lateral @ across < 0:
            across = -across
        first, second = _halves(condyles, across)
        back = np.stack([extreme_point(first, posterior), extreme_point(second, posterior)])
        across = perpendicular(back[1] - back[0], shaft.direction)
        turned = np.cross(shaft.direction, across)
        posterior = turned * np.sign(turned @ posterior)
        if np.abs(across - previous).max() < 1e-9:
            break
    first, second = _halves(condyles, across)
    down = np.stack([extreme_point(first, -shaft.direction), extreme_point(second, -shaft.direction)])
    spheres = _condyle_spheres(femur, shaft.direction, across, posterior, scale)
    return FemurFrame(shaft, scale, across, posterior, lateral is not None, back, down, spheres)


def _halves(points: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points on the negative and on the positive side of the middle along a direction."""
    along = points @ across
    middle = 0.5 * (along.min() + along.max())
    return points[along < middle], points[along >= middle]


def _condyle_spheres(
    femur: Surface, superior: np.ndarray, across: np.ndarray, posterior: np.ndarray, scale: float
) -> tuple[SphereFit, SphereFit]:
    vectors = femur.area_vectors_mm2()
    normals = vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None]
    centers = femur.points_mm[femur.triangles].mean(axis=1)
    height = centers @ superior
    low = float((femur.points_mm @ superior).min())
    sagittal = np.hypot(normals @ posterior, normals @ superior)
    elevation = np.degrees(np.arctan2(normals @ superior, normals @ posterior))
    patch = (sagittal > 0.7) & (elevation > _PATCH_DEG[0]) & (elevation < _PATCH_DEG[1])
    patch &= height < low + _CONDYLES * scale
    along = centers @ across
    middle = 0.5 * float(along[height < low + _CONDYLES * scale].min() + along[height < low + _CONDYLES * scale].max())
    found = []
    for side in (-1.0, 1.0):
        chosen = patch & ((along - middle) * side > 0.08 * scale)
        if chosen.sum() < 30:
            raise LandmarkMissing("The posterior surface of a femoral condyle is not found.")
        # Only what lies up to a third of the bone's size in front of the most posterior point is condyle.
        back = centers[chosen] @ posterior
        found.append(fit_sphere(centers[chosen][back > back.max() - 0.33 * scale]))
    return found[0], found[1]


def tibia_frame(
    surfaces: Mapping[str, Surface], on_edge: Mapping[str, np.ndarray], posterior: np.ndarray
) -> TibiaFrame:
    """Find the frame of the proximal tibia; `posterior` is roughly that direction (of the femur).

    Raises
    ------
    LandmarkMissing
        If femur or tibia are missing or the shaft is cut too short.
    """
    femur, tibia = needed(surfaces, "femur", "tibia")
    shaft, scale = _shaft(tibia, joint_point(femur, tibia), on_edge.get("tibia"), "tibia")
    superior = -shaft.direction
    top = float((tibia.points_mm @ superior).max())
    section = cross_section(tibia, superior * (top - 0.3 * scale), superior)
    part, _, center = section.largest()
    if part < 0:
        raise LandmarkMissing("The tibial plateau is not found.")
    across = section_axes(section, part)[0]
    back = np.cross(superior, across)
    if abs(back @ posterior) < 0.5:
        raise LandmarkMissing("The tibial plateau is not wider from side to side than from front to back.")
    back = back * np.sign(back @ posterior)
    if "fibula" in surfaces:
        lateral = surfaces["fibula"].points_mm.mean(axis=0) - tibia.points_mm.mean(axis=0)
        across = across * np.sign(lateral @ across)
    return TibiaFrame(shaft, scale, across, back, "fibula" in surfaces, center)
