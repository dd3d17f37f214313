"""Standard planes proposed from the lines that were found in the slices of a study."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.pretext.line_fit import FittedLine
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid, vector
from MultiJointSegLib.learning.pretext.views import stack_direction

MINIMUM_SPREAD_MM = 3.0
"""The points of all lines must spread at least so far (standard deviation) in two directions to hold a plane."""
_ROUNDS = 20
_SAMPLES = 25


@dataclass(frozen=True, slots=True)
class PrescribedPlane:
    """A plane fitted to lines of several slices.

    Parameters
    ----------
    plane : Plane
        Through the middle of the points that it was fitted to; the normal points as stacks are counted.
    lines : int
        Lines that it was fitted to.
    residual_mm : float
        Root mean square distance of the lines from the plane.
    """

    plane: Plane
    lines: int
    residual_mm: float


def prescribe_plane(found: Sequence[tuple[SliceGrid, FittedLine]], side: str | None = None) -> PrescribedPlane | None:
    """Least squares plane through lines found in slices.

    Parameters
    ----------
    found : sequence of (SliceGrid, FittedLine)
        Slices, parallel or not, and the line in each.
    side : str or None
        See `views.stack_direction`.

    Returns
    -------
    PrescribedPlane or None
        None where the lines do not hold a plane: fewer than two, or all in one place.

    Notes
    -----
    Every line gives points along the part that was bright, with the weight of its peak; the plane is the total least
    squares fit (smallest principal direction). Lines far from the plane lose weight (Huber's weights, DOI
    10.1214/aoms/1177703732), so that a few wrong slices do not turn it.
    """
    lines = [(_points(grid, fitted), fitted.peak) for grid, fitted in found]
    if len(lines) < 2:
        return None
    points = np.concatenate([p for p, _ in lines])
    start = np.concatenate([np.full(len(p), max(peak, 1e-3)) for p, peak in lines])
    weights = start
    for _ in range(_ROUNDS):
        mean = np.average(points, axis=0, weights=weights)
        centered = points - mean
        values, vectors = np.linalg.eigh((centered * weights[:, None]).T @ centered / weights.sum())
        normal = vectors[:, 0]
        off = np.abs(centered @ normal)
        scale = max(1.345 * 1.4826 * float(np.median(off)), 1e-6)
        weights = start * np.minimum(1.0, scale / np.maximum(off, 1e-12))
    if np.sqrt(max(values[1], 0.0)) < MINIMUM_SPREAD_MM or values[1] < 2 * values[0]:
        return None
    residual = float(np.sqrt(np.average(off**2, weights=weights)))
    return PrescribedPlane(Plane(vector(mean), vector(stack_direction(normal, side))), len(lines), residual)


def _points(grid: SliceGrid, fitted: FittedLine) -> np.ndarray:
    """Points (n, 3) on a line, along the part that the heat map showed."""
    line = fitted.line
    along = fitted.pixels @ line.direction
    foot = line.offset * np.array([line.normal_column, line.normal_row])
    at = foot + np.linspace(along.min(), along.max(), _SAMPLES)[:, None] * line.direction
    return grid.points(at[:, 0], at[:, 1])


@dataclass(frozen=True, slots=True)
class PlaneError:
    """Angle between the normals (0 to 90), and distance of the true plane's center from the proposed plane."""

    angle_deg: float
    distance_mm: float


def plane_error(proposed: Plane, true: Plane) -> PlaneError:
    """Error of a proposed plane, as Wei et al. 2021 (arXiv 2109.11715) measure it."""
    return PlaneError(proposed.angle_deg(true), abs(float(proposed.signed_distance_mm(np.asarray(true.point_mm)))))


def write_plane_markups(planes: Mapping[str, Plane], path: Path, *, size_mm: float = 120.0) -> None:
    """Write planes as editable markups of 3D Slicer (.mrk.json), LPS, each a square of `size_mm` with its name.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    markups = [_markup(name, plane, size_mm) for name, plane in planes.items()]
    content = {
        "@schema": "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
        "markups-schema-v1.0.3.json#",
        "markups": markups,
    }
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _markup(name: str, plane: Plane, size_mm: float) -> dict[str, object]:
    normal = np.asarray(plane.normal)
    # The plane's own x axis: horizontal where it can be.
    across = np.cross((0.0, 0.0, 1.0) if abs(normal[2]) < 0.9 else (0.0, 1.0, 0.0), normal)
    across = across / np.linalg.norm(across)
    base = np.eye(4)
    base[:3, :3] = np.stack([across, np.cross(normal, across), normal], axis=1)
    base[:3, 3] = plane.point_mm
    return {
        "type": "Plane",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "planeType": "pointNormal",
        "sizeMode": "absolute",
        "autoScalingFactor": 1.0,
        "center": list(plane.point_mm),
        "normal": list(plane.normal),
        "size": [size_mm, size_mm, 0.0],
        "planeBounds": [-size_mm / 2, size_mm / 2, -size_mm / 2, size_mm / 2],
        "baseToNode": base.ravel().tolist(),
        "objectToBase": np.diag((-1.0, -1.0, 1.0, 1.0)).ravel().tolist(),  # the identity, as Slicer writes it in LPS
        "orientation": base[:3, :3].ravel().tolist(),
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "controlPoints": [
            {
                "id": "1",
                "label": name,
                "position": list(plane.point_mm),
                "orientation": base[:3, :3].ravel().tolist(),
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "defined",
            }
        ],
        "measurements": [],
        "display": {"visibility": True, "opacity": 1.0, "fillOpacity": 0.3, "color": [0.18, 0.77, 1.0]},
    }
