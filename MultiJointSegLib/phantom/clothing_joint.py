"""Between the bones: articular cartilage, joint fluid, and at the knee the menisci."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.anatomy.catalog import all_bones
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, smooth_step
from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.tissue_map import BoneField, Tissue

FAR_MM = 12.0


@dataclass(frozen=True, slots=True)
class Neighbors:
    """For every voxel the nearest and second nearest bone.

    Parameters
    ----------
    first_mm, second_mm : float32 (k, j, i)
        Signed distance to them, at most `FAR_MM`.
    owner, other : uint8 (k, j, i)
        Their number in the sequence of bones plus 1; 0 where none is within `FAR_MM`.
    """

    first_mm: np.ndarray
    second_mm: np.ndarray
    owner: np.ndarray
    other: np.ndarray


def find_neighbors(bones: Sequence[BoneField], shape: tuple[int, int, int]) -> Neighbors:
    """Nearest and second nearest bone of every voxel."""
    first = np.full(shape, FAR_MM, np.float32)
    second = first.copy()
    owner = np.zeros(shape, np.uint8)
    other = np.zeros(shape, np.uint8)
    for number, bone in enumerate(bones, 1):
        box = box_below(bone.distance_mm, FAR_MM)
        if box is None:
            continue
        d = bone.distance_mm[box]
        f, s, o, p = first[box], second[box], owner[box], other[box]
        nearer = d < f
        between = ~nearer & (d < s)
        s[nearer], p[nearer] = f[nearer], o[nearer]
        f[nearer], o[nearer] = d[nearer], number
        s[between], p[between] = d[between], number
    return Neighbors(first, second, owner, other)


def box_below(distance_mm: np.ndarray, limit_mm: float) -> tuple[slice, slice, slice] | None:
    """Slices that hold (about) all voxels closer than the limit; None if there are none."""
    ranges = []
    low = distance_mm[::4, ::4, ::4] < limit_mm + 4.0
    for axis in range(3):
        hits = np.nonzero(low.any(axis=tuple(a for a in range(3) if a != axis)))[0]
        if not len(hits):
            return None
        ranges.append(slice(max(int(hits[0]) * 4 - 4, 0), min(int(hits[-1]) * 4 + 5, distance_mm.shape[axis])))
    return ranges[0], ranges[1], ranges[2]


def paint_joint(
    tissue: np.ndarray,
    bones: Sequence[BoneField],
    near: Neighbors,
    geometry: Geometry,
    frame: Frame,
    joint: str,
    rng: np.random.Generator,
) -> None:
    """Write fluid film, menisci and cartilage outside the bones into `tissue`.

    Cartilage covers a bone where another bone of the scene lies within a few millimeters, and where the joint's
    anatomy says so although nothing faces it (trochlea, posterior condyles, the round of a head). Its thickness
    tapers off toward the edge of that region.
    """
    keys = {b.label: b.key for b in all_bones()}
    facing_mm = max([b.cartilage_mm for b in bones] + [1.0]) * 1.4 + 1.6
    gap = near.first_mm + near.second_mm
    narrow = (near.first_mm > 0) & (near.other > 0) & (gap < facing_mm + 1.5)
    tissue[narrow & (gap < facing_mm)] = Tissue.FLUID
    if joint == "knee":
        _paint_menisci(tissue, bones, near, geometry, frame, rng, keys)
    for number, bone in enumerate(bones, 1):
        box = box_below(bone.distance_mm, 8.0)
        if box is None or bone.cartilage_mm <= 0:
            continue
        mine = (near.owner[box] == number) & (near.first_mm[box] > 0)
        weight = smooth_step(gap[box], facing_mm + 1.0, facing_mm - 1.0) * (near.other[box] > 0)
        if joint == "knee" and keys.get(bone.label) == "tibia":
            # Under the femur the plateau is covered even where the joint space is wide.
            weight = np.maximum(weight, (tissue[box] == Tissue.FLUID) * smooth_step(gap[box], 13.0, 9.0))
        extra = _articular_region(bone, box, geometry, frame, joint, keys.get(bone.label, ""))
        if extra is not None:
            weight = np.maximum(weight, extra)
        thickness = bone.cartilage_mm * weight * (1 if bone.label else 0.6)
        tissue[box][mine & (near.first_mm[box] < thickness) & (thickness > 0.4)] = Tissue.CARTILAGE


def _articular_region(
    bone: BoneField, box: tuple[slice, slice, slice], geometry: Geometry, frame: Frame, joint: str, key: str
) -> np.ndarray | None:
    """Weight 0 to 1 (on the box of the fine grid) of surfaces that bear cartilage without a close partner."""
    if (joint, key) not in (("knee", "femur"), ("shoulder", "humerus"), ("hip", "femur"), ("knee", "patella")):
        return None
    spacing = geometry.spacing_mm[0]
    d = bone.distance_mm[box]
    origin = [o + s.start * spacing for o, s in zip(geometry.origin_mm, reversed(box), strict=True)]
    local = Geometry(tuple(reversed(d.shape)), geometry.spacing_mm, tuple(origin))
    grid = CoarseGrid(local, 3)
    coarse = grid.coarsen(d)
    if min(coarse.shape) < 3:
        return None
    dz, dy, dx = np.gradient(coarse)
    norm = np.sqrt(dx**2 + dy**2 + dz**2) + 1e-3
    nlat, nant, nsup = (np.float32(r[0]) * dx + np.float32(r[1]) * dy + np.float32(r[2]) * dz for r in frame.axes)
    nlat, nant, nsup = nlat / norm, nant / norm, nsup / norm
    lat, ant, sup = np.broadcast_arrays(*frame.coordinates(*grid.points()))
    s = frame.scale
    if key == "patella":
        weight = smooth_step(-nant, 0.2, 0.6)
    elif joint == "knee":
        low = frame.clouds["femur"]
        bottom = low[:, 2].min()
        depth = low[low[:, 2] < bottom + 35 * s]
        front, rear = depth[:, 1].max(), depth[:, 1].min()
        level = (sup - bottom) / s
        forward = (ant - rear) / max(front - rear, 1.0)
        below = smooth_step(-nsup, -0.25, 0.05) * smooth_step(level, 34, 26)
        trochlea = smooth_step(nant, 0.3, 0.6) * smooth_step(level, 42, 34) * smooth_step(forward, 0.6, 0.75)
        trochlea = trochlea * smooth_step(np.abs(lat - depth[:, 0].mean()) / s, 30, 22)
        sides = smooth_step(np.abs(nlat), 0.85, 0.65)
        weight = np.maximum(below * smooth_step(level, 40, 20), trochlea) * sides
    else:
        partner = frame.clouds.get("scapula" if joint == "shoulder" else "hip_bone")
        if partner is None:
            return None
        close = partner[np.argsort(((partner - _head_center(frame, key)) ** 2).sum(1))[:400]].mean(0)
        toward = close - _head_center(frame, key)
        toward = toward / max(float(np.linalg.norm(toward)), 1e-3) + np.array([0, 0, 0.35])
        toward /= np.linalg.norm(toward)
        reach = np.sqrt(sum((c - h) ** 2 for c, h in zip((lat, ant, sup), _head_center(frame, key), strict=True))) / s
        weight = smooth_step(nlat * toward[0] + nant * toward[1] + nsup * toward[2], -0.15, 0.15)
        weight = weight * smooth_step(reach, 34, 29)
    return grid.refine(np.asarray(weight, np.float32))


def _head_center(frame: Frame, key: str) -> np.ndarray:
    cloud = frame.clouds[key]
    if key == "humerus":
        top = cloud[cloud[:, 2] > cloud[:, 2].max() - 40 * frame.scale]
        return np.asarray((top.min(0) + top.max(0)) / 2)
    top = cloud[cloud[:, 2] > -30 * frame.scale]
    return np.asarray(top[np.argsort(top[:, 0])[: max(len(top) // 4, 1)]].mean(0))


def _paint_menisci(
    tissue: np.ndarray,
    bones: Sequence[BoneField],
    near: Neighbors,
    geometry: Geometry,
    frame: Frame,
    rng: np.random.Generator,
    keys: dict[int, str],
) -> None:
    """Two crescents at the rim of the tibial plateau, wedge-shaped because the joint space widens outward."""
    number = {keys.get(b.label, ""): n for n, b in enumerate(bones, 1)}
    if "femur" not in number or "tibia" not in number:
        return
    s = frame.scale
    pair = (near.owner == number["femur"]) & (near.other == number["tibia"])
    pair |= (near.owner == number["tibia"]) & (near.other == number["femur"])
    pair &= (near.first_mm > 0) & (near.first_mm + near.second_mm < 13 * s)
    if not pair.any():
        return
    k, j, i = np.nonzero(pair)
    x, y, z = CoarseGrid(geometry, 1).points()
    lat, ant, sup = frame.coordinates(x[0, 0, i], y[0, j, 0], z[k, 0, 0])
    tibia = frame.clouds["tibia"]
    rim = tibia[tibia[:, 2] > -12 * s]
    half_width = np.ptp(rim[:, 0]) / 2
    half_depth = np.ptp(rim[:, 1]) / 2
    middle = (rim.min(0) + rim.max(0)) / 2
    inner = rng.uniform(0.42, 0.58, 2)
    mask, footprint = np.zeros(len(k), bool), np.zeros(len(k), bool)
    first, second = near.first_mm[k, j, i], near.second_mm[k, j, i]
    # Height between femur and tibia: 0 in the middle, 1 at either bone.
    height = (second - first) / (first + second)
    for side, center, edge in ((-1, -0.48, inner[0]), (1, 0.48, inner[1])):
        u = (lat - middle[0] - center * half_width) / (0.52 * half_width)
        v = (ant - middle[1]) / (0.80 * half_depth)
        radius = np.sqrt(u**2 + v**2)
        # The horns stop at the intercondylar eminence.
        open_side = (side * u < -0.45) & (np.abs(v) < 0.75)
        here = side * (lat - middle[0]) > 0
        footprint |= (radius < 1.05) & here
        mask |= (height < (radius - edge) / 0.3) & (radius > edge) & (radius < 1.12) & ~open_side & here
    level = np.abs(sup) < 11 * s
    mask &= level
    wet = footprint & level & (tissue[k, j, i] != Tissue.TENDON)
    tissue[k[wet], j[wet], i[wet]] = Tissue.FLUID
    tissue[k[mask], j[mask], i[mask]] = Tissue.MENISCUS
    if rng.uniform() < 0.25:
        # Degenerated parts are brighter.
        waves = [np.sin(2 * np.pi * c / rng.uniform(9, 20) + rng.uniform(0, 6)) for c in (lat, ant, sup)]
        wear = mask & (np.sum(waves, axis=0) > 1.7)
        tissue[k[wear], j[wear], i[wear]] = Tissue.CARTILAGE
