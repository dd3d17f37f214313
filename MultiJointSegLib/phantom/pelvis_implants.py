"""Metal in the CT of a pelvis: a screw in the neck of the femur, or a prosthesis."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.field import grid_points

METAL_HU = 3071.0


def axes_about(geometry: Geometry, about: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates x (1, 1, i), y (1, j, 1) and z (k, 1, 1) of a grid's voxels from a point, LPS mm, float32."""
    x, y, z = grid_points(geometry)
    return (
        (x - np.float32(about[0]))[None, None, :],
        (y - np.float32(about[1]))[None, :, None],
        (z - np.float32(about[2]))[:, None, None],
    )


def paint_implant(
    hounsfield: np.ndarray,
    geometry: Geometry,
    kind: str,
    center: np.ndarray,
    truth: dict[str, object],
    radius: float,
) -> None:
    """Metal in the right hip, with streaks in the slices that hold it; in place.

    Parameters
    ----------
    hounsfield : float32 ndarray of shape (k, j, i)
    geometry : Geometry
        Its grid, axes along those of the patient.
    kind : str
        "screw" in the neck, or "prosthesis".
    center : (3,)
        Of the head, LPS mm.
    truth : dict
        Directions of the left femur's neck and shaft.
    radius : float
        Of the head, mm.
    """
    flip = np.array([-1.0, 1.0, 1.0])
    neck, shaft = (np.asarray(truth[f"femoral_{n}_direction"], float) * flip for n in ("neck", "shaft"))
    x, y, z = axes_about(geometry, center)

    def capsule(start: np.ndarray, end: np.ndarray, thick_mm: float) -> np.ndarray:
        line = end - start
        length = float(line @ line)
        px, py, pz = x - start[0], y - start[1], z - start[2]
        t = np.clip((px * line[0] + py * line[1] + pz * line[2]) / length, 0, 1)
        away = (px - t * line[0]) ** 2 + (py - t * line[1]) ** 2 + (pz - t * line[2]) ** 2
        return np.asarray(away < thick_mm**2)

    if kind == "screw":
        metal = capsule(-neck * 85, neck * 8, 3.5)
    else:
        bend = -neck * 48
        metal = capsule(np.zeros(3), bend, 6.5) | capsule(bend, bend - shaft * 150, 7.0)
        distance = np.sqrt(x**2 + y**2 + z**2)
        metal |= distance < 16.0
        up = -0.7 * x + 0.7 * z if center[0] > 0 else 0.7 * x + 0.7 * z
        metal |= (distance > radius - 1.0) & (distance < radius + 3.5) & (up > 0)
    hounsfield[metal] = METAL_HU
    for k in np.flatnonzero(metal.any(axis=(1, 2))):
        at = np.argwhere(metal[k]).mean(axis=0)
        j, i = np.indices(metal[k].shape)
        angle, away = np.arctan2(j - at[0], i - at[1]), np.hypot(j - at[0], i - at[1]) * geometry.spacing_mm[0]
        streak = 900 * np.sin(9 * angle + 0.7 * k) / (1 + away / 6)
        body = (hounsfield[k] > -900) & ~metal[k]
        hounsfield[k][body] += streak[body].astype(np.float32)
