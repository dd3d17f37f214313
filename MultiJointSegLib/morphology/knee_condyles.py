"""The condyles of the distal femur: tangents, spheres, and whether there are two."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.morphology.fits import SphereFit, fit_sphere
from MultiJointSegLib.morphology.frames import LandmarkMissing, perpendicular
from MultiJointSegLib.morphology.heads import sphere_errors
from MultiJointSegLib.morphology.landmarks import extreme_point
from MultiJointSegLib.surface.mesh import Surface

CONDYLES = 0.65
_LEAST_APART, _LEAST_NOTCH, _NOTCH_BINS = 0.35, 0.04, 16
"""Of a femur: distance of both condyles' most posterior points and depth of the notch, in units of the bone's size."""
_PATCH_DEG = (-60.0, 15.0)
"""Part of a posterior condyle that its sphere is fitted to: direction of the normal above (+) or below (-) posterior.
Farther up the growing epiphysis is not round, farther down the distal facet begins."""


def condyle_tangents(
    femur: Surface, superior: np.ndarray, posterior: np.ndarray, lateral: np.ndarray | None, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mediolateral, posterior, most posterior and most distal points (2, 3) of the condyles: medial, lateral."""
    height = femur.points_mm @ superior
    condyles = femur.points_mm[height < height.min() + CONDYLES * scale]
    across = np.cross(superior, posterior)
    back = np.zeros((2, 3))
    for _ in range(40):
        previous = across
        if lateral is not None and lateral @ across < 0:
            across = -across
        first, second = _halves(condyles, across)
        back = np.stack([extreme_point(first, posterior), extreme_point(second, posterior)])
        across = perpendicular(back[1] - back[0], superior)
        turned = np.cross(superior, across)
        posterior = turned * np.sign(turned @ posterior)
        if np.abs(across - previous).max() < 1e-9:
            break
    first, second = _halves(condyles, across)
    down = np.stack([extreme_point(first, -superior), extreme_point(second, -superior)])
    return across, posterior, back, down


def need_two_condyles(
    femur: Surface,
    superior: np.ndarray,
    across: np.ndarray,
    posterior: np.ndarray,
    back: np.ndarray,
    scale: float,
) -> None:
    """Raise `LandmarkMissing` where the femur has no two condyles with a notch between them.

    Anything has a most posterior point on either side of its middle; only of a femur do these two stay in their places
    when the bone is turned, and only then do directions and widths mean anything.
    """
    height = femur.points_mm @ superior
    condyles = femur.points_mm[height < height.min() + CONDYLES * scale]
    across_mm = condyles @ across
    first, second = sorted(float(p @ across) for p in back)
    apart = second - first
    if apart < _LEAST_APART * scale:
        raise LandmarkMissing(
            f"The bone labeled femur has no two condyles: its most posterior points on both sides are {apart:.0f} mm "
            f"apart, of a bone of that size at least {_LEAST_APART * scale:.0f} mm are expected. Check its label and "
            "shape."
        )
    bins = np.clip(((across_mm - first) / apart * _NOTCH_BINS).astype(int), 0, _NOTCH_BINS - 1)
    between = (across_mm > first) & (across_mm < second)
    rear = np.full(_NOTCH_BINS, -np.inf)
    np.maximum.at(rear, bins[between], condyles[between] @ posterior)
    depth = float((back @ posterior).min() - rear.min())
    if depth < _LEAST_NOTCH * scale:
        raise LandmarkMissing(
            f"The bone labeled femur has no notch between two condyles: it is {max(depth, 0.0):.1f} mm deep, of a bone "
            f"of that size at least {_LEAST_NOTCH * scale:.1f} mm are expected. Check its label and shape."
        )


def _halves(points: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points on the negative and on the positive side of the middle along a direction."""
    along = points @ across
    middle = 0.5 * (along.min() + along.max())
    return points[along < middle], points[along >= middle]


def condyle_spheres(
    femur: Surface, superior: np.ndarray, across: np.ndarray, posterior: np.ndarray, scale: float
) -> tuple[SphereFit, SphereFit]:
    """Spheres of the medial and lateral posterior condyle (negative and positive side along `across`)."""
    first, second = _condyle_patches(femur, superior, across, posterior, scale)
    return fit_sphere(first), fit_sphere(second)


def condyle_sphere_errors(
    femur: Surface,
    superior: np.ndarray,
    across: np.ndarray,
    posterior: np.ndarray,
    scale: float,
    spheres: tuple[SphereFit, SphereFit],
) -> np.ndarray:
    """Standard errors (2, 4) of center and radius of both spheres, see `sphere_errors`."""
    rows = []
    for points, fit in zip(_condyle_patches(femur, superior, across, posterior, scale), spheres, strict=True):
        distance = np.linalg.norm(points - fit.center_mm, axis=1) - fit.radius_mm
        near = points[np.abs(distance) <= 3.0 * max(fit.quality.residual_mm, 1e-3)]
        start = np.append(fit.center_mm, fit.radius_mm)
        rows.append(sphere_errors(near, np.ones(len(near)), start))
    return np.asarray(rows)


def _condyle_patches(
    femur: Surface, superior: np.ndarray, across: np.ndarray, posterior: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) of the medial and lateral posterior condyle (negative and positive side along `across`)."""
    vectors = femur.area_vectors_mm2()
    normals = vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None]
    centers = femur.points_mm[femur.triangles].mean(axis=1)
    height = centers @ superior
    low = float((femur.points_mm @ superior).min())
    sagittal = np.hypot(normals @ posterior, normals @ superior)
    elevation = np.degrees(np.arctan2(normals @ superior, normals @ posterior))
    patch = (sagittal > 0.7) & (elevation > _PATCH_DEG[0]) & (elevation < _PATCH_DEG[1])
    patch &= height < low + CONDYLES * scale
    along = centers @ across
    middle = 0.5 * float(along[height < low + CONDYLES * scale].min() + along[height < low + CONDYLES * scale].max())
    found = []
    for side in (-1.0, 1.0):
        chosen = patch & ((along - middle) * side > 0.08 * scale)
        if chosen.sum() < 30:
            raise LandmarkMissing("The posterior surface of a femoral condyle is not found.")
        # Only what lies up to a third of the bone's size in front of the most posterior point is condyle.
        back = centers[chosen] @ posterior
        found.append(centers[chosen][back > back.max() - 0.33 * scale])
    return found[0], found[1]
