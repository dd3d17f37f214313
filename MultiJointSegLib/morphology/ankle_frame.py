"""Axes and directions of the ankle, from the bones alone.

Nothing is assumed about the pose or the scanner's axes. Superior is along the tibial shaft, away from the talus;
anterior is where the talus lies in front of the calcaneus; the mediolateral axis is that of the talar dome; medial is
where the tibia reaches farthest down, at the medial malleolus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from MultiJointSegLib.morphology.arcs import RoundArc, round_arc
from MultiJointSegLib.morphology.axes import ShaftAxis, outward_direction, section_scale_mm, shaft_axis
from MultiJointSegLib.morphology.cylinder_fit import CylinderFit, fit_cylinder
from MultiJointSegLib.morphology.fits import fit_circle
from MultiJointSegLib.morphology.frames import LandmarkMissing, angle_deg, perpendicular, unit
from MultiJointSegLib.morphology.landmarks import extreme_point, joint_point
from MultiJointSegLib.morphology.mass_properties import mass_properties
from MultiJointSegLib.surface.mesh import Surface

SHAFT_FROM, SHAFT_TO, SHAFT_SHORTEST = 1.3, 3.0, 0.4
"""Part of the tibial shaft used, in units of `section_scale_mm` from the tip of the medial malleolus."""

_NEAR_TIBIA = 0.3
_DOME_DEG = 60.0
_PROFILE_DEG = 80.0
_NEAR_DOME = 0.25
_ROUND_SHARE = 0.05
_COVERED = 1.4
_LOOSELY_COVERED = 1.6
_LARGEST_RESIDUAL = 0.03
_LARGEST_LEAN_DEG = 15.0


@dataclass(frozen=True, slots=True, eq=False)
class Dome:
    """Talar dome.

    Parameters
    ----------
    cylinder : CylinderFit
        Axis toward lateral.
    axis_error_deg : float
        Standard error of the axis: how far the cylinder's differs from the one that the normals alone give.
    arc : RoundArc or None
        Widest circular part of the dome's profile, seen along the axis; None where `arc_reason` says why.
    arc_ends_mm : float ndarray of shape (2, 3)
        Center of that circle and the middle of the arc.
    triangles : int ndarray
        Triangles of the talus on the dome.
    superior : float ndarray of shape (3,)
        Roughly superior.
    scale_mm : float
        Size of the distal tibia.
    """

    cylinder: CylinderFit
    axis_error_deg: float
    arc: RoundArc | None
    arc_ends_mm: np.ndarray
    arc_reason: str
    triangles: np.ndarray
    superior: np.ndarray
    scale_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class BoneAxis:
    """Long axis of a tarsal bone: centroid, unit vector toward anterior, both ends of the bone along it."""

    center_mm: np.ndarray
    direction: np.ndarray
    posterior_mm: np.ndarray
    anterior_mm: np.ndarray


def tibial_shaft(tibia: Surface, talus: Surface, on_edge: np.ndarray | None) -> ShaftAxis:
    """Axis of the tibial shaft, direction superior."""
    start = outward_direction(tibia, joint_point(tibia, talus))
    scale = section_scale_mm(tibia, start)
    return shaft_axis(
        tibia,
        start=start,
        from_mm=SHAFT_FROM * scale,
        to_mm=SHAFT_TO * scale,
        shortest_mm=SHAFT_SHORTEST * scale,
        on_edge=on_edge,
        name="tibia",
    )


def rough_directions(surfaces: Mapping[str, Surface]) -> tuple[np.ndarray, np.ndarray]:
    """Superior, along the tibia, and anterior, from calcaneus to talus and perpendicular to it."""
    tibia, talus, calcaneus = (surfaces[b] for b in ("tibia", "talus", "calcaneus"))
    superior = outward_direction(tibia, joint_point(tibia, talus))
    forward = mass_properties(talus).centroid_mm - mass_properties(calcaneus).centroid_mm
    return superior, perpendicular(forward, superior)


def talar_dome(surfaces: Mapping[str, Surface]) -> Dome:
    """Cylinder of the talar dome.

    Raises
    ------
    LandmarkMissing
        If no cylinder lies on the part of the talus that faces the tibia.
    """
    tibia, talus = surfaces["tibia"], surfaces["talus"]
    superior, anterior = rough_directions(surfaces)
    scale = section_scale_mm(tibia, superior)
    vectors = talus.area_vectors_mm2()
    normals = vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None]
    centers = talus.points_mm[talus.triangles].mean(axis=1)
    distance, _ = cKDTree(tibia.points_mm).query(centers)
    by_normals = _axis_across(normals, np.linalg.norm(vectors, axis=1), distance / scale, superior, anterior)
    # Up for the talus: perpendicular to the axis found so far.
    axis, up = by_normals, perpendicular(superior, by_normals)
    cylinder: CylinderFit | None = None
    chosen = np.zeros(0, int)
    for _ in range(5):
        sagittal = np.hypot(normals @ up, normals @ np.cross(axis, up))
        mask = (sagittal > 0.94) & (normals @ up > np.cos(np.radians(_DOME_DEG)) * sagittal)
        chosen = np.flatnonzero(mask & (distance < _NEAR_TIBIA * scale))
        if len(chosen) < 60:
            raise LandmarkMissing("The dome of the talus is not found where the talus faces the tibia.")
        # Neck and processes are farther from the tibia than the joint surface.
        joint_space = float(np.quantile(distance[chosen], 0.2))
        chosen = chosen[distance[chosen] < _COVERED * joint_space]
        # The circle that most of the dome lies on, seen along the axis, keeps what is left of them out.
        flat = centers[chosen] - np.outer(centers[chosen] @ axis, axis)
        round_part = fit_circle(flat)
        away = np.abs(np.linalg.norm(flat - round_part.center_mm, axis=1) - round_part.radius_mm)
        chosen = chosen[away < _ROUND_SHARE * round_part.radius_mm]
        cylinder = fit_cylinder(centers[chosen], axis=axis)
        axis = cylinder.axis * np.sign(cylinder.axis @ axis)
        up = perpendicular(superior, axis)
        chosen = chosen[cylinder.quality.inliers]
    if cylinder is None or cylinder.quality.residual_mm > _LARGEST_RESIDUAL * cylinder.radius_mm:
        raise LandmarkMissing("The dome of the talus is not cylindrical.")
    lean = abs(angle_deg(axis, superior) - 90.0)
    if lean > _LARGEST_LEAN_DEG:
        # Real domes are not quite cylinders; then the fitted axis may point anywhere.
        raise LandmarkMissing(
            f"The axis of the talar dome is not clear: the cylinder found leans {lean:.0f} degrees to the tibia, "
            f"accepted are {_LARGEST_LEAN_DEG:.0f}."
        )
    malleolus = extreme_point(tibia.points_mm, -superior)
    side = (malleolus - cylinder.point_mm) @ axis
    if abs(side) < 0.25 * scale:
        raise LandmarkMissing("The medial malleolus is not found at the side of the talar dome.")
    lateral = axis * -np.sign(side)
    turned = CylinderFit(cylinder.point_mm, lateral, cylinder.radius_mm, cylinder.quality)
    axis_error = float(np.hypot(angle_deg(axis, by_normals), np.degrees(cylinder.quality.residual_mm / (0.5 * scale))))
    arc, ends, reason = None, np.tile(cylinder.point_mm, (2, 1)), ""
    try:
        arc = _dome_arc(centers, normals, chosen, cylinder, axis, up)
        flat = np.stack([arc.center_mm, arc.at(0.5 * (arc.from_deg + arc.to_deg))])
        ends = cylinder.point_mm + flat @ np.stack([up, np.cross(axis, up)])
    except LandmarkMissing as error:
        reason = str(error)
    return Dome(turned, axis_error, arc, ends, reason, chosen, superior, scale)


def _dome_arc(
    centers: np.ndarray,
    normals: np.ndarray,
    on_dome: np.ndarray,
    cylinder: CylinderFit,
    axis: np.ndarray,
    up: np.ndarray,
) -> RoundArc:
    """The circular part of the dome's profile, wherever the foot has turned it to.

    Where the dome ends in front and behind does not depend on the tibia: in plantar flexion the tibia stands above its
    back part, and what surrounds the dome there would be taken for a part of it.
    """
    forward = np.cross(axis, up)
    sagittal = np.hypot(normals @ up, normals @ forward)
    chosen = (sagittal > 0.94) & (normals @ up > np.cos(np.radians(_PROFILE_DEG)) * sagittal)
    offset = centers - cylinder.point_mm
    along = offset @ axis
    flat = np.column_stack([offset @ up, offset @ forward])
    low, high = np.quantile(along[on_dome], (0.05, 0.95))
    chosen &= (along > low) & (along < high)
    chosen &= np.abs(np.linalg.norm(flat, axis=1) - cylinder.radius_mm) < _NEAR_DOME * cylinder.radius_mm
    return round_arc(flat[chosen], along[chosen])


def _axis_across(
    normals: np.ndarray, areas: np.ndarray, distance: np.ndarray, superior: np.ndarray, anterior: np.ndarray
) -> np.ndarray:
    """Rough axis of the dome from the normals of the surface that faces the tibia: the direction they vary least along.

    `distance` is that of each triangle to the tibia in units of the bone's size. Better to start from than the
    direction across tibia and foot, from which the talocrural axis of real ankles is turned by 20 to 30 degrees.
    """
    axis = np.cross(superior, anterior)
    up = superior
    for _ in range(8):
        sagittal = np.hypot(normals @ up, normals @ np.cross(axis, up))
        facing = (sagittal > 0.85) & (normals @ up > np.cos(np.radians(_DOME_DEG)) * sagittal)
        chosen = np.flatnonzero(facing & (distance < _NEAR_TIBIA))
        if len(chosen) < 60:
            raise LandmarkMissing("The dome of the talus is not found where the talus faces the tibia.")
        chosen = chosen[distance[chosen] < _LOOSELY_COVERED * np.quantile(distance[chosen], 0.2)]
        spread = (normals[chosen] * areas[chosen, None]).T @ normals[chosen]
        found = np.linalg.eigh(spread)[1][:, 0]
        found = found * np.sign(found @ axis)
        if angle_deg(found, axis) < 1e-3:
            break
        axis, up = found, perpendicular(superior, found)
    return np.asarray(axis)


def bone_axis(surface: Surface, anterior: np.ndarray) -> BoneAxis:
    """First principal axis of inertia of a bone and where the bone ends along it."""
    solid = mass_properties(surface)
    axis = solid.axes[0] * np.sign(solid.axes[0] @ anterior)
    if axis @ anterior < 0.4:
        raise LandmarkMissing("The longest axis of the bone does not run from back to front.")
    along = (surface.points_mm - solid.centroid_mm) @ axis
    ends = [solid.centroid_mm + float(v) * axis for v in (along.min(), along.max())]
    return BoneAxis(solid.centroid_mm, unit(axis), ends[0], ends[1])
