"""Shapes of the hip: proximal femur, hip bone, sacrum.

Left hip, adult size, LPS mm (lateral is +x), origin at the center of the femoral head, thigh along -z. Proportions:
neck-shaft angle 120-140 degrees and anteversion 5-35 degrees, both larger in the young; acetabulum opening
40 +- 5 degrees from the transverse plane and 18 +- 6 degrees to the front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import BoneShape, JointModel, smoothstep
from MultiJointSegLib.phantom.growth import Growth
from MultiJointSegLib.phantom.placing import placed

FEMUR, HIP_BONE = 1, 9


@dataclass(frozen=True, slots=True)
class HipVariant:
    """What disease does to the shape of the joint.

    Parameters
    ----------
    joint_space_mm : float
        Distance of the head from the floor of its socket, adult size; 1 to 2 in osteoarthritis.
    steeper_deg : float
        Added to the inclination of the socket's opening; 10 to 15 in dysplasia.
    shallower_mm : float
        By how much the socket's mouth lies deeper, adult size; 6 to 12 in dysplasia.
    """

    joint_space_mm: float = 3.4
    steeper_deg: float = 0.0
    shallower_mm: float = 0.0


HEALTHY = HipVariant()


def build_hip(rng: np.random.Generator, growth: Growth, variant: HipVariant = HEALTHY) -> JointModel:
    """Draw one left hip with its own proportions and position of the thigh."""
    radius = float(rng.uniform(22.0, 26.0))
    young = float(np.clip((16.0 - growth.age_years) / 12.0, 0, 1))
    neck_shaft = float(np.clip(rng.normal(127.0 + 9.0 * young, 4.0), 115.0, 150.0))
    anteversion = float(np.clip(rng.normal(14.0 + 15.0 * young, 6.0), 0.0, 50.0))
    flexion = float(rng.uniform(-5.0, 10.0))
    abduction = float(rng.uniform(-6.0, 12.0))
    rotation = float(rng.uniform(-15.0, 10.0))
    femur, neck = _femur(rng, radius, neck_shaft, anteversion)
    turn = (
        sdf.rotation_deg((1, 0, 0), -flexion)
        @ sdf.rotation_deg((0, 1, 0), -abduction)
        @ sdf.rotation_deg((0, 0, 1), rotation)
    )
    inclination = float(rng.uniform(36.0, 46.0)) + variant.steeper_deg
    opening = float(rng.uniform(10.0, 26.0))
    hip_bone, normal = _hip_bone(rng, radius, inclination, opening, variant)
    zero = np.zeros(3)
    bones = [placed(femur, turn, zero), hip_bone, *_sacrum(rng)]
    truth: dict[str, object] = {
        "femoral_head_center_mm": [0.0, 0.0, 0.0],
        "femoral_head_radius_mm": radius,
        "femoral_neck_direction": (turn @ neck).tolist(),
        "femoral_shaft_direction": (turn @ np.array([0.0, 0.0, 1.0])).tolist(),
        "neck_shaft_angle_deg": neck_shaft,
        "femoral_anteversion_deg": anteversion,
        "acetabular_normal_direction": normal.tolist(),
        "acetabular_inclination_deg": inclination,
        "acetabular_anteversion_deg": opening,
    }
    return JointModel(
        bones,
        truth,
        (-104.0, -84.0, -112.0),
        (78.0, 88.0, 112.0),
        gap_mm=2.0,
        gaps_mm={(FEMUR, HIP_BONE): variant.joint_space_mm - 0.2, (HIP_BONE, 0): 2.0},
    )


def _femur(
    rng: np.random.Generator, radius: float, neck_shaft_deg: float, anteversion_deg: float
) -> tuple[BoneShape, np.ndarray]:
    down, front = np.deg2rad(neck_shaft_deg - 90.0), np.deg2rad(anteversion_deg)
    # From the shaft to the head: medial, up and, by the anteversion, forward.
    neck = np.array([-np.cos(down) * np.cos(front), -np.cos(down) * np.sin(front), np.sin(down)])
    k = radius / 24.0
    length = float(rng.uniform(50.0, 60.0)) * k
    corner = -neck * length
    turn = sdf.rotation_deg((0, 0, 1), anteversion_deg)
    x, y, z = corner

    def at(aside: float, backward: float, up: float) -> tuple[float, float, float]:
        point = corner + turn @ np.array([aside, backward, 0.0]) * k
        return float(point[0]), float(point[1]), float(z + up * k)

    shaft = sdf.loft(
        [
            (height, x, y, a * k, b * k)
            for height, a, b in (
                (z - 260.0, 13.2, 13.5),
                (z - 110.0, 13.6, 13.8),
                (z - 75.0, 14.6, 14.4),
                (z - 50.0, 16.3, 15.6),
                (z - 28.0, 18.5, 17.0),
                (z - 8.0, 18.0, 16.0),
                (z + 6.0, 12.0, 12.0),
            )
        ]
    )
    neck_narrow = float(rng.uniform(14.5, 16.5)) * k
    middle = -neck * length * 0.42
    rest = sdf.smooth_union(
        9.0 * k,
        shaft,
        # Neck: taller than deep, narrowest below the head.
        sdf.round_cone(-neck * 0.3 * radius, neck_narrow * 1.02, middle, neck_narrow * 0.96),
        sdf.round_cone(middle, neck_narrow * 0.96, corner - neck * -4.0, 19.0 * k),
        # Greater trochanter: square block, its tip about level with the head center and behind the neck's axis.
        sdf.ellipsoid(at(13.0, 5.0, 5.0), (12.0 * k, 18.0 * k, 25.0 * k), turn),
        sdf.round_cone(at(9.0, 9.0, 12.0), 11.0 * k, at(5.0, 14.0, 31.0), 6.5 * k),
        sdf.round_cone(at(-6.0, 10.0, -34.0), 10.0 * k, at(-13.0, 15.0, -33.0), 6.0 * k),
    )
    # Only the sphere forms the joint surface; the neck is flattened front to back.
    rest = sdf.smooth_intersection(3.0, rest, sdf.half_space(neck * 0.30 * radius, neck))
    body = sdf.smooth_union(4.0, sdf.sphere((0, 0, 0), radius), rest)
    tilt = rng.uniform(-0.15, 0.15)
    level = float(rng.uniform(-0.12, 0.08)) * radius
    curve = rng.uniform(0.0, 5.0)
    axis32 = neck.astype(np.float32)
    cross = np.cross(neck, [0.0, 1.0, 0.0]).astype(np.float32)

    def capital(p: np.ndarray) -> np.ndarray:
        # Epiphysis toward the head's pole; gently domed.
        along, across = p @ axis32, p @ cross
        return (
            np.float32(level) + np.float32(tilt) * across - np.float32(curve) * (across / np.float32(radius)) ** 2
        ) - along

    top = np.asarray(at(9.0, 6.0, 6.0), np.float32)
    trochanteric = sdf.half_space(top, -(turn @ np.array([0.62, 0.0, 0.78])))

    def trochanter(p: np.ndarray) -> np.ndarray:
        # Valid around the trochanter only.
        far = p @ axis32 + np.float32(0.55 * length)
        return np.where(far > 0, np.float32(30.0) + far, trochanteric(p))

    def smooth(p: np.ndarray) -> np.ndarray:
        away = np.abs(np.sqrt((p**2).sum(1)) - np.float32(radius))
        share = np.maximum(smoothstep(away, 1.5, 5.0), smoothstep(-(p @ axis32), 0.2 * radius, 0.6 * radius))
        # The shaft is perturbed less, so that it stays straight.
        return share * (1 - np.float32(0.7) * smoothstep(-p[:, 2], 60.0, 80.0))

    return BoneShape(FEMUR, body, (capital, trochanter), cartilage_mm=1.7, smooth=smooth), neck


def _hip_bone(
    rng: np.random.Generator, radius: float, inclination_deg: float, opening_deg: float, variant: HipVariant
) -> tuple[BoneShape, np.ndarray]:
    tilt, front = np.deg2rad(inclination_deg), np.deg2rad(opening_deg)
    # Normal of the opening: lateral, down and forward.
    normal = np.array([np.sin(tilt) * np.cos(front), -np.sin(front), -np.cos(tilt) * np.cos(front)])
    normal = normal / np.linalg.norm(normal)
    k = radius / 24.0
    wall = rng.uniform(5.0, 7.5) * k
    inner = radius + variant.joint_space_mm
    cup = sdf.smooth_union(
        8.0,
        sdf.sphere((-2.0, 0.0, 2.0), inner + wall),
        sdf.round_cone((-6.0, 0.0, 26.0 * k), 16.0 * k, (-16.0, 8.0, 54.0 * k), 8.0 * k),
        sdf.round_cone((-14.0, 2.0, 26.0), 18.0 * k, (-24.0, 16.0, 46.0), 13.0 * k),
        sdf.round_cone((-8.0, 26.0, -4.0), 13.0 * k, (-12.0, 28.0, 26.0), 11.0 * k),
    )
    wing = _wing(rng, k)
    width, tall = rng.uniform(0.94, 1.06) * k, rng.uniform(0.94, 1.06) * k
    pubis = sdf.tube(
        [
            (-26.0, -16.0, -4.0),
            (-52.0 * width, -34.0, -10.0),
            (-80.0 * width, -44.0, -24.0),
            (-92.0 * width, -42.0, -34.0),
        ],
        [13.0 * k, 8.0 * k, 8.0 * k, 9.0 * k],
    )
    symphysis = sdf.ellipsoid((-92.0 * width, -40.0, -40.0 * tall), (6.5, 9.0, 18.0))
    ischium = sdf.tube(
        [(-18.0, 24.0, -14.0), (-26.0, 32.0, -48.0 * tall), (-33.0, 28.0, -74.0 * tall), (-38.0, 16.0, -86.0 * tall)],
        [14.0 * k, 12.0 * k, 14.5 * k, 9.5 * k],
    )
    ramus = sdf.tube(
        [(-38.0, 16.0, -86.0 * tall), (-60.0 * width, -8.0, -74.0 * tall), (-86.0 * width, -34.0, -54.0 * tall)],
        [9.0 * k, 5.5 * k, 7.0 * k],
    )
    spine = sdf.round_cone((-24.0, 38.0, -22.0), 9.0, (-34.0, 50.0, -26.0), 3.0)
    body = sdf.smooth_union(7.0, cup, wing, pubis, symphysis, ischium, ramus, spine)
    # Socket and its mouth; the floor is thinned from inside the pelvis.
    mouth = sdf.half_space(normal * (3.0 - variant.shallower_mm), -normal)
    socket = sdf.sphere((0, 0, 0), inner)
    funnel = sdf.smooth_intersection(
        1.0, sdf.sphere((0, 0, 0), inner + 30.0), mouth, sdf.cylinder((0, 0, 0), normal, inner + 15.0)
    )
    pelvis_inside = sdf.half_space((-(inner + wall + 2.5), 0.0, 0.0), (1.0, -0.1, -0.15))
    quadrilateral = sdf.smooth_intersection(6.0, pelvis_inside, sdf.sphere((-58.0, 8.0, -6.0), 36.0))
    body = sdf.smooth_difference(2.5, body, socket, funnel, quadrilateral)
    # The fossa at the floor of the socket, open below.
    fossa = sdf.round_cone(-normal * 15.0, 14.0, (-8.0, 0.0, -34.0), 11.0)
    body = sdf.smooth_difference(3.0, body, fossa)

    def smooth(p: np.ndarray) -> np.ndarray:
        return smoothstep(np.sqrt((p**2).sum(1)), inner + 3.0, inner + 10.0) * np.float32(0.7)

    triradiate = sdf.half_space((0.0, 0.0, 2.0), (0.35, -0.1, -1.0))

    def plate(p: np.ndarray) -> np.ndarray:
        # Seen in the floor of the socket: the transverse limb of the triradiate cartilage.
        away = np.sqrt((p**2).sum(1)) - np.float32(inner + 14.0)
        return np.where(away > 0, np.sign(triradiate(p)) * np.maximum(np.abs(triradiate(p)), away), triradiate(p))

    return BoneShape(HIP_BONE, body, (plate,), cartilage_mm=1.6, smooth=smooth, retreats=False), normal


def _wing(rng: np.random.Generator, k: float) -> sdf.Shape:
    """Iliac wing: a fan of plates from the roof of the socket to a thick crest."""
    flare = rng.uniform(0.9, 1.15)
    root = [(-8.0, -18.0, 24.0), (-16.0, 4.0, 30.0), (-26.0, 26.0, 30.0)]
    crest = [
        (8.0 * flare, -48.0, 62.0),
        (22.0 * flare, -40.0, 90.0),
        (20.0 * flare, -14.0, 116.0),
        (-4.0, 22.0, 124.0),
        (-32.0, 52.0, 112.0),
        (-48.0, 72.0, 84.0),
        (-44.0, 66.0, 60.0),
    ]
    root = [(x * k, y * k, z * k) for x, y, z in root]
    crest = [(x * k, y * k, z * k) for x, y, z in crest]
    thin = rng.uniform(2.0, 3.2) * k
    plates = []
    anchor = [0, 0, 1, 1, 1, 2]
    for n in range(len(crest) - 1):
        plates.append(sdf.triangle(crest[n], crest[n + 1], root[anchor[n]], thin))
        if n + 1 < len(anchor) and anchor[n] != anchor[n + 1]:
            plates.append(sdf.triangle(crest[n + 1], root[anchor[n]], root[anchor[n + 1]], thin))
    plates.append(sdf.triangle(crest[-1], root[2], (-30.0 * k, 48.0 * k, 34.0 * k), thin * 1.6))
    fan = sdf.smooth_union(10.0, *plates)
    rim = sdf.tube(crest, [6.0 * k, 6.5 * k, 6.5 * k, 6.0 * k, 7.5 * k, 9.0 * k, 7.0 * k])
    front = sdf.tube(
        [crest[0], (2.0 * k, -38.0 * k, 40.0 * k), (-4.0 * k, -30.0 * k, 26.0 * k)], [6.5 * k, 5.0 * k, 9.0 * k]
    )
    back = sdf.tube(
        [crest[-1], (-36.0 * k, 52.0 * k, 40.0 * k), (-24.0 * k, 34.0 * k, 22.0 * k)], [8.5 * k, 9.0 * k, 11.0 * k]
    )
    return sdf.smooth_union(5.0, fan, rim, front, back)


def _sacrum(rng: np.random.Generator) -> list[BoneShape]:
    shift = rng.uniform(-3.0, 3.0)
    body = sdf.smooth_union(
        10.0,
        sdf.ellipsoid((-76.0 + shift, 52.0, 84.0), (25.0, 24.0, 28.0)),
        sdf.ellipsoid((-98.0, 46.0, 78.0), (26.0, 18.0, 40.0)),
        sdf.round_cone((-98.0, 62.0, 50.0), 22.0, (-98.0, 72.0, 0.0), 12.0),
    )
    return [BoneShape(0, body, cartilage_mm=1.0)]
