"""Lay one surface on another without changing its shape, and see where they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.surface.distance import signed_distance_mm
from MultiJointSegLib.surface.mesh import Surface

_SAMPLES = 3000
_SHARE = 0.95
"""Of the points, the nearest: spurs of a segmentation do not count, even growth does. With fewer, a bone that has grown
evenly would be pushed to one side, where most of it then fits."""
_ROUNDS = 80
_FEWEST = 100
_STILL_MM = 1e-3
_EDGE_MM = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Rigid motion that lays a surface on another.

    Parameters
    ----------
    matrix : float ndarray of shape (4, 4)
        LPS mm to LPS mm.
    residual_mm : float
        Root mean square distance of the points used.
    """

    matrix: np.ndarray
    residual_mm: float


def _samples(surface: Surface, left_out: np.ndarray | None) -> np.ndarray:
    """Points (n, 3) spread evenly by area over the triangles that are bone surface; the same every time."""
    areas = np.linalg.norm(surface.area_vectors_mm2(), axis=1)
    if left_out is not None:
        areas = np.where(left_out, 0.0, areas)
    if not areas.sum() > 0:
        raise MultiJointSegError("A surface has no area to lay on another.")
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES * areas.sum()
    chosen = np.minimum(np.searchsorted(np.cumsum(areas), steps), len(areas) - 1)
    return np.asarray(surface.points_mm[surface.triangles[chosen]].mean(axis=1))


def _motion(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rigid 4x4 matrix that moves points (n, 3) nearest to others (Kabsch 1976, doi:10.1107/S0567739476001873)."""
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((source - middle).T @ (target - goal))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    matrix = np.eye(4)
    matrix[:3, :3] = vt.T @ flip @ u.T
    matrix[:3, 3] = goal - matrix[:3, :3] @ middle
    return matrix


def align_rigidly(
    moving: Surface,
    fixed: Surface,
    *,
    moving_cut: np.ndarray | None = None,
    fixed_cut: np.ndarray | None = None,
) -> Alignment:
    """Iterative closest points (Besl and McKay 1992, doi:10.1109/34.121791).

    Starts from the surfaces as they lie with their middles on each other: two examinations of one joint are turned
    against each other by less than about 45 degrees. Points whose partner lies at a cut of the fixed surface are left
    out, so that bones that are cut at different places still fit.

    Parameters
    ----------
    moving, fixed : Surface
        LPS mm.
    moving_cut, fixed_cut : bool ndarray, optional
        Triangles that are cuts, not bone surface.
    """
    source, target = _samples(moving, moving_cut), _samples(fixed, fixed_cut)
    tree = cKDTree(target)
    at_cut = np.zeros(len(target), bool)
    if fixed_cut is not None and fixed_cut.any():
        gap, _ = cKDTree(fixed.points_mm[np.unique(fixed.triangles[fixed_cut])]).query(target)
        at_cut = gap < _EDGE_MM
    matrix = np.eye(4)
    matrix[:3, 3] = target.mean(axis=0) - source.mean(axis=0)
    residual = np.inf
    for _ in range(_ROUNDS):
        moved = source @ matrix[:3, :3].T + matrix[:3, 3]
        distance, partner = tree.query(moved)
        usable = np.flatnonzero(~at_cut[partner])
        if len(usable) < _FEWEST:
            raise MultiJointSegError("Both examinations share too little of it.")
        near = usable[np.argsort(distance[usable])[: int(_SHARE * len(usable))]]
        step = _motion(moved[near], target[partner[near]])
        matrix = step @ matrix
        shift = float(np.abs((moved @ step[:3, :3].T + step[:3, 3]) - moved).max())
        residual = float(np.sqrt(np.mean(distance[near] ** 2)))
        if shift < _STILL_MM:
            break
    return Alignment(matrix, residual)


def change_mm(later: Surface, earlier: Surface, cut_of_earlier: np.ndarray | None = None) -> np.ndarray:
    """How far each point (n,) of a surface lies outside (positive) another that was laid on it, mm.

    Not a number where the nearest place of the earlier surface is a cut or lies within 3 mm of one.
    """
    change = signed_distance_mm(later.points_mm, earlier)
    if cut_of_earlier is not None and cut_of_earlier.any():
        cut = earlier.points_mm[np.unique(earlier.triangles[cut_of_earlier])]
        gap, _ = cKDTree(cut).query(later.points_mm)
        change = np.where(gap < np.abs(change) + _EDGE_MM, np.nan, change)
    return np.asarray(change)
