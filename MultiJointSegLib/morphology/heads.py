"""The sphere of a bone's articular head: femoral head, humeral head.

Search for the head region, without any assumption on the side, the pose or the axes of the bone:

1. Triangles on the edge of the field of view are put aside; 2000 points are drawn on the rest, evenly by area, each
   with its outward normal.
2. Pairs of points give candidates: on a sphere the normals of two points meet in the center at equal distances. Pairs
   whose normals miss each other, or meet at unequal distances, or outside the range of radii, are dropped.
3. A candidate's score is the area of the surface that lies on it: distance to the sphere within 4 % of the radius and
   normal within 25 degrees of the radial direction. Where the partner bone (hip bone, scapula) was segmented too, only
   candidates that come within 15 mm of it count. The best one wins: a head covers more of one sphere than
   any other part of these bones (shafts touch a sphere in a narrow ring only).
4. The sphere is refined on all triangles around it: geometric least squares, each triangle weighted by its area and
   Tukey's biweight, until it stands still; the inliers are the largest connected patch that lies on it.

The thresholds are this project's choice, checked on spheres, phantoms and real bones in Testing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from MultiJointSegLib.morphology.fits import geometric_sphere, tukey_weights
from MultiJointSegLib.surface.mesh import Surface

RADIUS_RANGE_MM = (5.0, 35.0)
SMALLEST_COVERAGE = {"femur": 0.35, "humerus": 0.25}
"""Share of the sphere that the head must show. Whole heads of the femora and humeri used in development cover
0.62 to 0.77 and 0.41 to 0.45; the most spherical condyle covers 0.26."""
LARGEST_RESIDUAL = 0.05
PARTNER_WITHIN_MM = 15.0
_SAMPLES = 2000
_CANDIDATES = 400
_TOLERANCE = 0.04
_SECTORS = 8


@dataclass(frozen=True, slots=True, eq=False)
class HeadSphere:
    """Sphere of a bone's head, or why there is none.

    Parameters
    ----------
    center_mm : float ndarray of shape (3,) or None
        LPS mm; None when `reason` says why.
    radius_mm : float or None
        Radius.
    residual_mm : float
        Root mean square distance of the inlier surface to the sphere, by area; nan without a candidate.
    inlier_fraction : float
        Inlier area over the area of all surface within 1.1 radii of the center.
    coverage : float
        Share of the whole sphere that the inlier patch covers, seen from the center (0 to 1).
    center_error_mm : float ndarray of shape (3,) or None
    radius_error_mm : float or None
        Standard errors (of each LPS coordinate, of the radius) by leaving out one eighth of the patch after the
        other (delete-a-group jackknife).
    reason : str
        Why there is no sphere, else "".
    """

    center_mm: np.ndarray | None
    radius_mm: float | None
    residual_mm: float
    inlier_fraction: float
    coverage: float
    center_error_mm: np.ndarray | None
    radius_error_mm: float | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class _Patches:
    """Triangles as small patches: centers (m, 3), unit normals (m, 3), areas (m,), corner indices (m, 3)."""

    centers: np.ndarray
    normals: np.ndarray
    areas: np.ndarray
    triangles: np.ndarray


def _patches(surface: Surface, left_out: np.ndarray | None) -> _Patches:
    vectors = surface.area_vectors_mm2()
    areas = np.linalg.norm(vectors, axis=1)
    keep = areas > 0
    if left_out is not None:
        keep &= ~left_out
    centers = surface.points_mm[surface.triangles[keep]].mean(axis=1)
    return _Patches(centers, vectors[keep] / areas[keep, None], areas[keep], surface.triangles[keep])


def _candidates(points: np.ndarray, normals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spheres (n, 4) from pairs of points whose inward normals meet at equal distances."""
    a, b = rng.integers(0, len(points), (2, 200 * _CANDIDATES))
    na, nb, gap = -normals[a], -normals[b], points[b] - points[a]
    cosine = np.einsum("ij,ij->i", na, nb)
    # Closest points of the two normal lines.
    along_a, along_b = np.einsum("ij,ij->i", gap, na), np.einsum("ij,ij->i", gap, nb)
    sine2 = np.maximum(1.0 - cosine**2, 1e-9)
    ta, tb = (along_a - cosine * along_b) / sine2, (cosine * along_a - along_b) / sine2
    ends = points[a] + ta[:, None] * na, points[b] + tb[:, None] * nb
    radius = 0.5 * (ta + tb)
    good = (np.abs(cosine) < 0.94) & (ta > 0) & (tb > 0)
    good &= (np.abs(ta - tb) < 0.1 * radius) & (np.linalg.norm(ends[0] - ends[1], axis=1) < 0.1 * radius)
    good &= (radius > RADIUS_RANGE_MM[0]) & (radius < RADIUS_RANGE_MM[1])
    spheres = np.column_stack([0.5 * (ends[0] + ends[1]), radius])[good]
    return spheres[: 2 * _CANDIDATES]


def _on_sphere(sphere: np.ndarray, centers: np.ndarray, normals: np.ndarray, tolerance_mm: float) -> np.ndarray:
    offset = centers - sphere[:3]
    distance = np.linalg.norm(offset, axis=1)
    radial = np.einsum("ij,ij->i", offset, normals)
    return (np.abs(distance - sphere[3]) < tolerance_mm) & (radial > np.cos(np.radians(25.0)) * distance)


def _best_candidate(patches: _Patches, partner: Surface | None) -> np.ndarray | None:
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(patches.areas), _SAMPLES, p=patches.areas / patches.areas.sum())
    points, normals = patches.centers[chosen], patches.normals[chosen]
    spheres = _candidates(points, normals, rng)
    if partner is not None and len(spheres):
        nearest, _ = cKDTree(partner.points_mm).query(spheres[:, :3])
        spheres = spheres[np.abs(nearest - spheres[:, 3]) < PARTNER_WITHIN_MM]
    scores = [_on_sphere(s, points, normals, _TOLERANCE * s[3]).sum() for s in spheres]
    return spheres[int(np.argmax(scores))] if scores else None


def _largest_patch(triangles: np.ndarray, areas: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The triangles among `inside` that form the connected patch of largest area."""
    chosen = np.flatnonzero(inside)
    if not len(chosen):
        return inside
    a, b, c = triangles[chosen].T
    count = int(triangles.max()) + 1
    rows, columns = np.concatenate([a, b]), np.concatenate([b, c])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    part = connected_components(graph, directed=False)[1][a]
    result = np.zeros_like(inside)
    result[chosen[part == np.argmax(np.bincount(part, areas[chosen]))]] = True
    return result


def _refine(patches: _Patches, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sphere (4,) and its inlier triangles (m,)."""
    sphere = start
    for _ in range(30):
        near = _on_sphere(sphere, patches.centers, patches.normals, 3.0 * _TOLERANCE * sphere[3])
        near = _largest_patch(patches.triangles, patches.areas, near)
        if near.sum() < 20:
            break
        distance = np.linalg.norm(patches.centers[near] - sphere[:3], axis=1) - sphere[3]
        weights = tukey_weights(distance)[0] * patches.areas[near]
        better = geometric_sphere(patches.centers[near], weights, sphere, steps=1)
        if better is None or not RADIUS_RANGE_MM[0] * 0.5 < better[3] < RADIUS_RANGE_MM[1] * 1.5:
            break
        moved = float(np.abs(better - sphere).max())
        sphere = better
        if moved < 1e-4:
            break
    inside = _on_sphere(sphere, patches.centers, patches.normals, _TOLERANCE * sphere[3])
    return sphere, _largest_patch(patches.triangles, patches.areas, inside)


def sphere_errors(points: np.ndarray, weights: np.ndarray, sphere: np.ndarray) -> np.ndarray:
    """Standard errors (4,) of center and radius of a sphere by leaving out one eighth of the patch after the other.

    Unlike the residual, they contain what neighboring points have in common, as outlines drawn by hand do. Infinite
    where no sphere fits without an eighth.
    """
    direction = (points - sphere[:3]) / np.linalg.norm(points - sphere[:3], axis=1)[:, None]
    middle = weights @ direction
    middle /= np.linalg.norm(middle)
    first = np.cross(middle, np.eye(3)[np.argmin(np.abs(middle))])
    first /= np.linalg.norm(first)
    angle = np.arctan2(direction @ np.cross(middle, first), direction @ first)
    sector = np.floor((angle / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    fits = []
    for n in range(_SECTORS):
        fit = geometric_sphere(points[sector != n], weights[sector != n], sphere)
        if fit is not None:
            fits.append(fit)
    if len(fits) < 2:
        return np.full(4, np.inf)
    spread = np.asarray(fits) - np.mean(fits, axis=0)
    return np.sqrt((len(fits) - 1) / len(fits) * (spread**2).sum(axis=0))


def _none(reason: str, residual: float = float("nan"), fraction: float = 0.0, coverage: float = 0.0) -> HeadSphere:
    return HeadSphere(None, None, residual, fraction, coverage, None, None, reason)


def fit_head(
    surface: Surface,
    *,
    smallest_coverage: float,
    on_edge: np.ndarray | None = None,
    partner: Surface | None = None,
) -> HeadSphere:
    """Sphere of the articular head of a femur or humerus.

    Parameters
    ----------
    surface : Surface
        The bone, LPS mm; it may be cut by the field of view.
    smallest_coverage : float
        Share of the sphere (0 to 1) that must lie on the bone, see `SMALLEST_COVERAGE`.
    on_edge : bool ndarray of shape (m,), optional
        Triangles on the edge of the field of view, which are no bone surface.
    partner : Surface, optional
        The bone with the socket.

    Returns
    -------
    HeadSphere
        With `reason` instead of center and radius when no sphere of 5 to 35 mm radius lies on the bone, when the
        inliers cover too little of it, or when their residual is above 5 % of the radius.
    """
    patches = _patches(surface, on_edge)
    if len(patches.areas) < 50:
        return _none("the bone's surface is too small for a sphere fit")
    start = _best_candidate(patches, partner)
    if start is None:
        return _none("no part of the bone's surface is spherical; the head seems to be outside the field of view")
    sphere, inside = _refine(patches, start)
    offset = patches.centers - sphere[:3]
    distance = np.linalg.norm(offset, axis=1)
    radius, areas = float(sphere[3]), patches.areas
    around = areas[distance < 1.1 * radius].sum()
    if inside.sum() < 20 or not RADIUS_RANGE_MM[0] <= radius <= RADIUS_RANGE_MM[1]:
        return _none("no part of the bone's surface is spherical; the head seems to be outside the field of view")
    weights = areas[inside]
    residual = float(np.sqrt(weights @ (distance[inside] - radius) ** 2 / weights.sum()))
    fraction = float(weights.sum() / around)
    solid = np.einsum("ij,ij->i", offset, patches.normals)[inside] * weights / distance[inside] ** 3
    coverage = float(solid.sum() / (4.0 * np.pi))
    if coverage < smallest_coverage:
        return _none(
            f"only {100 * coverage:.0f} % of a sphere lies on the bone's surface, {100 * smallest_coverage:.0f} % "
            "are needed; the head seems to be outside the field of view or cut by it",
            residual, fraction, coverage,
        )  # fmt: skip
    if residual > LARGEST_RESIDUAL * radius:
        return _none(
            f"the head is not spherical: residual {residual:.2f} mm, accepted are {LARGEST_RESIDUAL * radius:.2f} mm",
            residual, fraction, coverage,
        )  # fmt: skip
    error = sphere_errors(patches.centers[inside], weights, sphere)
    if not np.isfinite(error).all():
        return _none("no sphere fits without a part of the head", residual, fraction, coverage)
    return HeadSphere(sphere[:3], radius, residual, fraction, coverage, error[:3], float(error[3]), "")
