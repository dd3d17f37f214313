"""The circular part of a profile: how far an outline follows one circle, and that circle's radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.morphology.frames import LandmarkMissing

_BIN_DEG = 5.0
_FEWEST_IN_BIN = 8
_FEWEST_IN_STRIP = 2
_STRIPS = 4
_NARROWEST_DEG = 45.0
_ROUND_SHARE = 0.005
"""Means of 5 degrees of a circular profile are off by at most this share of the radius, or by what noise explains:
were they off by more, so would be the radius, by some four times as much."""
_END_SHARE = 0.004
_NOISE_TIMES = 2.5
_END_NOISE_TIMES = 2.0
_END_BINS = 2
"""A circle bends toward what it is fitted to; so the ends of an arc are judged by the circle of the rest of it."""
_ROUNDS = 5
_UNEVEN_SHARE = 0.004
"""Of the radius: where the averages have a larger standard error, the circular part cannot be told from others (on
phantoms whose outlines waver as drawn by hand, radii were then off by up to a third), and no error is honest."""


@dataclass(frozen=True, slots=True, eq=False)
class RoundArc:
    """Circle nearest to the widest circular part of a profile.

    Parameters
    ----------
    center_mm : float ndarray of shape (2,)
        In the plane of the profile.
    radius_mm, error_mm : float
        And its standard error: from the noise of the profile, from how far the radii of four strips along the axis
        differ, and from how far those of both ends of the arc do (where the profile is not quite a circle).
    from_deg, to_deg : float
        The part used, as angle from the profile's first axis toward its second.
    """

    center_mm: np.ndarray
    radius_mm: float
    error_mm: float
    from_deg: float
    to_deg: float

    def at(self, angle_deg: float) -> np.ndarray:
        """Point (2,) of the circle."""
        angle = np.radians(angle_deg)
        return np.asarray(self.center_mm + self.radius_mm * np.array([np.cos(angle), np.sin(angle)]))


def round_arc(flat_mm: np.ndarray, along_mm: np.ndarray) -> RoundArc:
    """Find the widest part of a profile that is circular, and the circle nearest to it.

    The profile is averaged over every 5 degrees. Of all its connected parts of at least 45 degrees whose averages lie
    within 0.5 % of the radius (or 2.5 times their standard error) of one circle, the widest is taken. It then ends
    where the profile leaves the circle of its inner part by 0.4 % (or 2 standard errors), less 5 degrees: where a dome
    goes over into what surrounds it, few tenths of a millimeter at the ends would move the radius by as much.

    Parameters
    ----------
    flat_mm : float ndarray of shape (n, 2)
        Points of a surface seen along its axis, relative to a first guess of the circle's center; the profile's middle
        lies near the first axis.
    along_mm : float ndarray of shape (n,)
        Their places along the axis, which tell noise from shape: noise differs from place to place.

    Raises
    ------
    LandmarkMissing
        If no part of that width is circular, or the surface is too uneven to tell.
    """
    center = np.zeros(2)
    arc: RoundArc | None = None
    for _ in range(_ROUNDS):
        arc = _widest(flat_mm - center, along_mm, center)
        moved = float(np.abs(arc.center_mm - center).max())
        center = arc.center_mm
        if moved < 1e-3:
            break
    assert arc is not None
    return arc


def _widest(flat: np.ndarray, along: np.ndarray, origin: np.ndarray) -> RoundArc:
    angles, strips = _profile(flat, along)
    if not len(angles):
        raise LandmarkMissing("Too little of a round surface is in view for its radius.")
    radii = strips.mean(axis=1)
    # One standard error for all: those of single bins are themselves noise.
    noise = float(np.median(strips.std(axis=1, ddof=1))) / np.sqrt(_STRIPS)
    number = np.rint(angles / _BIN_DEG - 0.5).astype(int)
    best: tuple[float, float, slice] | None = None
    fewest = int(np.ceil(_NARROWEST_DEG / _BIN_DEG))
    for first in range(len(angles)):
        for last in range(first + fewest, len(angles) + 1):
            part = slice(first, last)
            if number[last - 1] - number[first] != last - 1 - first:
                break
            solution, misfit = _circle(angles[part], radii[part])
            limit = max(_ROUND_SHARE * solution[0], _NOISE_TIMES * noise)
            if np.abs(misfit).max() > limit:
                continue
            key = (-(last - first), float(np.mean(misfit**2)))
            if best is None or key < best[:2]:
                best = (*key, part)
    if best is None:
        raise LandmarkMissing(
            f"No part of the profile of at least {_NARROWEST_DEG:.0f} degrees is circular to "
            f"{100 * _ROUND_SHARE:.1f} % of its radius."
        )
    radius = float(_circle(angles[best[2]], radii[best[2]])[0][0])
    if noise > _UNEVEN_SHARE * radius:
        raise LandmarkMissing(
            f"The surface is too uneven: its outline is known to {noise:.2f} mm, needed are "
            f"{_UNEVEN_SHARE * radius:.2f} mm."
        )
    part = _ends(angles, radii, number, best[2], noise, fewest)
    solution, misfit = _circle(angles[part], radii[part])
    return RoundArc(
        origin + solution[1:],
        float(solution[0]),
        _radius_error(angles[part], strips[part], misfit, noise),
        float(angles[part][0] - _BIN_DEG / 2),
        float(angles[part][-1] + _BIN_DEG / 2),
    )


def _ends(angles: np.ndarray, radii: np.ndarray, number: np.ndarray, part: slice, noise: float, fewest: int) -> slice:
    """The part of the profile that goes on the circle of its own inner part, less one bin at each end."""
    first, last = part.start, part.stop
    for _ in range(_ROUNDS):
        dropped = min(_END_BINS, (last - first - fewest) // 2)
        inner = slice(first + dropped, last - dropped)
        solution, _misfit = _circle(angles[inner], radii[inner])
        away = np.abs(radii - _design(angles) @ solution)
        limit = max(_END_SHARE * solution[0], _END_NOISE_TIMES * noise)
        new_first, new_last = inner.start, inner.stop
        while new_first > 0 and number[new_first] - number[new_first - 1] == 1 and away[new_first - 1] <= limit:
            new_first -= 1
        while new_last < len(angles) and number[new_last] - number[new_last - 1] == 1 and away[new_last] <= limit:
            new_last += 1
        if (new_first, new_last) == (first, last) or new_last - new_first > last - first:
            break
        first, last = new_first, new_last
    dropped = min(1, (last - first - fewest) // 2)
    return slice(first + dropped, last - dropped)


def _radius_error(angles: np.ndarray, strips: np.ndarray, misfit: np.ndarray, noise: float) -> float:
    """Standard error of the radius of a circle: of independent noise, of noise that is not, and of the shape."""
    count = len(angles)
    design = _design(angles)
    spread = np.linalg.inv(design.T @ design)[0, 0]
    independent = np.sqrt(spread * max(noise**2, float(np.mean(misfit**2)) * count / max(count - 3, 1)))
    # Neighboring bins share their noise; strips some millimeters apart do not.
    of_strips = np.array([_circle(angles, strip)[0][0] for strip in strips.T])
    # A profile that is no circle has another radius at either end.
    wide = max(int(np.ceil(2 * count / 3)), 6)
    radii = strips.mean(axis=1)
    ends = [_circle(angles[end], radii[end])[0][0] for end in (slice(0, wide), slice(count - wide, count))]
    return float(np.sqrt(independent**2 + of_strips.var(ddof=1) / _STRIPS + 0.25 * (ends[1] - ends[0]) ** 2))


def _profile(flat: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle angles (n,) in degrees of every 5 degrees, and mean distances from the origin in 4 strips (n, 4)."""
    angle = np.degrees(np.arctan2(flat[:, 1], flat[:, 0]))
    radius = np.hypot(flat[:, 0], flat[:, 1])
    number = np.floor(angle / _BIN_DEG).astype(int)
    strip = np.searchsorted(np.quantile(along, np.arange(1, _STRIPS) / _STRIPS), along, side="right")
    angles, rows = [], []
    for n in np.unique(number):
        inside = number == n
        counts = np.bincount(strip[inside], minlength=_STRIPS)
        if inside.sum() < _FEWEST_IN_BIN or counts.min() < _FEWEST_IN_STRIP:
            continue
        angles.append((n + 0.5) * _BIN_DEG)
        rows.append(np.bincount(strip[inside], radius[inside], minlength=_STRIPS) / counts)
    return np.asarray(angles), np.asarray(rows).reshape(-1, _STRIPS)


def _design(angles_deg: np.ndarray) -> np.ndarray:
    angles = np.radians(angles_deg)
    return np.column_stack([np.ones(len(angles)), np.cos(angles), np.sin(angles)])


def _circle(angles_deg: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius and center (3,) that fit a profile best, to first order in the center's offset, and the misfits."""
    design = _design(angles_deg)
    solution = np.linalg.lstsq(design, radii, rcond=None)[0]
    return solution, radii - design @ solution
