"""The sphere of the femoral head: rays in every axial slice, circles from slice to slice, one sphere through all.

In spongy bone dense strands look like borders, and in thick voxels they are as steep: a second search looks only near
the sphere that the circles agreed on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MultiJointSegLib.annotation.circles import Circle, disc_radius, refine_circle
from MultiJointSegLib.annotation.ray_rules import ALL_RULES, RayRules, ray_candidates
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.fits import SphereFit, fit_sphere

RAYS = 120
STEP_MM = 0.4
BLUR_MM = 0.5
BONE_HU = 130.0
VALLEY_HU_PER_MM2 = 120.0
"""Curvature across a dark line at which it counts as joint space by about a half."""
LOWEST_SLICES = 0.9
"""Slices up to this share of the radius from the center are used: nearer to the poles they cut the surface flat."""
LARGEST_SPREAD_MM = 3.0
"""In a slice of some thickness the surface covers a ring; wider ones, which all lie too far out, are not used."""
NEAR_SPHERE_MM = (3.5, 2.5)
"""How far from the sphere so far the border may lie in the second search and in the one after it."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadSphere:
    """Sphere of one femoral head, in mm along (k, j, i) from the first voxel of the crop.

    Parameters
    ----------
    center : float ndarray of shape (3,)
        Center.
    radius : float
        Radius.
    residual : float
        Root mean square distance of the boundary points to the sphere.
    coverage : float
        Share of rays, over all slices that cut the head, that met its boundary.
    circles : dict of int to Circle
        Circle of each slice.
    points : float ndarray of shape (n, 3)
        Boundary points.
    """

    center: np.ndarray
    radius: float
    residual: float
    coverage: float
    circles: dict[int, Circle]
    points: np.ndarray


def find_head_sphere(
    image: np.ndarray, spacing_mm: np.ndarray, start: np.ndarray, radius: float, rules: RayRules = ALL_RULES
) -> HeadSphere:
    """Sphere of the head near a rough one.

    Parameters
    ----------
    image : ndarray of shape (k, j, i)
        HU of a box around the head; axis 0 upward.
    spacing_mm : (3,)
        Along (k, j, i).
    start : (3,)
        Rough center in mm along (k, j, i).
    radius : float
        Rough radius in mm.
    rules : RayRules
        Switches for ablations.

    Raises
    ------
    MultiJointSegError
        If fewer than three slices show the boundary of a head.
    """
    first = int(np.clip(round(start[0] / spacing_mm[0]), 0, len(image) - 1))
    circles: dict[int, Circle] = {}
    points: list[np.ndarray] = []
    met: list[float] = []
    for direction in (1, -1):
        previous = Circle((float(start[1]), float(start[2])), radius)
        k = first if direction == 1 else first - 1
        while 0 <= k < len(image) and abs(k * spacing_mm[0] - start[0]) < LOWEST_SLICES * radius:
            expected = disc_radius(radius, k * spacing_mm[0] - start[0])
            found = _slice_circle(image[k], spacing_mm[1:], previous, expected, rules)
            if found is not None:
                circle, inliers, share = found
                circles[k] = circle
                met.append(share)
                points.append(np.column_stack([np.full(len(inliers), k * spacing_mm[0]), inliers]))
                previous = circle
            else:
                met.append(0.0)
            k += direction
    if len(circles) < 3:
        raise MultiJointSegError("Fewer than three slices show the boundary of a femoral head.")
    cloud = np.concatenate(points)
    if rules.sphere_prior:
        fit = fit_sphere(cloud)
        for tolerance_mm in NEAR_SPHERE_MM:
            near = _near_sphere(image, spacing_mm, fit, tolerance_mm, rules)
            if near is None:
                break
            cloud, share = near
            met = [share]
            fit = fit_sphere(cloud)
        center, size, residual = fit.center_mm, fit.radius_mm, fit.quality.residual_mm
    else:
        center, size, residual = _from_circles(circles, spacing_mm)
    return HeadSphere(np.asarray(center), float(size), float(residual), float(np.mean(met)), circles, cloud)


def highest_used(radius: float, thickness_mm: float) -> float:
    """How far from the center slices are used: up to where a sphere's outline moves by `LARGEST_SPREAD_MM` in a slice.

    The outline r(z) = sqrt(R^2 - z^2) moves by z t / r(z) over a thickness t. Three slices are always left.

    Examples
    --------
    >>> round(highest_used(24.0, 1.0), 1), round(highest_used(24.0, 5.0), 1)
    (21.6, 12.3)
    """
    ratio = LARGEST_SPREAD_MM / thickness_mm
    limit = max(radius * ratio / np.hypot(1.0, ratio), 1.5 * thickness_mm)
    return float(min(limit, LOWEST_SLICES * radius))


def _near_sphere(
    image: np.ndarray, spacing_mm: np.ndarray, sphere: SphereFit, tolerance_mm: float, rules: RayRules
) -> tuple[np.ndarray, float] | None:
    """Boundary points (n, 3) near a sphere, at most one per ray, and the share of rays that have one."""
    limit = highest_used(sphere.radius_mm, float(spacing_mm[0]))
    points, rays = [], 0
    for k in range(len(image)):
        height = k * spacing_mm[0] - sphere.center_mm[0]
        if abs(height) > limit:
            continue
        rays += RAYS
        expected = disc_radius(sphere.radius_mm, height)
        met = _met_by_rays(image[k], spacing_mm[1:], sphere.center_mm[1:], expected, rules)
        if met is None:
            continue
        ray, position, strength, angle = met
        # Along the sphere's normal.
        away = (position - expected) * expected / sphere.radius_mm
        worth = np.where(np.abs(away) < tolerance_mm, strength * np.exp(-((away / tolerance_mm) ** 2)), 0.0)
        best = np.full(RAYS, -1)
        order = np.argsort(worth, kind="stable")
        best[ray[order]] = order
        best = best[best >= 0]
        best = best[worth[best] > 0]
        at = sphere.center_mm[1:] + position[best][:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)[ray[best]]
        points.append(np.column_stack([np.full(len(best), k * spacing_mm[0]), at]))
    if sum(len(p) for p in points) < RAYS // 2:
        return None
    cloud = np.concatenate(points)
    return cloud, len(cloud) / max(rays, 1)


def _slice_circle(
    part: np.ndarray, spacing: np.ndarray, previous: Circle, expected: float, rules: RayRules
) -> tuple[Circle, np.ndarray, float] | None:
    """Circle of one slice near that of its neighbor, its boundary points (n, 2) in mm, and the share of rays met."""
    center = np.asarray(previous.center)
    met = _met_by_rays(part, spacing, center, expected, rules)
    if met is None:
        return None
    ray, positions, strength, angle = met
    points = np.column_stack([center[0] + np.sin(angle[ray]) * positions, center[1] + np.cos(angle[ray]) * positions])
    # Behind the joint space the socket's outer surface falls as well: what a ray meets first counts more.
    order = np.arange(len(ray)) - np.searchsorted(ray, ray) + 1
    weights = strength / np.sqrt(order)
    refined = refine_circle(points, weights, Circle(previous.center, expected), (0.8 * expected, 1.2 * expected), 4.0)
    if refined is None:
        return None
    circle, inliers = refined
    share = len(np.unique(ray[inliers])) / RAYS
    return (circle, points[inliers], share) if share > 0.2 else None


def _met_by_rays(
    part: np.ndarray, spacing: np.ndarray, center: np.ndarray, expected: float, rules: RayRules
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Candidates along rays from a point of one slice, ordered by ray and distance.

    Number of the ray, distance from the point in mm and strength 0 to 1 of each, and the angle of every ray; None where
    the slice ends.
    """
    reach = 1.7 * expected + 4.0
    low = np.maximum(np.floor((center - reach) / spacing).astype(int) - 3, 0)
    high = np.minimum(np.ceil((center + reach) / spacing).astype(int) + 4, part.shape)
    if (high - low < 8).any():
        return None
    crop = np.clip(part[low[0] : high[0], low[1] : high[1]], -200, 1800).astype(np.float32)
    enhanced = joint_enhanced(crop, spacing)
    slope = [ndimage.gaussian_filter(enhanced, BLUR_MM / spacing, order=o, truncate=3) for o in ((1, 0), (0, 1))]
    gradient = np.hypot(slope[0] / spacing[0], slope[1] / spacing[1])
    angle = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)  # the first ray is not repeated as the last
    length = np.arange(0.45 * expected, reach, STEP_MM)
    rows = center[0] + np.sin(angle)[:, None] * length
    columns = center[1] + np.cos(angle)[:, None] * length
    at = np.stack([rows / spacing[0] - low[0], columns / spacing[1] - low[1]])
    e, g = (ndimage.map_coordinates(field, at, order=1, mode="nearest") for field in (enhanced, gradient))
    inward = max(1, round(1.2 / STEP_MM))
    dense = ndimage.maximum_filter1d(e, inward, axis=1, origin=(inward - 1) // 2) > BONE_HU
    found = ray_candidates(e, g, dense & (g > 0.25 * np.percentile(g, 90)), rules)
    ray, step = np.nonzero(found)
    positions = length[step] + _sub_step(g, ray, step) * STEP_MM
    return ray, positions, g[ray, step] / max(float(g.max()), 1e-6), angle


def joint_enhanced(image: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """E = (1 - V) I: the blurred image with dark lines, such as the joint space, pressed down.

    V = 1 - exp(-l^2 / s^2) with the largest positive eigenvalue l of the Hessian at 1 mm, s = 120 HU / mm^2: a ridge
    measure in the way of Frangi et al. 1998 (doi:10.1007/BFb0056195) that sees lines only.
    """
    smooth = ndimage.gaussian_filter(image, BLUR_MM / spacing_mm, truncate=3)
    wide = ndimage.gaussian_filter(image, 1.0 / spacing_mm, truncate=3)
    rows, columns = (np.gradient(wide, spacing_mm[a], axis=a) for a in (0, 1))
    aa, ab = (np.gradient(rows, spacing_mm[a], axis=a) for a in (0, 1))
    bb = np.gradient(columns, spacing_mm[1], axis=1)
    largest = 0.5 * (aa + bb) + np.sqrt(0.25 * (aa - bb) ** 2 + ab**2)
    valley = 1 - np.exp(-((np.maximum(largest, 0) / VALLEY_HU_PER_MM2) ** 2))
    return np.asarray(np.where(smooth > 0, (1 - valley) * smooth, smooth), np.float32)


def _sub_step(gradient: np.ndarray, ray: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Position of the gradient's maximum between samples, by a parabola, in steps within +-0.5."""
    last = gradient.shape[1] - 1
    before, here, after = (gradient[ray, np.clip(step + d, 0, last)] for d in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = np.where(bend < -1e-6, 0.5 * (before - after) / np.where(bend < -1e-6, bend, 1), 0.0)
    return np.clip(shift, -0.5, 0.5)


def _from_circles(circles: dict[int, Circle], spacing_mm: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Sphere without a fit, as the published method takes it: median center, largest radius."""
    rows = np.array([[k * spacing_mm[0], *c.center, c.radius] for k, c in circles.items()])
    largest = rows[:, 3] > rows[:, 3].max() - 0.5
    center = np.array([rows[largest, 0].mean(), np.median(rows[:, 1]), np.median(rows[:, 2])])
    size = float(rows[:, 3].max())
    expected = np.sqrt(np.maximum(size**2 - (rows[:, 0] - center[0]) ** 2, 0))
    return center, size, float(np.sqrt(np.mean((rows[:, 3] - expected) ** 2)))
