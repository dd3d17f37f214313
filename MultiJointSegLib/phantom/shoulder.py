"""Shapes of the shoulder: proximal humerus, scapula, clavicle.

Left shoulder, adult size, LPS mm (lateral is +x), origin at the center of the humeral head.
"""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import BoneShape, JointModel, smoothstep
from MultiJointSegLib.phantom.growth import Growth
from MultiJointSegLib.phantom.placing import placed

HUMERUS, SCAPULA = 7, 8


def build_shoulder(rng: np.random.Generator, growth: Growth) -> JointModel:
    """Draw one left shoulder with its own proportions, version and arm position."""
    radius = float(rng.uniform(22.5, 26.0))
    inclination = float(rng.uniform(128.0, 142.0))
    # The humeral head unwinds during growth.
    young = float(np.clip((16.0 - growth.age_years) / 12.0, 0, 1))
    retroversion = float(rng.uniform(15.0, 45.0)) + 15.0 * young
    scapular_plane = float(rng.uniform(28.0, 45.0))
    glenoid_version = float(rng.uniform(-10.0, 6.0))
    arm_rotation = float(rng.uniform(-25.0, 35.0))
    abduction = float(rng.uniform(0.0, 25.0))
    humerus, axis, head_axis = _humerus(rng, radius, inclination, retroversion)
    # Internal rotation turns the front of the arm to the medial side; abduction lifts it.
    arm = sdf.rotation_deg((0, 1, 0), -abduction) @ sdf.rotation_deg((0, 0, 1), -arm_rotation)
    blade_turn = sdf.rotation_deg((0, 0, 1), -scapular_plane)
    scapula = _scapula(rng, radius, glenoid_version)
    zero = np.zeros(3)
    bones = [placed(humerus, arm, zero), placed(scapula, blade_turn, zero)]
    bones += _surroundings(rng, radius)
    normal = blade_turn @ sdf.rotation_deg((0, 0, 1), glenoid_version) @ np.array([1.0, 0.0, 0.0])
    truth: dict[str, object] = {
        "humeral_head_center_mm": [0.0, 0.0, 0.0],
        "humeral_head_radius_mm": radius,
        "humeral_shaft_direction": (arm @ axis).tolist(),
        "humeral_head_axis_direction": (arm @ head_axis).tolist(),
        "head_shaft_angle_deg": inclination,
        "humeral_retroversion_deg": retroversion,
        "glenoid_normal_direction": normal.tolist(),
        "glenoid_version_deg": glenoid_version,
        "scapular_plane_deg": scapular_plane,
        "arm_abduction_deg": abduction,
        "arm_internal_rotation_deg": arm_rotation,
    }
    return JointModel(
        bones,
        truth,
        (-108.0, -70.0, -95.0),
        (56.0, 72.0, 66.0),
        gap_mm=2.0,
        gaps_mm={
            (HUMERUS, SCAPULA): 3.4,
            (HUMERUS, 0): 6.0,
            (SCAPULA, 0): 2.5,
        },
    )


def _humerus(
    rng: np.random.Generator, radius: float, inclination_deg: float, retroversion_deg: float
) -> tuple[BoneShape, np.ndarray, np.ndarray]:
    up = np.deg2rad(inclination_deg - 90.0)
    back = np.deg2rad(retroversion_deg)
    # The head looks medially (-x), up, and to the back by the retroversion.
    head_axis = np.array([-np.cos(up) * np.cos(back), np.cos(up) * np.sin(back), np.sin(up)])
    offset = -head_axis * np.array([1.0, 1.0, 0.0]) * rng.uniform(7.0, 10.0)
    x, y = float(offset[0]), float(offset[1])
    k = rng.uniform(0.94, 1.06) * radius / 24.0
    stations = [
        (z, x + dx, y + dy, a * k, b * k)
        for z, dx, dy, a, b in (
            (-200.0, 0.0, 0.0, 10.5, 11.0),
            (-100.0, 0.0, 0.0, 10.8, 11.0),
            (-62.0, 0.0, 0.0, 11.4, 11.4),
            (-44.0, 0.0, 0.0, 12.4, 12.3),
            (-31.0, 0.0, 0.0, 14.4, 14.2),
            (-19.0, 0.0, 0.0, 17.6, 17.4),
            (-7.0, 0.0, 0.0, 20.2, 20.2),
            (6.0, 0.0, 0.0, 19.5, 19.5),
            (15.0, 0.0, 0.0, 15.0, 15.0),
        )
    ]
    turn = sdf.rotation_deg((0, 0, 1), -retroversion_deg)
    lateral, front = turn @ np.array([1.0, 0.0, 0.0]), turn @ np.array([0.0, -1.0, 0.0])

    def at(aside: float, forward: float, z: float) -> tuple[float, float, float]:
        point = offset + lateral * aside + front * forward
        return float(point[0]), float(point[1]), z

    rest = sdf.smooth_union(
        7.0,
        sdf.loft(stations, exponent=2.1),
        sdf.ellipsoid(at(14.0 * k, 2.0, 4.0), (11.0 * k, 14.0 * k, 15.5 * k), turn),
        sdf.ellipsoid(at(7.0 * k, 17.0 * k, -3.0), (7.0 * k, 7.0 * k, 11.0 * k), turn),
    )
    groove = sdf.tube(
        [at(15.0 * k, 19.0 * k, 16.0), at(14.0 * k, 18.5 * k, -20.0), at(8.0, 17.0 * k, -55.0)], [4.0, 3.8, 3.0]
    )
    rest = sdf.smooth_difference(3.0, rest, groove)
    # Nothing but the sphere may form the articular surface.
    rest = sdf.smooth_intersection(4.0, rest, sdf.half_space(head_axis * 0.42 * radius, head_axis))
    body = sdf.smooth_union(2.5, sdf.sphere((0, 0, 0), radius), rest)
    neck_normal = head_axis * np.array([0.35, 0.35, 1.0])
    height = rng.uniform(-9.0, -5.0)
    cone = rng.uniform(2.0, 5.0)

    def physis(p: np.ndarray) -> np.ndarray:
        # A low tent that rises in the middle; the epiphysis with both tuberosities lies above.
        r = np.sqrt((p[:, 0] - np.float32(x)) ** 2 + (p[:, 1] - np.float32(y)) ** 2)
        level = np.float32(height) + np.float32(cone) * (1 - r / np.float32(12.0))
        tilt = (p @ (neck_normal * np.array([1.0, 1.0, 0.0])).astype(np.float32)) * np.float32(0.6)
        return (level - p[:, 2] - tilt) * np.float32(0.9)

    axis32 = head_axis.astype(np.float32)

    def smooth(p: np.ndarray) -> np.ndarray:
        away = np.abs(np.sqrt((p**2).sum(1)) - np.float32(radius))
        share = np.maximum(smoothstep(away, 1.5, 5.0), smoothstep(-(p @ axis32), -0.05 * radius, 0.35 * radius))
        # The shaft is perturbed less, so that it stays straight.
        return share * (1 - np.float32(0.7) * smoothstep(-p[:, 2], 40.0, 60.0))

    bone = BoneShape(HUMERUS, body, (physis,), cartilage_mm=1.6, smooth=smooth)
    return bone, np.array([0.0, 0.0, 1.0]), head_axis


def _scapula(rng: np.random.Generator, radius: float, version_deg: float) -> BoneShape:
    """Built with its blade in the x-z plane, its glenoid toward +x and its spine toward +y."""
    g = -(radius + 4.5)
    size = rng.uniform(0.93, 1.07)
    tall = rng.uniform(0.93, 1.07)
    # Blade: triangle between neck, superior angle and inferior angle, bowed around the ribs.
    neck, upper, lower = (g - 16.0, 0.0), (g - 86.0 * size, 42.0 * tall), (g - 72.0 * size, -105.0 * tall)
    root = (g - 100.0 * size, 8.0)
    bow = rng.uniform(8.0, 14.0)
    outline = np.array([neck, (g - 30.0, 22.0), upper, root, lower, (g - 22.0, -24.0)], float)
    blade = _plate(outline, (g - 55.0 * size, -20.0), bow, half_thickness=rng.uniform(1.1, 1.7), edge=1.6)

    def bent(x: float, z: float) -> float:
        return _bow_at(x, z, (g - 55.0 * size, -20.0), bow)

    def on(x: float, z: float, dy: float = 0.0) -> tuple[float, float, float]:
        return x, bent(x, z) + dy, z

    lateral_border = sdf.tube(
        [on(g - 12.0, -16.0), on(g - 28.0, -45.0 * tall), on(g - 66.0 * size, -100.0 * tall)], [6.0, 5.2, 4.2]
    )
    medial_border = sdf.tube([on(*upper), on(*root), on(*lower)], [2.6, 2.4, 3.4])
    upper_border = sdf.tube([on(*upper), on(g - 30.0, 22.0)], [2.2, 1.8])
    glenoid = _glenoid(radius, g, size, tall, version_deg)
    # Spine: crest from the medial border to the acromion, and the plate that carries it.
    base = [on(root[0] + 4.0, 10.0), on(g - 60.0, 14.0), on(g - 24.0, 10.0)]
    crest = [on(root[0] + 2.0, 10.0, 4.0), on(g - 62.0, 20.0, 20.0), on(g - 28.0, 26.0, 30.0)]
    tip_z = radius + rng.uniform(11.0, 16.0)
    corner = (g + 6.0, 34.0, tip_z - 4.0)
    crest_tube = sdf.tube([*crest, corner], [2.5, 4.0, 4.8, 5.5])
    spine = sdf.union(
        sdf.triangle(base[0], base[1], crest[1], 1.4),
        sdf.triangle(base[0], crest[0], crest[1], 1.4),
        sdf.triangle(base[1], base[2], crest[2], 1.8),
        sdf.triangle(base[1], crest[1], crest[2], 1.6),
    )
    slope = rng.uniform(0.0, 0.25)
    acromion = sdf.smooth_union(
        5.0,
        sdf.triangle(corner, (18.0, 24.0, tip_z - 2.0), (14.0, -2.0, tip_z + 2.0 - 20 * slope), 4.2),
        sdf.triangle(corner, (-4.0, 2.0, tip_z + 2.0), (14.0, -2.0, tip_z + 2.0 - 20 * slope), 4.0),
    )
    reach = rng.uniform(0.9, 1.1)
    coracoid = sdf.tube(
        [
            (g - 7.0, -3.0, 17.0),
            (g - 4.0, -15.0 * reach, 29.0),
            (g + 6.0, -27.0 * reach, 31.0),
            (g + 20.0, -36.0 * reach, 24.0),
        ],
        [8.5, 7.2, 6.5, 5.2],
    )
    body = sdf.smooth_union(
        4.0, blade, lateral_border, medial_border, upper_border, glenoid, spine, crest_tube, acromion, coracoid
    )

    def smooth(p: np.ndarray) -> np.ndarray:
        # A thin plate must not be perturbed away.
        return smoothstep(p[:, 0], g - 22.0, g - 10.0) * np.float32(0.8)

    return BoneShape(SCAPULA, body, cartilage_mm=1.6, smooth=smooth)


def _bow_at(x: float, z: float, middle: tuple[float, float], bow_mm: float) -> float:
    return -bow_mm * (((x - middle[0]) / 55.0) ** 2 + 0.6 * ((z - middle[1]) / 75.0) ** 2) + 0.35 * bow_mm


def _plate(
    outline: np.ndarray, middle: tuple[float, float], bow_mm: float, half_thickness: float, edge: float
) -> sdf.Shape:
    """Bowed plate whose outline is a polygon in the x-z plane."""
    points = outline.astype(np.float32)

    def distance(p: np.ndarray) -> np.ndarray:
        q = p[:, [0, 2]]
        squared = np.full(len(q), np.float32(1e12))
        sign = np.ones(len(q), np.float32)
        for n in range(len(points)):
            a, b = points[n], points[n - 1]
            e, w = b - a, q - a
            t = np.clip((w @ e) / np.float32(e @ e), 0, 1)
            squared = np.minimum(squared, ((w - t[:, None] * e) ** 2).sum(1))
            above, below, left = q[:, 1] >= a[1], q[:, 1] < b[1], e[0] * w[:, 1] > e[1] * w[:, 0]
            sign = np.where((above & below & left) | (~above & ~below & ~left), -sign, sign)
        flat = sign * np.sqrt(squared)
        u, v = (p[:, 0] - np.float32(middle[0])) / 55, (p[:, 2] - np.float32(middle[1])) / 75
        height = np.float32(-bow_mm) * (u * u + np.float32(0.6) * v * v) + np.float32(0.35 * bow_mm)
        slope = np.sqrt(1 + (2 * bow_mm * u / 55) ** 2 + (1.2 * bow_mm * v / 75) ** 2).astype(np.float32)
        across = np.abs(p[:, 1] - height) / slope - np.float32(half_thickness)
        outside = np.sqrt(np.maximum(across + edge, 0) ** 2 + np.maximum(flat + edge, 0) ** 2) - np.float32(edge)
        return np.where((across < -edge) & (flat < -edge), np.maximum(across, flat), outside)

    return distance


def _glenoid(radius: float, g: float, size: float, tall: float, version_deg: float) -> sdf.Shape:
    """Neck and socket; pear shaped, hollowed by a sphere concentric with the head."""
    stations = [
        (z, x, y, a * tall, b * size)
        for z, x, y, a, b in (
            (-22.0, 0.0, 0.0, 9.0, 5.0),
            (-14.0, 0.0, 0.0, 14.0, 8.0),
            (-6.0, 0.0, 0.0, 17.0, 11.5),
            (0.0, 0.0, 0.0, 18.5, 13.5),
            (8.0, 0.0, 0.0, 18.5, 13.5),
        )
    ]
    along = sdf.loft(stations)
    turn = sdf.rotation_deg((0, 0, 1), version_deg).astype(np.float32)

    def neck(p: np.ndarray) -> np.ndarray:
        q = p @ turn
        # z of the loft runs along x; its x along z. Narrower on top: the pear shape.
        z = q[:, 2]
        return along(
            np.stack([z + 1.0, q[:, 1] * (1 + np.maximum(z, 0) * np.float32(0.012)), q[:, 0] - np.float32(g)], axis=1)
        )

    return sdf.smooth_difference(2.0, neck, sdf.sphere((0, 0, 0), radius + 4.0))


def _surroundings(rng: np.random.Generator, radius: float) -> list[BoneShape]:
    top = radius + 15.0
    sag = rng.uniform(-3.0, 3.0)
    clavicle = sdf.tube(
        [(-6.0, -8.0, top), (-26.0, -4.0, top + 2.0), (-60.0, -14.0, top + 3.0 + sag),
         (-95.0, -36.0, top - 2.0 + sag), (-140.0, -50.0, top - 10.0)],
        [7.0, 6.2, 5.6, 6.0, 8.0],
    )  # fmt: skip
    # The chest with its ribs and lung is drawn with the soft tissue.
    return [BoneShape(0, clavicle, cartilage_mm=1.0)]
