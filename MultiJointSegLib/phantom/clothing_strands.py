"""Strands: muscles, tendons and vessels as chains of capsules with a flattened or round cross-section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, distance_to_polyline

_REACH_MM = 14.0
"""Distance from a strand's surface beyond which it is not looked at."""


@dataclass(frozen=True, slots=True)
class Strand:
    """A chain of capsules.

    Parameters
    ----------
    points_mm : (n, 3), LPS
    radii_mm : (n,)
        Half thickness at the points.
    wide_axis : (3,) or None
        Unit vector (LPS) along which the cross-section is `widening` times wider than thick.
    widening : float
    """

    points_mm: np.ndarray
    radii_mm: np.ndarray
    wide_axis: np.ndarray | None = None
    widening: float = 1.0

    def bounds(self, reach_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """LPS corners of a box that holds the strand and its surroundings."""
        reach = float(np.max(self.radii_mm)) * max(self.widening, 1.0) + reach_mm
        return self.points_mm.min(0) - reach, self.points_mm.max(0) + reach

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance in mm (of the thickness direction) to the surface, negative inside."""
        if self.wide_axis is None or self.widening == 1.0:
            return distance_to_polyline(x, y, z, self.points_mm, self.radii_mm)
        axis = np.asarray(self.wide_axis, np.float32)
        shrink = np.float32(1 / self.widening - 1)
        along = x * axis[0] + y * axis[1] + z * axis[2]
        points = self.points_mm + shrink * (self.points_mm @ axis)[:, None] * axis
        moved = [c + shrink * along * axis[n] for n, c in enumerate((x, y, z))]
        return distance_to_polyline(moved[0], moved[1], moved[2], points, self.radii_mm)


@dataclass(frozen=True, slots=True)
class Trunk:
    """Superellipses stacked along the body axis, in anatomical coordinates (mm) of the frame.

    Parameters
    ----------
    center_mm : (lateral, anterior)
    half_mm : (lateral, anterior)
    top_mm, bottom_mm : float
        Level where it is rounded off above and below.
    cage : bool
        Whether it holds a rib cage with a lung; otherwise fat and organs.
    """

    center_mm: tuple[float, float]
    half_mm: tuple[float, float]
    top_mm: float = 1e3
    bottom_mm: float = -1e3
    cage: bool = False

    def distance(self, lateral: np.ndarray, anterior: np.ndarray, superior: np.ndarray) -> np.ndarray:
        """Approximate signed distance in mm, negative inside."""
        u = (lateral - self.center_mm[0]) / self.half_mm[0]
        v = (anterior - self.center_mm[1]) / self.half_mm[1]
        radial = (u**4 + v**4 + u**2 * v**2) ** 0.25
        side = (radial - 1) * min(self.half_mm)
        rounded = 0.5 * min(self.half_mm)
        over = np.maximum(superior - (self.top_mm - rounded), (self.bottom_mm + rounded) - superior)
        over = np.maximum(over, 0)
        return np.sqrt(np.maximum(side + rounded, 0) ** 2 + over**2) - rounded + np.minimum(side + rounded, 0)


@dataclass(slots=True)
class Plan:
    """What a joint's soft tissue consists of, besides cartilage and fat.

    Parameters
    ----------
    muscles, tendons, vessels, fluid : lists of Strand
    pads : list of Strand
        Fat that shapes the outline (heel pad).
    trunk : Trunk or None
        Part of the trunk that fills the medial side of the field of view.
    closing_mm : float
        Radius of the ball with which bones and muscles are closed to one smooth body.
    cover_mm : float
        Thinnest layer of soft tissue over the closed body, besides skin and fat.
    slack_mm : pairs (superior mm, mm)
        How far muscles spread beyond their strands to fill the room under the fascia, by level.
    """

    muscles: list[Strand] = field(default_factory=list)
    tendons: list[Strand] = field(default_factory=list)
    vessels: list[Strand] = field(default_factory=list)
    fluid: list[Strand] = field(default_factory=list)
    pads: list[Strand] = field(default_factory=list)
    trunk: Trunk | None = None
    closing_mm: float = 20.0
    cover_mm: float = 1.5
    slack_mm: tuple[tuple[float, float], ...] = ((0.0, 3.0),)


def _box_of(strand: Strand, grid: CoarseGrid, reach_mm: float) -> tuple[slice, slice, slice] | None:
    low, high = strand.bounds(reach_mm)
    origin = np.array(grid.fine.origin_mm)
    first = np.clip(np.floor((low - origin) / grid.spacing_mm), 0, None).astype(int)
    last = np.minimum(np.ceil((high - origin) / grid.spacing_mm).astype(int) + 1, grid.shape[::-1])
    if np.any(first >= last):
        return None
    i, j, k = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return k, j, i


def nearest_strands(
    strands: Sequence[Strand], grid: CoarseGrid, warp_mm: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance to the nearest and to the second nearest strand, float32 (k, j, i), at most about 14 mm.

    Parameters
    ----------
    warp_mm : float32 (3, k, j, i), optional
        Added to the positions (x, y, z): makes straight chains irregular.
    """
    first = np.full(grid.shape, _REACH_MM, np.float32)
    second = first.copy()
    x, y, z = grid.points()
    for strand in strands:
        box = _box_of(strand, grid, _REACH_MM)
        if box is None:
            continue
        position = [x[:, :, box[2]], y[:, box[1]], z[box[0]]]
        if warp_mm is not None:
            position = [p + w[box] for p, w in zip(position, warp_mm, strict=True)]
        d = strand.distance(*position)
        f, s = first[box], second[box]
        np.minimum(s, np.maximum(f, d), out=s)
        np.minimum(f, d, out=f)
    return first, second


def paint_strands(
    tissue: np.ndarray, strands: Sequence[Strand], value: int, geometry: Geometry, allowed: np.ndarray
) -> None:
    """Write `value` where a strand is and `allowed` (bool, same shape) is true."""
    grid = CoarseGrid(geometry, 1)
    x, y, z = grid.points()
    for strand in strands:
        box = _box_of(strand, grid, 1.0)
        if box is None:
            continue
        inside = strand.distance(x[:, :, box[2]], y[:, box[1]], z[box[0]]) < 0
        view = tissue[box]
        view[inside & allowed[box]] = value
