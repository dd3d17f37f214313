"""The glenoid: its face, its rim and its axes, found on the scapula from the humeral head.

The face is the part of the scapula that looks at the humeral head from the side of the scapula's body. Its rim is where
the surface, followed outward from the
middle of the face, first turns 30 degrees outward from the plane of the rim. Front and back, up and down come from the
scapula itself: acromion and coracoid stand above, the spine stands out behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.fits import fit_plane
from MultiJointSegLib.morphology.shoulder_face import Face, nearby_face, need_even_face, parts_of, unit
from MultiJointSegLib.surface.mesh import Surface

_SECTORS = 72
_ROUNDS = 8
_RIM_ANGLE_DEG = 30.0
_WIDEST = 1.25
"""No rim lies farther than this many head radii from the middle of the face."""
_LEAST_SKEWNESS = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Glenoid:
    """The face of the glenoid; positions LPS mm, directions unit vectors.

    Parameters
    ----------
    center_mm : float ndarray of shape (3,)
        Center of the area inside the rim, on the bone's face.
    normal, up, front : float ndarray of shape (3,)
        Out of the face, toward its upper and toward its front rim; perpendicular to each other.
    rim_mm : float ndarray of shape (72, 3)
        Points on the rim, evenly spaced by angle.
    upper_mm, lower_mm, front_mm, back_mm : float ndarray of shape (3,)
        Ends of the height and of the line from back to front at the level of the center.
    height_mm, width_mm : float
        Largest extent of the rim along `up` and along `front`.
    flatness_mm : float
        Root mean square distance of the rim from its plane.
    """

    center_mm: np.ndarray
    normal: np.ndarray
    up: np.ndarray
    front: np.ndarray
    rim_mm: np.ndarray
    upper_mm: np.ndarray
    lower_mm: np.ndarray
    front_mm: np.ndarray
    back_mm: np.ndarray
    height_mm: float
    width_mm: float
    flatness_mm: float


def _start(face: Face, scapula: Surface, center_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rough middle and normal: the largest connected part that looks at the head away from the scapula's body."""
    toward = center_mm - face.centers
    toward = toward / np.linalg.norm(toward, axis=1)[:, None]
    looking = np.einsum("ij,ij->i", face.normals, toward) > 0.75
    chosen = np.flatnonzero(looking)
    if len(chosen) < 20:
        raise MultiJointSegError("no part of the scapula looks at the humeral head")
    area = np.linalg.norm(scapula.area_vectors_mm2(), axis=1)
    body = area @ scapula.points_mm[scapula.triangles].mean(axis=1) / area.sum()
    away = unit(center_mm - body)
    part = parts_of(face.triangles, chosen)
    best, best_score = None, 0.0
    for n in np.unique(part):
        inside = chosen[part == n]
        weight = face.areas[inside]
        mean = weight @ toward[inside] / weight.sum()
        score = float(weight.sum() * max(mean @ away, 0.0) ** 3)
        if score > best_score:
            best, best_score = inside, score
    if best is None:
        raise MultiJointSegError("no part of the scapula looks at the humeral head")
    weight = face.areas[best]
    return weight @ face.centers[best] / weight.sum(), unit(weight @ face.normals[best])


def _basis(normal: np.ndarray, hint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = unit(hint - (hint @ normal) * normal)
    return first, np.cross(normal, first)


def _rim(face: Face, center: np.ndarray, normal: np.ndarray, radius_mm: float, hint: np.ndarray) -> np.ndarray:
    """Rim points (72, 3): the outermost triangles of the face by angle about the normal."""
    offset = face.centers - center
    height = offset @ normal
    flat = offset - height[:, None] * normal
    distance = np.linalg.norm(flat, axis=1)
    outward = np.einsum("ij,ij->i", face.normals, flat) / np.maximum(distance, 1e-9)
    rising = face.normals @ normal
    chosen = np.flatnonzero((rising > 0.3) & (distance < _WIDEST * radius_mm) & (np.abs(height) < 0.8 * radius_mm))
    if len(chosen) < 30:
        raise MultiJointSegError("the face of the glenoid cannot be told from its surroundings")
    part = parts_of(face.triangles, chosen)
    chosen = chosen[part == part[np.argmin(np.linalg.norm(offset[chosen], axis=1))]]
    tilt = np.degrees(np.arctan2(outward[chosen], rising[chosen]))
    away, area, level = distance[chosen], face.areas[chosen], height[chosen]
    first, second = _basis(normal, hint)
    angle = np.arctan2(offset[chosen] @ second, offset[chosen] @ first)
    width = max(0.05 * radius_mm, 1.2 * float(np.sqrt(np.median(area))))
    steps = np.arange(0.25 * radius_mm, _WIDEST * radius_mm, 0.5 * width)
    rim = np.full((_SECTORS, 3), np.nan)
    directions = (np.arange(_SECTORS) + 0.5) / _SECTORS * 2 * np.pi - np.pi
    for n, direction in enumerate(directions):
        off = np.abs((angle - direction + np.pi) % (2 * np.pi) - np.pi)
        inside = off * away < max(0.06 * radius_mm, width)
        # Mean tilt and height in overlapping steps outward; the rim is where the tilt first passes its limit.
        mean = np.full((2, len(steps)), np.nan)
        for m, step in enumerate(steps):
            ring = inside & (np.abs(away - step) < 0.5 * width)
            if ring.any():
                mean[:, m] = area[ring] @ tilt[ring], area[ring] @ level[ring]
                mean[:, m] /= area[ring].sum()
        known = np.flatnonzero(~np.isnan(mean[0]))
        past = known[mean[0, known] > _RIM_ANGLE_DEG]
        if not len(past) or past[0] == known[0]:
            continue
        outer = int(past[0])
        inner = int(known[known < outer][-1])
        share = (_RIM_ANGLE_DEG - mean[0, inner]) / (mean[0, outer] - mean[0, inner])
        reach = steps[inner] + share * (steps[outer] - steps[inner])
        rise = mean[1, inner] + share * (mean[1, outer] - mean[1, inner])
        rim[n] = center + reach * (np.cos(direction) * first + np.sin(direction) * second) + rise * normal
    empty = np.isnan(rim[:, 0])
    if empty.sum() > _SECTORS // 4:
        raise MultiJointSegError("the rim of the glenoid is not complete")
    known = np.flatnonzero(~empty)
    for n in range(3):
        rim[:, n] = np.interp(np.arange(_SECTORS), known, rim[known, n], period=_SECTORS)
    return _without_spikes(rim, center, normal)


def _without_spikes(rim: np.ndarray, center: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Draw in rim points that stand out beyond the median of their neighbors: there the face runs on (coracoid)."""
    offset = rim - center
    distance = np.linalg.norm(offset - np.outer(offset @ normal, normal), axis=1)
    around = np.median(np.stack([np.roll(distance, k) for k in range(-5, 6)]), axis=0)
    limit = np.minimum(1.0, 1.12 * around / np.maximum(distance, 1e-9))
    return center + offset * limit[:, None]


def _polygon(rim: np.ndarray, center: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroid of the area inside the rim, and its second moments in space (3, 3), seen along the normal."""
    flat = rim - center
    flat = flat - np.outer(flat @ normal, normal)
    following = np.roll(flat, -1, axis=0)
    area = 0.5 * np.abs(np.cross(flat, following) @ normal)
    centroid = (area / area.sum()) @ (flat + following) / 3.0
    a, b = flat - centroid, following - centroid
    total = a + b - centroid
    second = np.einsum("n,ni,nj->ij", area, a, a) + np.einsum("n,ni,nj->ij", area, b, b)
    second += np.einsum("n,ni,nj->ij", area, total, total) + np.outer(centroid, centroid) * area.sum()
    return center + centroid, second / 12.0


def _front(scapula: Surface, center: np.ndarray, normal: np.ndarray, up: np.ndarray, radius_mm: float) -> np.ndarray:
    """Away from the spine: the bone medial to the glenoid is a thin blade with the spine standing out behind it."""
    across = np.cross(normal, up)
    middle = scapula.points_mm[scapula.triangles].mean(axis=1) - center
    depth = -middle @ normal
    chosen = (depth > 0.6 * radius_mm) & (depth < 3.0 * radius_mm) & (middle @ up > -1.0 * radius_mm)
    area = np.linalg.norm(scapula.area_vectors_mm2(), axis=1)[chosen]
    if len(area) < 50:
        raise MultiJointSegError(
            "too little of the scapula beside the glenoid is in view to tell its front from its back"
        )
    # The part beside the neck leans with the blade: the blade's own direction is taken out.
    side, inward = middle[chosen] @ across, depth[chosen]
    lower = middle[chosen] @ up < 0.2 * radius_mm
    slope = 0.0
    if lower.sum() > 30:
        mean_in = area[lower] @ inward[lower] / area[lower].sum()
        mean_side = area[lower] @ side[lower] / area[lower].sum()
        spread = area[lower] @ (inward[lower] - mean_in) ** 2
        slope = float(area[lower] @ ((inward[lower] - mean_in) * (side[lower] - mean_side)) / spread)
    side = side - slope * inward
    side = side - area @ side / area.sum()
    width = np.sqrt(area @ side**2 / area.sum())
    skewness = float(area @ side**3 / area.sum() / width**3)
    if abs(skewness) < _LEAST_SKEWNESS:
        raise MultiJointSegError("the spine of the scapula is not in view: its front cannot be told from its back")
    return -np.sign(skewness) * across


def find_glenoid(scapula: Surface, center_mm: np.ndarray, radius_mm: float) -> Glenoid:
    """Find face, rim and axes of the glenoid.

    Parameters
    ----------
    scapula : Surface
        LPS mm; may be cut medially.
    center_mm, radius_mm
        Sphere of the humeral head.

    Raises
    ------
    MultiJointSegError
        If face, rim or directions cannot be found; the message says what is missing, ready to follow a colon.
    """
    face = nearby_face(scapula, center_mm, radius_mm)
    center, normal = _start(face, scapula, center_mm)
    area = np.linalg.norm(scapula.area_vectors_mm2(), axis=1)
    middle = scapula.points_mm[scapula.triangles].mean(axis=1)
    rim = np.zeros((0, 3))
    plane = None
    for _ in range(_ROUNDS):
        above = (middle - center) @ normal > 0.5 * radius_mm
        if area[above].sum() < 0.5 * radius_mm**2:
            raise MultiJointSegError("neither acromion nor coracoid is in view")
        hint = area[above] @ (middle[above] - center) / area[above].sum()
        rim = _rim(face, center, normal, radius_mm, hint)
        plane = fit_plane(rim)
        normal = plane.normal * np.sign(plane.normal @ normal)
        center, second = _polygon(rim, center, normal)
    assert plane is not None
    # The smallest of the three moments is the one along the normal.
    long_axis = np.linalg.eigh(second - (second @ normal)[:, None] * normal)[1][:, -1]
    long_axis = unit(long_axis - (long_axis @ normal) * normal)
    up = long_axis * np.sign(long_axis @ hint)
    if abs(long_axis @ unit(hint)) < 0.3:
        raise MultiJointSegError("the long axis of the glenoid does not point to the acromion")
    front = _front(scapula, center, normal, up, radius_mm)
    need_even_face(face, center, normal, up, rim, radius_mm)
    along, across = (rim - center) @ up, (rim - center) @ front
    angle = np.degrees(np.arctan2(along, across))
    ends = []
    for target in (90.0, -90.0, 0.0, 180.0):
        off = np.abs((angle - target + 180.0) % 360.0 - 180.0)
        ends.append(rim[off < 13.0].mean(axis=0))
    near = np.linalg.norm(face.centers - center - np.outer((face.centers - center) @ normal, normal), axis=1)
    looking = (near < 0.15 * radius_mm) & (face.normals @ normal > 0.5)
    looking &= np.abs((face.centers - center) @ normal) < 0.8 * radius_mm
    if looking.any():
        center = center + float(np.median((face.centers[looking] - center) @ normal)) * normal
    return Glenoid(
        center, normal, up, front, rim, ends[0], ends[1], ends[2], ends[3],
        float(np.ptp(along)), float(np.ptp(across)), plane.quality.residual_mm,
    )  # fmt: skip
