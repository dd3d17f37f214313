"""Plane sections of a surface, and the axis of a bone's shaft through their centroids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from MultiJointSegLib.morphology.fits import tukey_weights
from MultiJointSegLib.morphology.frames import LandmarkMissing, angle_deg, unit
from MultiJointSegLib.surface.mesh import Surface

STEP_MM = 1.5
LARGEST_DROP = 0.08
"""From one section to the next (1.5 mm) a shaft never loses this share of its area; a cut end does."""
_FEWEST_SECTIONS = 9
_BLOCKS = 4
_FLARE_MM = 0.8
"""How far the centroids at both ends of a shaft may be off in opposite directions where it flares toward the joint;
from the largest errors of the direction on phantoms."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """Outlines of a surface in a plane.

    Parameters
    ----------
    segments_mm : float ndarray of shape (n, 2, 3)
        LPS mm, oriented so that the bone lies to their left when seen against the plane's normal.
    part : int ndarray of shape (n,)
        Which closed outline each segment belongs to.
    triangles : int ndarray of shape (n,)
        The triangle of the surface each segment lies in.
    normal : float ndarray of shape (3,)
        Unit normal of the plane.
    """

    segments_mm: np.ndarray
    part: np.ndarray
    triangles: np.ndarray
    normal: np.ndarray

    def area_and_centroid(self, part: int) -> tuple[float, np.ndarray]:
        """Area (mm2) and centroid (3,) of one outline, by Green's theorem."""
        a, b = np.moveaxis(self.segments_mm[self.part == part], 1, 0)
        origin = a[0]
        a, b = a - origin, b - origin
        twice = np.cross(a, b) @ self.normal
        total = float(twice.sum())
        if abs(total) < 1e-9:
            return 0.0, origin
        return 0.5 * total, origin + twice @ (a + b) / (3.0 * total)

    def largest(self) -> tuple[int, float, np.ndarray]:
        """Number, area (mm2) and centroid (3,) of the outline with the largest area."""
        best = (-1, 0.0, np.zeros(3))
        for part in range(int(self.part.max()) + 1 if len(self.part) else 0):
            area, centroid = self.area_and_centroid(part)
            if area > best[1]:
                best = (part, area, centroid)
        return best


def cross_section(surface: Surface, point_mm: np.ndarray, normal: np.ndarray) -> Section:
    """Section of a closed surface with the plane through `point_mm` with unit normal `normal` (LPS)."""
    height = (surface.points_mm - point_mm) @ normal
    # A vertex exactly in the plane counts as above it, so that outlines stay closed.
    above = height >= 0
    corners = above[surface.triangles]
    # Column by column: numpy sums over an axis of three elements ten times slower.
    number = corners[:, 0].astype(np.int8) + corners[:, 1] + corners[:, 2]
    cut = np.flatnonzero((number == 1) | (number == 2))
    triangles, corners = surface.triangles[cut], corners[cut]
    # The corner that lies alone on its side comes first.
    alone = np.where(number[cut] == 1, corners.argmax(axis=1), corners.argmin(axis=1))
    turned = np.take_along_axis(triangles, (alone[:, None] + np.arange(3)) % 3, axis=1)
    p = surface.points_mm[turned]
    h = height[turned]
    with np.errstate(divide="ignore", invalid="ignore"):
        first = p[:, 0] + (p[:, 1] - p[:, 0]) * (h[:, 0] / (h[:, 0] - h[:, 1]))[:, None]
        second = p[:, 0] + (p[:, 2] - p[:, 0]) * (h[:, 0] / (h[:, 0] - h[:, 2]))[:, None]
    segments = np.stack([first, second], axis=1)
    flip = number[cut] == 2
    segments[flip] = segments[flip][:, ::-1]
    # Two segments meet on the mesh edge that both of their triangles share.
    ends = np.sort(np.concatenate([turned[:, [0, 1]], turned[:, [0, 2]]]), axis=1)
    _, edge = np.unique(ends[:, 0] * len(surface.points_mm) + ends[:, 1], return_inverse=True)
    edge = edge.reshape(2, -1)
    count = int(edge.max()) + 1 if edge.size else 0
    graph = coo_array((np.ones(edge.shape[1], np.int8), (edge[0], edge[1])), shape=(count, count))
    part = connected_components(graph, directed=False)[1][edge[0]] if count else np.zeros(0, int)
    return Section(segments, np.asarray(part), cut, np.asarray(normal, float))


@dataclass(frozen=True, slots=True, eq=False)
class ShaftAxis:
    """Axis of a shaft.

    Parameters
    ----------
    point_mm : float ndarray of shape (3,)
        Mean of the section centroids.
    direction : float ndarray of shape (3,)
        Unit vector, away from the joint.
    length_mm : float
        Length of shaft used.
    error_deg : float
        Standard error of the direction: by leaving out one quarter of the sections after the other, and for the flare
        of the shaft, which counts more the shorter the part in view is.
    centroids_mm : float ndarray of shape (n, 3)
        Section centroids, from the joint outward.
    sections : list of Section
    """

    point_mm: np.ndarray
    direction: np.ndarray
    length_mm: float
    error_deg: float
    centroids_mm: np.ndarray
    sections: list[Section]

    def at(self, along_mm: float) -> np.ndarray:
        """Point of the axis `along_mm` from `point_mm` outward."""
        return self.point_mm + along_mm * self.direction


def _line(points: np.ndarray) -> np.ndarray:
    """Direction of the line nearest to points, Tukey's biweight on the distances."""
    weights = np.ones(len(points))
    direction = np.zeros(3)
    for _ in range(15):
        middle = weights @ points / weights.sum()
        offset = points - middle
        direction = np.linalg.eigh((offset * weights[:, None]).T @ offset)[1][:, 2]
        distance = np.linalg.norm(np.cross(offset, direction), axis=1)
        # Distances below a tenth of a millimeter are noise of the mesh, not outliers.
        weights = np.where(distance < 0.1, 1.0, tukey_weights(distance)[0]) + 1e-12
    return direction


def outward_direction(surface: Surface, joint_mm: np.ndarray) -> np.ndarray:
    """Rough direction of a bone's shaft: from the joint to the middle of the tenth of the bone farthest from it."""
    offset = surface.points_mm - joint_mm
    distance = np.linalg.norm(offset, axis=1)
    return unit(offset[distance >= np.quantile(distance, 0.9)].mean(axis=0))


def shaft_axis(
    surface: Surface,
    *,
    start: np.ndarray,
    from_mm: float,
    to_mm: float,
    shortest_mm: float,
    on_edge: np.ndarray | None = None,
    name: str,
) -> ShaftAxis:
    """Axis through the centroids of the shaft's cross-sections.

    Sections perpendicular to the axis, every 1.5 mm between two distances from the bone's end at the joint; repeated
    with the new direction until it stands still. Sections that touch the edge of the field of view, and all beyond
    the first that is much smaller than the one before (a cut end), are left out.

    Parameters
    ----------
    surface : Surface
        The bone, LPS mm.
    start : float ndarray of shape (3,)
        Rough direction of the shaft, away from the joint.
    from_mm, to_mm : float
        Part of the bone used, as distance along the axis from the bone's end at the joint.
    shortest_mm : float
        Length of shaft that must be in view.
    on_edge : bool ndarray of shape (m,), optional
        Triangles that are cuts, not bone surface.
    name : str
        Of the bone, for the reason.

    Raises
    ------
    LandmarkMissing
        If too little of the shaft is in view.
    """
    direction = unit(start)
    surface, on_edge = _beyond(surface, direction, 0.5 * from_mm, 1.2 * to_mm, on_edge)
    for _ in range(15):
        previous = direction
        sections, centroids = _shaft_sections(surface, direction, from_mm, to_mm, on_edge)
        length = float((centroids[-1] - centroids[0]) @ direction) if len(centroids) else 0.0
        if len(centroids) < _FEWEST_SECTIONS or length < shortest_mm:
            raise LandmarkMissing(
                f"Only {length:.0f} mm of the shaft of the {name} are in view, at least {shortest_mm:.0f} mm from "
                f"{from_mm:.0f} mm beyond the joint on are needed: the bone is cut off too close to the joint."
            )
        direction = _line(centroids)
        direction = direction * np.sign(direction @ previous)
        if angle_deg(direction, previous) < 1e-3:
            break
    blocks = np.arange(len(centroids)) * _BLOCKS // len(centroids)
    turned = [_line(centroids[blocks != n]) for n in range(_BLOCKS)]
    tilts = np.asarray([t * np.sign(t @ direction) for t in turned])
    spread = tilts - tilts.mean(axis=0)
    error = float(np.degrees(np.sqrt((_BLOCKS - 1) / _BLOCKS * (spread**2).sum())))
    error = float(np.hypot(error, np.degrees(_FLARE_MM / length)))
    return ShaftAxis(centroids.mean(axis=0), direction, length, error, centroids, sections)


def _beyond(
    surface: Surface, direction: np.ndarray, from_mm: float, to_mm: float, on_edge: np.ndarray | None
) -> tuple[Surface, np.ndarray | None]:
    """The triangles between two distances from the bone's end only, with all points: sections are found faster."""
    along = surface.points_mm @ direction
    along = (along - along.min())[surface.triangles]
    keep = (along.max(axis=1) > from_mm) & (along.min(axis=1) < to_mm)
    return Surface(surface.points_mm, surface.triangles[keep]), None if on_edge is None else on_edge[keep]


def _shaft_sections(
    surface: Surface, direction: np.ndarray, from_mm: float, to_mm: float, on_edge: np.ndarray | None
) -> tuple[list[Section], np.ndarray]:
    along = surface.points_mm @ direction
    low = float(along.min())
    top = min(low + to_mm, float(along[surface.triangles].max()))
    sections: list[Section] = []
    centroids: list[np.ndarray] = []
    before = 0.0
    for height in np.arange(low + from_mm, top, STEP_MM):
        section = cross_section(surface, direction * height, direction)
        part, area, centroid = section.largest()
        if part < 0 or area < (1 - LARGEST_DROP) * before:
            break
        if on_edge is not None and on_edge[section.triangles[section.part == part]].any():
            break
        before = area
        sections.append(section)
        centroids.append(centroid)
    return sections, np.asarray(centroids).reshape(-1, 3)


def section_scale_mm(surface: Surface, start: np.ndarray) -> float:
    """Size of a bone's end at the joint: root of the largest cross-section within the half of the bone nearest to it.

    Lengths that must fit children and adults (where a shaft begins, at which level a groove is measured) are given in
    this unit: about 60 mm for the adult distal femur, 54 mm for the proximal and 36 mm for the distal tibia.
    """
    along = surface.points_mm @ start
    low, high = float(along.min()), float(along.max())
    areas = [
        cross_section(surface, start * h, start).largest()[1] for h in np.linspace(low, 0.5 * (low + high), 14)[1:]
    ]
    return float(np.sqrt(max(areas)))


def section_axes(section: Section, part: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the largest and smallest second moment of area of one outline, in its plane."""
    _, centroid = section.area_and_centroid(part)
    a, b = np.moveaxis(section.segments_mm[section.part == part] - centroid, 1, 0)
    twice = np.cross(a, b) @ section.normal
    moment = np.zeros((3, 3))
    for vector in (a, b, a + b):
        moment += (vector * twice[:, None]).T @ vector
    vectors = np.linalg.eigh(moment)[1]
    return vectors[:, 2], vectors[:, 1]
