"""The circular part of a profile: how far an outline follows one circle, and that circle's radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.morphology.frames import LandmarkMissing

_BIN_DEG = 5.0
_FEWEST_IN_BIN = 8
_STRIPS = 4
_NARROWEST_DEG = 45.0
_ROUND_SHARE = 0.005
"""Means of 5 degrees of a circular profile are off by at most this share of the radius, or by what noise explains:
were they off by more, so would be the radius, by some four times as much."""
_NOISE_TIMES = 2.5
_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class RoundArc:
    """Circle nearest to the widest circular part of a profile.

    Parameters
    ----------
    center_mm : float ndarray of shape (2,)
        In the plane of the profile.
    radius_mm, error_mm : float
        And its standard error, from the noise of the profile and the width of the arc.
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
    within 0.5 % of the radius (or 2.5 times their standard error) of one circle, the widest is taken.

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
        If no part of that width is circular.
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
    angles, radii, errors = _profile(flat, along)
    if not len(angles):
        raise LandmarkMissing("Too little of a round surface is in view for its radius.")
    # One standard error for all: those of single bins are themselves noise.
    noise = float(np.median(errors))
    number = np.rint(angles / _BIN_DEG - 0.5).astype(int)
    best: tuple[float, float, np.ndarray, slice] | None = None
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
                best = (*key, solution, part)
    if best is None:
        raise LandmarkMissing(
            f"No part of the profile of at least {_NARROWEST_DEG:.0f} degrees is circular to "
            f"{100 * _ROUND_SHARE:.1f} % of its radius."
        )
    _, mean_square, solution, part = best
    design = _design(angles[part])
    spread = np.linalg.inv(design.T @ design)[0, 0]
    count = part.stop - part.start
    variance = max(noise**2, mean_square * count / max(count - 3, 1))
    return RoundArc(
        origin + solution[1:],
        float(solution[0]),
        float(np.sqrt(spread * variance)),
        float(angles[part][0] - _BIN_DEG / 2),
        float(angles[part][-1] + _BIN_DEG / 2),
    )


def _profile(flat: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle angle (degrees), mean distance from the origin and its standard error, of every 5 degrees."""
    angle = np.degrees(np.arctan2(flat[:, 1], flat[:, 0]))
    radius = np.hypot(flat[:, 0], flat[:, 1])
    number = np.floor(angle / _BIN_DEG).astype(int)
    rows = []
    for n in np.unique(number):
        inside = number == n
        if inside.sum() < _FEWEST_IN_BIN:
            continue
        order = np.argsort(along[inside])
        strips = np.array([strip.mean() for strip in np.array_split(radius[inside][order], _STRIPS)])
        rows.append(((n + 0.5) * _BIN_DEG, strips.mean(), strips.std(ddof=1) / np.sqrt(_STRIPS)))
    angles, radii, errors = np.asarray(rows).reshape(-1, 3).T
    return angles, radii, errors


def _design(angles_deg: np.ndarray) -> np.ndarray:
    angles = np.radians(angles_deg)
    return np.column_stack([np.ones(len(angles)), np.cos(angles), np.sin(angles)])


def _circle(angles_deg: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius and center (3,) that fit a profile best, to first order in the center's offset, and the misfits."""
    design = _design(angles_deg)
    solution = np.linalg.lstsq(design, radii, rcond=None)[0]
    return solution, radii - design @ solution
