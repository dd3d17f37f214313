"""The outline of a limb part: a smooth body around the bones, with a cover whose thickness depends on the place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, signed_distance, smooth_noise, smooth_step
from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.tissue_map import BoneField

_CLOSING_MM = {"knee": 22.0, "ankle": 18.0, "shoulder": 40.0, "hip": 45.0}


def _bump(values: np.ndarray, center: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((values - center) / width) ** 2)


def _cover_knee(lat: np.ndarray, ant: np.ndarray, sup: np.ndarray, bulk: float) -> np.ndarray:
    """Soft tissue over the closed hull of the bones, adult mm; `lat`, `ant` are direction cosines, `sup` mm."""
    front, back, sideways = np.clip(ant, 0, 1), np.clip(-ant, 0, 1), np.abs(lat)
    thigh = smooth_step(sup, 15, 95)
    calf = smooth_step(sup, -15, -75)
    medial_shin = np.clip(-lat, 0, 1) * np.clip(ant + 0.4, 0, 1)
    cover = 7 + 5 * sideways + 16 * back
    cover = cover + thigh * bulk * (22 * front + 22 * back + 24 * sideways)
    cover = cover + calf * bulk * (24 * back + 12 * np.clip(lat, 0, 1) * np.clip(ant + 0.5, 0, 1) - 2 * front)
    return cover - calf * 4 * medial_shin - 2 * front * _bump(sup, 5, 25)


def _cover_ankle(lat: np.ndarray, ant: np.ndarray, sup: np.ndarray, bulk: float) -> np.ndarray:
    front, back, sideways = np.clip(ant, 0, 1), np.clip(-ant, 0, 1), np.abs(lat)
    leg = smooth_step(sup, 0, 60)
    foot = smooth_step(sup, -22, -50)
    cover = 5 + 3 * front + 12 * back * smooth_step(sup, -20, 5) * (1 - leg) + foot * (9 + 4 * np.clip(-lat, 0, 1))
    return cover + leg * (bulk * (26 * back + 6 * front + 6 * sideways) + 3)


def _cover_shoulder(lat: np.ndarray, ant: np.ndarray, sup: np.ndarray, bulk: float) -> np.ndarray:
    return 9 + bulk * 14 * smooth_step(sup, 25, -20) + bulk * 5 * np.abs(ant)


def _cover_hip(lat: np.ndarray, ant: np.ndarray, sup: np.ndarray, bulk: float) -> np.ndarray:
    back = np.clip(-ant, 0, 1)
    return 22 + 22 * bulk * back + 12 * bulk * np.clip(lat, 0, 1) + 10 * bulk * smooth_step(sup, 0, -60)


_COVERS = {"knee": _cover_knee, "ankle": _cover_ankle, "shoulder": _cover_shoulder, "hip": _cover_hip}


def body_distance(
    bones: Sequence[BoneField], grid: CoarseGrid, frame: Frame, joint: str, rng: np.random.Generator, bulk: float
) -> np.ndarray:
    """Signed distance to the skin's surface on a grid of about 4 mm, negative inside.

    The bones' union is closed with a ball (so that hollows between bones fill), continued beyond the field of
    view, and widened by a cover thickness that depends on direction and level, with random smooth variation.

    Parameters
    ----------
    bones : as given to `clothe`
    grid : the grid of the result
    bulk : muscle bulk relative to an average adult

    Returns
    -------
    float32 ndarray of the grid's shape
    """
    mask = np.logical_or.reduce([grid.coarsen(b.distance_mm) < 0.5 * grid.spacing_mm for b in bones])
    radius = _CLOSING_MM.get(joint, 22.0) * frame.scale
    pad = int(np.ceil(radius / grid.spacing_mm)) + 2
    padded = np.pad(mask, pad, mode="edge")
    outside = ndimage.distance_transform_edt(~padded, sampling=[grid.spacing_mm] * 3)
    closed = signed_distance(outside < radius, grid.spacing_mm) + np.float32(radius)
    # Inside the closed hull only the depth matters little; keep the distance negative where a bone is.
    closed = np.where(padded, np.minimum(closed, -1), closed).astype(np.float32)
    closed = ndimage.gaussian_filter(closed, 4.0 * frame.scale / grid.spacing_mm, mode="nearest")
    inner = tuple(slice(pad, -pad) for _ in range(3))
    closed = closed[inner]
    lat, ant, sup = frame.coordinates(*grid.points())
    lat, ant = _from_centerline(mask, lat, ant, sup, grid)
    norm = np.sqrt(lat**2 + ant**2) + np.float32(1e-3)
    cover_of = _COVERS.get(joint, _cover_knee)
    cover = cover_of(lat / norm, ant / norm, np.broadcast_to(sup, norm.shape) / frame.scale, bulk) * frame.scale
    cover = cover * (1 + 0.12 * smooth_noise(grid.shape, grid.spacing_mm, 50.0, rng))
    body = closed - np.maximum(cover, 3.0)
    if joint in ("shoulder", "hip"):
        body = np.minimum(body, _torso(grid, frame, joint, rng))
    return body.astype(np.float32)


def _from_centerline(
    mask: np.ndarray, lat: np.ndarray, ant: np.ndarray, sup: np.ndarray, grid: CoarseGrid
) -> tuple[np.ndarray, np.ndarray]:
    """Positions relative to the smoothed middle of the bones of each level."""
    lat, ant, _ = np.broadcast_arrays(lat, ant, sup)
    count = mask.sum(axis=(1, 2))
    levels = np.nonzero(count)[0]
    if not len(levels):
        return lat, ant
    shifted = []
    for values in (lat, ant):
        middle = np.array([values[k][mask[k]].mean() for k in levels])
        line = np.interp(np.arange(len(count)), levels, middle)
        line = ndimage.gaussian_filter1d(line, 15.0 / grid.spacing_mm, mode="nearest")
        shifted.append(values - line[:, None, None].astype(np.float32))
    return shifted[0], shifted[1]


def _torso(grid: CoarseGrid, frame: Frame, joint: str, rng: np.random.Generator) -> np.ndarray:
    """Signed distance (approximate) to a trunk that fills the medial side of the field of view."""
    lat, ant, sup = frame.coordinates(*grid.points())
    s = frame.scale
    if joint == "shoulder":
        center, half = (-150 * s, -5 * s), (150 * s * rng.uniform(0.92, 1.02), 105 * s * rng.uniform(0.9, 1.1))
        slope = smooth_step(sup, 85 * s, 10 * s) * 0.62 + 0.38
    else:
        center, half = (-90 * s, -5 * s), (165 * s * rng.uniform(0.95, 1.1), 115 * s * rng.uniform(0.9, 1.1))
        slope = 1.0 - 0.25 * smooth_step(sup, 60 * s, 160 * s)
        slope = slope * (1 - 0.9 * smooth_step(sup, -70 * s, -110 * s) * (lat < -200))
    u, v = (lat - center[0]) / (half[0] * slope), (ant - center[1]) / (half[1] * slope)
    radial = np.sqrt(np.sqrt(u**4 + v**4 + u**2 * v**2))
    return ((radial - 1) * min(half) * slope).astype(np.float32)
