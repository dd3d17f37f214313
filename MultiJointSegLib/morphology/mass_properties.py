"""Volume, centroid and principal axes of the solid inside a closed surface, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.surface.mesh import Surface


@dataclass(frozen=True, slots=True, eq=False)
class MassProperties:
    """The solid inside a closed surface, with density 1.

    Parameters
    ----------
    volume_mm3 : float
        Enclosed volume.
    centroid_mm : float ndarray of shape (3,)
        Centroid of the solid, LPS mm.
    covariance_mm2 : float ndarray of shape (3, 3)
        Mean of (x - centroid)(x - centroid)^T over the solid.
    axes : float ndarray of shape (3, 3)
        Rows are unit vectors (LPS) of the principal axes of inertia, the longest extension (smallest moment of inertia)
        first, right-handed. The largest LPS component of the first two is positive.
    """

    volume_mm3: float
    centroid_mm: np.ndarray
    covariance_mm2: np.ndarray
    axes: np.ndarray


def mass_properties(surface: Surface) -> MassProperties:
    """Exact integrals over the solid, summed over the tetrahedra that the triangles span with one point.

    For a tetrahedron with corners o, a, b, c (a, b, c relative to o) the integrals of 1, x and x x^T are
    d/6, d/24 (a + b + c) and d/120 (s s^T + a a^T + b b^T + c c^T) with d = a . (b x c) and s = a + b + c
    (Tonon 2004, doi:10.3844/jmssp.2005.8.11; the same result as Mirtich 1996, doi:10.1080/10867651.1996.10487458).

    Raises
    ------
    MultiJointSegError
        If the surface encloses no positive volume.
    """
    if not len(surface.triangles):
        raise MultiJointSegError("The surface has no triangle.")
    origin = surface.points_mm.mean(axis=0)
    a, b, c = np.moveaxis((surface.points_mm - origin)[surface.triangles], 1, 0)
    d = np.einsum("ij,ij->i", a, np.cross(b, c))
    volume = float(d.sum() / 6.0)
    if not volume > 0:
        raise MultiJointSegError(f"The surface encloses {volume:.3g} mm3; it is not closed or not oriented outward.")
    s = a + b + c
    centroid = d @ s / 24.0 / volume
    second = np.zeros((3, 3))
    for vector in (s, a, b, c):
        second += (vector * d[:, None]).T @ vector
    covariance = second / 120.0 / volume - np.outer(centroid, centroid)
    values, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, np.argsort(values)[::-1]].T
    for n in (0, 1):
        axes[n] *= np.sign(axes[n, np.argmax(np.abs(axes[n]))])
    axes[2] = np.cross(axes[0], axes[1])
    return MassProperties(volume, origin + centroid, covariance, axes)


def extent_along(surface: Surface, axis: np.ndarray) -> tuple[float, int, int]:
    """Extent (mm) of the surface along a unit vector, and the indices of its lowest and highest point."""
    along = surface.points_mm @ np.asarray(axis, float)
    low, high = int(np.argmin(along)), int(np.argmax(along))
    return float(along[high] - along[low]), low, high
