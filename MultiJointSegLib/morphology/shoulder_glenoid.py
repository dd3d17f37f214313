"""The glenoid: its face, its rim and its axes, found on the scapula from the humeral head.

The face is the part of the scapula that looks at the humeral head from the side of the scapula's body. Its rim is where
the surface, followed outward from the
middle of the face, first turns 30 degrees outward from the plane of the rim. Front and back, up and down come from the
scapula itself: acromion and coracoid stand above, the spine stands out behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.fits import fit_plane
from MultiJointSegLib.surface.mesh import Surface

_SECTORS = 72
_ROUNDS = 8
_RIM_ANGLE_DEG = 30.0
_SMOOTHING = 0.05
_WIDEST = 1.25
"""No rim lies farther than this many head radii from the middle of the face."""
_LEAST_SKEWNESS = 0.3
_FINE_SHARE, _DIVISIONS = 0.04, 2
"""Root of a triangle's area in head radii, above which triangles are divided, at most so often."""
_LARGEST_UNEVENNESS = 0.012
"""Of the face, in head radii: up to 0.005 on one real and five built glenoids, 0.008 where outlines waver by 0.3 mm;
with the void of an implant at the joint, or a channel, 0.008 to 0.19."""


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


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector of length one in the same direction."""
    return vector / np.linalg.norm(vector)


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    centers: np.ndarray
    normals: np.ndarray
    areas: np.ndarray
    triangles: np.ndarray


def _parts(triangles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Number of the connected part of each chosen triangle."""
    a, b, c = triangles[chosen].T
    size = int(triangles.max()) + 1
    rows, columns = np.concatenate([a, b]), np.concatenate([b, c])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(size, size))
    return connected_components(graph, directed=False)[1][a]


def _nearby(scapula: Surface, center_mm: np.ndarray, radius_mm: float) -> _Face:
    """Triangles within 2.6 head radii of the head's center, with normals averaged over about 0.05 radii.

    Large triangles are divided first, so that what is found does not depend on the mesh.
    """
    vectors = scapula.area_vectors_mm2()
    middle = scapula.points_mm[scapula.triangles].mean(axis=1)
    near = (np.linalg.norm(middle - center_mm, axis=1) < 2.6 * radius_mm) & (np.linalg.norm(vectors, axis=1) > 0)
    part, _ = with_small_triangles(Surface(scapula.points_mm, scapula.triangles[near]), radius_mm)
    smooth = part.area_vectors_mm2()
    areas = np.linalg.norm(smooth, axis=1)
    triangles, middle = part.triangles, part.points_mm[part.triangles].mean(axis=1)
    if len(triangles):
        edge = np.sqrt(4.0 / np.sqrt(3.0) * np.median(areas))
        rows = triangles.ravel()
        columns = np.repeat(np.arange(len(triangles)), 3)
        gather = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(part.points_mm), len(triangles)))
        matrix = gather.tocsr()
        for _ in range(int(np.clip(round((_SMOOTHING * radius_mm / edge) ** 2), 0, 10))):
            smooth = matrix.T @ (matrix @ smooth)
    lengths = np.maximum(np.linalg.norm(smooth, axis=1), 1e-300)
    return _Face(middle, smooth / lengths[:, None], areas, triangles)


def with_small_triangles(surface: Surface, radius_mm: float) -> tuple[Surface, int]:
    """The same surface in triangles that are small against a head's radius, and in how many each was divided.

    The parts of the nth of m triangles are the nth, the (n + m)th, the (n + 2 m)th and so on.
    """
    parts = 1
    for _ in range(_DIVISIONS):
        areas = np.linalg.norm(surface.area_vectors_mm2(), axis=1)
        if not len(areas) or np.sqrt(np.median(areas)) < _FINE_SHARE * radius_mm:
            break
        surface, parts = _divided(surface), 4 * parts
    return surface, parts


def _divided(surface: Surface) -> Surface:
    """The same surface with every triangle in four, by the middles of its edges."""
    a, b, c = surface.triangles.T
    edges = np.sort(np.stack([np.stack([a, b], 1), np.stack([b, c], 1), np.stack([c, a], 1)]).reshape(-1, 2), axis=1)
    unique, place = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = (place.reshape(3, -1) + len(surface.points_mm)).astype(np.int64)
    points = np.concatenate([surface.points_mm, surface.points_mm[unique].mean(axis=1)])
    corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return Surface(points, np.concatenate([np.stack(corner, axis=1) for corner in corners]))


def _start(face: _Face, scapula: Surface, center_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    part = _parts(face.triangles, chosen)
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


def _rim(face: _Face, center: np.ndarray, normal: np.ndarray, radius_mm: float, hint: np.ndarray) -> np.ndarray:
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
    part = _parts(face.triangles, chosen)
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


def _need_even_face(
    face: _Face, center: np.ndarray, normal: np.ndarray, up: np.ndarray, rim: np.ndarray, radius_mm: float
) -> None:
    """Raise where the face is not one smooth surface: a hole, an implant's shadow, a cut.

    A face may be concave, biconcave or flat; a surface of the fourth degree follows all these, but no hole.
    """
    offset = face.centers - center
    height = offset @ normal
    x, y = offset @ up / radius_mm, offset @ np.cross(up, normal) / radius_mm
    if not (np.hypot(x, y) * radius_mm < 0.5 * radius_mm).any():
        raise MultiJointSegError("the face of the glenoid has a hole")
    inner = 0.8 * float(np.median(np.linalg.norm(rim - center, axis=1)))
    chosen = np.flatnonzero((np.hypot(x, y) * radius_mm < inner) & (face.normals @ normal > 0.3))
    part = _parts(face.triangles, chosen)
    nearest = int(np.argmin(np.linalg.norm(offset[chosen], axis=1)))
    inside = chosen[part == part[nearest]]
    powers = [(a, b) for a in range(5) for b in range(5 - a)]
    if len(inside) < 3 * len(powers):
        raise MultiJointSegError("the face of the glenoid has a hole")
    design = np.column_stack([x[inside] ** a * y[inside] ** b for a, b in powers])
    root = np.sqrt(face.areas[inside])
    solution = np.linalg.lstsq(design * root[:, None], height[inside] * root, rcond=None)[0]
    away = height[inside] - design @ solution
    uneven = float(np.sqrt(face.areas[inside] @ away**2 / face.areas[inside].sum()))
    if uneven > _LARGEST_UNEVENNESS * radius_mm:
        raise MultiJointSegError(
            f"its face is uneven by {uneven:.1f} mm, accepted are {_LARGEST_UNEVENNESS * radius_mm:.1f} mm: a hole, an "
            "implant, or a part that was not segmented"
        )


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
    face = _nearby(scapula, center_mm, radius_mm)
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
    _need_even_face(face, center, normal, up, rim, radius_mm)
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
