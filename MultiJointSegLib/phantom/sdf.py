"""Signed distance functions: the primitives that bones are built from.

Every function here returns a `Shape`: a callable that takes points of shape (n, 3), float32, millimeters, and returns
signed distances (n,) in millimeters, negative inside. Spheres, capsules, plates of triangles and rigid motions are
exact; cones, ellipsoids, lofts and smooth unions are first-order approximations, good close to the surface, which is
where they are used. Round cone and triangle follow the closed forms collected by I. Quilez,
https://iquilezles.org/articles/distfunctions (formulae, re-derived and written anew for arrays of points).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

Shape = Callable[[np.ndarray], np.ndarray]
Triple = Sequence[float] | np.ndarray
"""A point, direction or size in mm."""


def _vector(values: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)


def sphere(center: Triple, radius: float) -> Shape:
    """Ball."""
    c = _vector(center)
    return lambda p: np.sqrt(((p - c) ** 2).sum(1)) - np.float32(radius)


def ellipsoid(center: Triple, radii: Triple, axes: np.ndarray | None = None) -> Shape:
    """Ellipsoid; `axes` holds its axes as columns (identity by default)."""
    c, r = _vector(center), _vector(radii)
    rotation = None if axes is None else _vector(axes)

    def distance(p: np.ndarray) -> np.ndarray:
        q = p - c
        if rotation is not None:
            q = q @ rotation
        q = q / r
        k0 = np.sqrt((q * q).sum(1))
        q = q / r
        k1 = np.sqrt((q * q).sum(1)) + np.float32(1e-9)
        # The quotient vanishes at the center; the smallest radius bounds the depth there.
        return np.maximum(k0 * (k0 - 1) / k1, -r.min())

    return distance


def round_cone(start: Triple, start_radius: float, end: Triple, end_radius: float) -> Shape:
    """Capsule whose radius changes linearly from one end to the other."""
    a, b = _vector(start), _vector(end)
    axis = b - a
    length2 = np.float32(max(float(axis @ axis), 1e-6))
    length = float(np.sqrt(length2))
    # Perpendicular distance to a cone is shortened by the cosine of its half angle.
    cosine = np.float32(np.sqrt(max(1.0 - ((start_radius - end_radius) / length) ** 2, 0.2)))

    def distance(p: np.ndarray) -> np.ndarray:
        q = p - a
        t = np.clip((q @ axis) / length2, 0, 1)
        away = np.sqrt(((q - t[:, None] * axis) ** 2).sum(1))
        return (away - (start_radius + t * np.float32(end_radius - start_radius))) * cosine

    return distance


def tube(points: Sequence[Triple], radii: Sequence[float]) -> Shape:
    """Tube along a polyline with a radius at each point."""
    parts = [round_cone(points[n], radii[n], points[n + 1], radii[n + 1]) for n in range(len(points) - 1)]
    return union(*parts)


def half_space(point: Triple, normal: Triple) -> Shape:
    """Everything on the side of the plane that `normal` points away from."""
    n = _vector(normal)
    n = n / np.linalg.norm(n)
    offset = np.float32(n @ _vector(point))
    return lambda p: p @ n - offset


def slab(point: Triple, normal: Triple, half_thickness: float) -> Shape:
    """Points closer than `half_thickness` to a plane."""
    plane = half_space(point, normal)
    return lambda p: np.abs(plane(p)) - np.float32(half_thickness)


def cylinder(center: Triple, axis: Triple, radius: float) -> Shape:
    """Infinite cylinder."""
    c, n = _vector(center), _vector(axis)
    n = n / np.linalg.norm(n)

    def distance(p: np.ndarray) -> np.ndarray:
        q = p - c
        return np.sqrt(np.maximum((q * q).sum(1) - (q @ n) ** 2, 0)) - np.float32(radius)

    return distance


def rounded_box(center: Triple, half_size: Triple, radius: float) -> Shape:
    """Box of the given half sizes with edges rounded by `radius`."""
    c, h = _vector(center), _vector(half_size) - np.float32(radius)

    def distance(p: np.ndarray) -> np.ndarray:
        q = np.abs(p - c) - h
        outside = np.sqrt((np.maximum(q, 0) ** 2).sum(1))
        return outside + np.minimum(q.max(1), 0) - np.float32(radius)

    return distance


def triangle(a: Triple, b: Triple, c: Triple, half_thickness: float) -> Shape:
    """Plate: all points closer than `half_thickness` to a triangle."""
    va, vb, vc = _vector(a), _vector(b), _vector(c)
    normal = np.cross(vb - va, vc - va)
    normal2 = np.float32(normal @ normal)

    def edge(p: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        e = stop - start
        q = p - start
        t = np.clip((q @ e) / np.float32(e @ e), 0, 1)
        return ((q - t[:, None] * e) ** 2).sum(1)

    def distance(p: np.ndarray) -> np.ndarray:
        squared = np.minimum(np.minimum(edge(p, va, vb), edge(p, vb, vc)), edge(p, vc, va))
        inside = (
            ((p - va) @ np.cross(normal, vb - va) >= 0)
            & ((p - vb) @ np.cross(normal, vc - vb) >= 0)
            & ((p - vc) @ np.cross(normal, va - vc) >= 0)
        )
        plane2 = ((p - va) @ normal) ** 2 / normal2
        return np.sqrt(np.where(inside, plane2, squared)) - np.float32(half_thickness)

    return distance


def loft(
    stations: Sequence[Sequence[float]], *, exponent: float = 2.0, lobe: tuple[float, float] = (0.0, 0.0)
) -> Shape:
    """Solid along z with superelliptic cross sections, the shape of shafts and their flares.

    Parameters
    ----------
    stations
        Rows (z, center x, center y, half width in x, half width in y), z increasing; monotone cubic in between.
        The solid ends flat at the first and the last z.
    exponent
        2 is an ellipse; larger is boxier.
    lobe
        Amplitude (share of the radius) and angle in degrees (from +x to +y) of one corner of a three-cornered section,
        as in the shaft of the tibia.
    """
    table = np.asarray(stations, float)
    low, high = table[0, 0], table[-1, 0]
    fine_z = np.linspace(low, high, 256)
    fine = np.stack([PchipInterpolator(table[:, 0], table[:, n])(fine_z) for n in range(1, 5)]).astype(np.float32)
    slope = np.gradient(fine, fine_z, axis=1).astype(np.float32)
    amplitude, angle = lobe[0], np.deg2rad(lobe[1])

    def distance(p: np.ndarray) -> np.ndarray:
        z = p[:, 2]
        at = np.clip((z - low) / (high - low) * 255, 0, 254.999)
        index = at.astype(np.int32)
        fraction = (at - index).astype(np.float32)

        def row(values: np.ndarray) -> np.ndarray:
            return values[index] * (1 - fraction) + values[index + 1] * fraction

        cx, cy, a, b = (row(fine[n]) for n in range(4))
        dx, dy = p[:, 0] - cx, p[:, 1] - cy
        rho = np.sqrt(dx * dx + dy * dy) + np.float32(1e-4)
        ux, uy = np.abs(dx) / rho, np.abs(dy) / rho
        if exponent == 2.0:
            radius = 1 / np.sqrt((ux / a) ** 2 + (uy / b) ** 2)
        else:
            radius = ((ux / a) ** exponent + (uy / b) ** exponent) ** np.float32(-1 / exponent)
        if amplitude:
            theta = np.arctan2(dy, dx)
            radius = radius * (1 + np.float32(amplitude) * np.cos(3 * (theta - np.float32(angle))))
        # First order: gap along the ray, shortened by the slopes of the section's rim and of the flare.
        rim = (1 / b**2 - 1 / a**2) * radius**2 * ux * uy
        flare = (slope[2][index] * ux**2 + slope[3][index] * uy**2) + (
            slope[0][index] * dx + slope[1][index] * dy
        ) / rho
        side = (rho - radius) / np.sqrt(1 + rim**2 + flare**2)
        caps = np.maximum(z - np.float32(high), np.float32(low) - z)
        return np.maximum(side, caps)

    return distance


def union(*shapes: Shape) -> Shape:
    """Sharp union."""

    def distance(p: np.ndarray) -> np.ndarray:
        d = shapes[0](p)
        for shape in shapes[1:]:
            d = np.minimum(d, shape(p))
        return d

    return distance


def _smooth_minimum(a: np.ndarray, b: np.ndarray, blend_mm: float) -> np.ndarray:
    # Quadratic blend: differs from the minimum only where |a - b| < blend_mm, by at most blend_mm / 4.
    k = np.float32(blend_mm)
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.minimum(a, b) - h * h * k * np.float32(0.25)


def smooth_union(blend_mm: float, *shapes: Shape) -> Shape:
    """Union whose seams are filled by a fillet of about `blend_mm`."""

    def distance(p: np.ndarray) -> np.ndarray:
        d = shapes[0](p)
        for shape in shapes[1:]:
            d = _smooth_minimum(d, shape(p), blend_mm)
        return d

    return distance


def smooth_intersection(blend_mm: float, *shapes: Shape) -> Shape:
    """Intersection whose edges are rounded by about `blend_mm`."""

    def distance(p: np.ndarray) -> np.ndarray:
        d = -shapes[0](p)
        for shape in shapes[1:]:
            d = _smooth_minimum(d, -shape(p), blend_mm)
        return -d

    return distance


def smooth_difference(blend_mm: float, body: Shape, *removed: Shape) -> Shape:
    """Body without the removed shapes, edges rounded by about `blend_mm`."""

    def distance(p: np.ndarray) -> np.ndarray:
        d = -body(p)
        for shape in removed:
            d = _smooth_minimum(d, shape(p), blend_mm)
        return -d

    return distance


def offset(shape: Shape, grow_mm: float) -> Shape:
    """Shape grown by `grow_mm` (shrunk when negative)."""
    return lambda p: shape(p) - np.float32(grow_mm)


def moved(shape: Shape, rotation: np.ndarray, translation: Triple = (0, 0, 0)) -> Shape:
    """Shape turned by `rotation` (3x3, acting on columns) about the origin, then translated."""
    r, t = _vector(rotation), _vector(translation)
    return lambda p: shape((p - t) @ r)


def scaled(shape: Shape, factor: float) -> Shape:
    """Shape enlarged about the origin."""
    f = np.float32(factor)
    return lambda p: shape(p / f) * f


def rotation_deg(axis: Triple, angle_deg: float) -> np.ndarray:
    """3x3 matrix (float64) of the right-handed rotation about an axis."""
    n = np.asarray(axis, float)
    x, y, z = n / np.linalg.norm(n)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(angle_deg)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
