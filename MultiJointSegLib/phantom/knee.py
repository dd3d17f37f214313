"""Shapes of the knee: distal femur, proximal tibia, fibula, patella.

Left knee in extension, adult size, LPS mm, origin between the condyles on the joint line. Sizes follow the usual
anthropometry of the resected knee: epicondylar width 75-87 mm, condylar depth 58-68 mm, plateau 68-80 x 45-52 mm.
"""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import BoneShape, JointModel, smoothstep
from MultiJointSegLib.phantom.growth import Growth
from MultiJointSegLib.phantom.placing import placed

FEMUR, TIBIA, FIBULA, PATELLA = 1, 2, 3, 4
_POSTERIOR_Y = 14.0
"""Where the axis through both posterior condyle spheres lies."""


def build_knee(rng: np.random.Generator, growth: Growth) -> JointModel:
    """Draw one left knee with its own proportions, alignment and flexion."""
    width = float(rng.uniform(0.94, 1.07))
    radius = float(rng.uniform(18.5, 21.5))
    condyle_x = float(rng.uniform(22.5, 25.0)) * width
    flexion = float(np.clip(rng.gamma(2.0, 7.0) - 4.0, -4.0, 40.0))
    # Angle on the lateral side between femoral shaft and joint line.
    lateral_femoral_angle = float(rng.uniform(78.0, 86.0))
    femur = _femur(rng, width, radius, condyle_x, lateral_femoral_angle)
    slope = float(rng.uniform(3.0, 11.0))
    # Knock knees are the rule between three and seven years.
    young = float(np.clip((8.0 - growth.age_years) / 4.0, 0, 1))
    varus = float(rng.uniform(-3.0, 4.0)) - 3.0 * young
    tibial_rotation = float(rng.uniform(-8.0, 8.0))
    tibia, fibula = _leg(rng, width, slope, varus)
    patella = _patella(rng, growth, width)

    # The leg turns about the axis through both condyle spheres; flexion takes the foot backward.
    pivot = np.array([0.0, _POSTERIOR_Y, radius])
    turn = sdf.rotation_deg((1, 0, 0), flexion) @ sdf.rotation_deg((0, 0, 1), tibial_rotation)
    shift = pivot - turn @ pivot + turn @ np.array([0.0, 0.0, -rng.uniform(3.5, 5.5)])
    # The patella glides down the trochlea, less than the leg turns.
    patella_turn = sdf.rotation_deg((1, 0, 0), 0.65 * flexion)
    patella_pivot = np.array([0.0, 4.0, 27.0])
    bones = [
        femur,
        placed(tibia, turn, shift),
        placed(fibula, turn, shift),
        placed(patella, patella_turn, patella_pivot - patella_turn @ patella_pivot),
    ]
    truth: dict[str, object] = {
        "medial_condyle_center_mm": [-condyle_x, _POSTERIOR_Y, radius],
        "lateral_condyle_center_mm": [condyle_x, _POSTERIOR_Y, radius],
        "condyle_radius_mm": radius,
        "condyle_center_distance_mm": 2 * condyle_x,
        "condylar_axis_direction": [1.0, 0.0, 0.0],
        "femoral_shaft_direction": _shaft_direction(lateral_femoral_angle).tolist(),
        "tibial_shaft_direction": (turn @ np.array([0.0, 0.0, 1.0])).tolist(),
        "lateral_distal_femoral_angle_deg": lateral_femoral_angle,
        "posterior_tibial_slope_deg": slope,
        "flexion_deg": flexion,
    }
    return JointModel(
        bones,
        truth,
        (-66.0, -76.0, -110.0),
        (66.0, 90.0, 116.0),
        gap_mm=1.6,
        gaps_mm={(FEMUR, TIBIA): 3.8, (FEMUR, PATELLA): 4.4, (TIBIA, FIBULA): 1.2},
        tilt_deg=-flexion * float(rng.uniform(0.2, 0.7)),
    )


def _shaft_direction(lateral_femoral_angle_deg: float) -> np.ndarray:
    lean = np.deg2rad(90.0 - lateral_femoral_angle_deg)
    return np.array([np.sin(lean), 0.0, np.cos(lean)])


def _femur(rng: np.random.Generator, width: float, radius: float, condyle_x: float, angle_deg: float) -> BoneShape:
    depth = float(rng.uniform(-2.0, 2.5))
    thick = float(rng.uniform(0.93, 1.07))
    lean = np.tan(np.deg2rad(90.0 - angle_deg))
    # Shaft and its flare: straight above z = 62 mm, so that its axis is exact; it leans to the lateral side.
    shaft = sdf.loft(
        [
            (z, lean * max(z - 30.0, 0.0), y, a * width * thick, b * thick)
            for z, y, a, b in (
                (8.0, 6.0, 30.0, 16.0),
                (20.0, 3.0, 36.0, 19.0),
                (30.0, 1.0, 37.0, 19.5),
                (40.0, -1.0, 32.5, 18.5),
                (50.0, -2.5, 27.0, 17.2),
                (62.0, -3.0, 22.5, 16.0),
                (78.0, -3.0, 18.5, 15.0),
                (105.0, -3.0, 15.3, 14.4),
                (150.0, -3.0, 13.9, 14.0),
                (220.0, -3.0, 13.4, 14.0),
            )
        ],
        exponent=2.2,
    )
    parts = [shaft]
    spheres = []
    for side in (-1.0, 1.0):
        spheres.append(sdf.sphere((side * condyle_x, _POSTERIOR_Y, radius), radius))
        # Distal and anterior part of the condyle: flatter than the posterior circle; the lateral trochlea is higher.
        front = 24.5 + depth + (3.0 if side > 0 else 0.0)
        middle = 18.5 if side > 0 else 17.0
        parts.append(sdf.ellipsoid((side * middle * width, 0.5, 23.5), (15.5 * width, front, 23.5)))
        parts.append(sdf.ellipsoid((side * 21.0 * width, 6.0, 22.0), (16.0 * width, 22.0, 22.0)))
        # Epicondyle.
        parts.append(sdf.ellipsoid((side * 34.0 * width, 9.0, 27.0), (9.0, 12.0, 11.0)))
    # Behind the axis nothing but the spheres forms the joint surface.
    allowed = sdf.union(
        sdf.half_space((0, _POSTERIOR_Y - 3.0, 0), (0, 1, 0)),
        sdf.half_space((0, 0, 1.62 * radius), (0, 0, -1)),
        sdf.offset(spheres[0], -2.5),
        sdf.offset(spheres[1], -2.5),
    )
    rest = sdf.smooth_intersection(3.0, sdf.smooth_union(7.0, *parts), allowed)
    body = sdf.smooth_union(2.4, rest, *spheres)
    body = sdf.smooth_difference(4.0, body, _trochlear_groove(rng, depth), _notch(rng, width))
    # Side walls of the condyles are nearly flat and converge to the front, the medial one more.
    body = sdf.smooth_intersection(
        6.0,
        body,
        sdf.half_space((40.0 * width, 10.0, 22.0), (1.0, -0.16, 0.05)),
        sdf.half_space((-41.5 * width, 10.0, 22.0), (-1.0, -0.34, 0.05)),
    )
    physis = _undulating_plate(rng, float(rng.uniform(27.0, 32.0)))

    def smooth(p: np.ndarray) -> np.ndarray:
        # The posterior condyles stay exact: they carry the spheres of the truth.
        share = np.ones(len(p), np.float32)
        for side in (-1.0, 1.0):
            q = p - np.array([side * condyle_x, _POSTERIOR_Y, radius], np.float32)
            away = np.abs(np.sqrt((q**2).sum(1)) - np.float32(radius))
            share = np.minimum(share, np.maximum(smoothstep(away, 2.0, 7.0), smoothstep(-q[:, 1], 0.0, 10.0)))
        share = np.maximum(share, smoothstep(p[:, 2], 1.62 * radius, 45.0))
        return share * (1 - np.float32(0.7) * smoothstep(p[:, 2], 50.0, 70.0))

    return BoneShape(FEMUR, body, (physis,), cartilage_mm=2.2, smooth=smooth)


def _trochlear_groove(rng: np.random.Generator, depth: float) -> sdf.Shape:
    """What the groove takes away: everything in front of a V-shaped channel that follows the trochlea's arc."""
    # Sulcus angle 128-150 degrees.
    steep = np.float32(np.tan(np.deg2rad(90.0 - rng.uniform(128.0, 150.0) / 2)))
    front, down = np.float32(19.5 + depth), np.float32(24.5)

    def distance(p: np.ndarray) -> np.ndarray:
        y, z = p[:, 1] - np.float32(4.0), p[:, 2] - np.float32(27.0)
        u, v = y / front, z / down
        k0 = np.sqrt(u * u + v * v)
        k1 = np.sqrt((u / front) ** 2 + (v / down) ** 2) + np.float32(1e-6)
        arc = k0 * (k0 - 1) / k1
        # Rounded bottom, slightly lateral of the middle.
        rise = steep * (np.sqrt((p[:, 0] - np.float32(2.0)) ** 2 + 16) - 4)
        return (rise - arc) / np.sqrt(1 + steep * steep)

    return sdf.smooth_intersection(
        8.0, distance, sdf.half_space((0, 8.0, 0), (0, 1, 0)), sdf.half_space((0, 0, 43.0), (0, -0.3, 1.0))
    )


def _notch(rng: np.random.Generator, width: float) -> sdf.Shape:
    """Intercondylar notch: between the condyles, below the line of Blumensaat."""
    half = float(rng.uniform(8.0, 11.0)) * width
    angle = np.deg2rad(rng.uniform(34.0, 44.0))
    roof = sdf.half_space((0.0, -11.0, 3.0), (0.0, -np.sin(angle), np.cos(angle)))
    return sdf.smooth_intersection(10.0, sdf.slab((0, 0, 0), (1, 0, 0), half), roof)


def _undulating_plate(rng: np.random.Generator, height_mm: float) -> sdf.Shape:
    """Growth plate of the femur near z = height_mm: four low mounds and a central ridge, cupped at the rim."""
    phase = rng.uniform(-0.6, 0.6, 2).astype(np.float32)
    amplitude = np.float32(rng.uniform(1.2, 2.6))
    tilt = np.float32(rng.uniform(-0.06, 0.06))

    def distance(p: np.ndarray) -> np.ndarray:
        x, y = p[:, 0], p[:, 1] - np.float32(5.0)
        wave = np.cos(x / np.float32(5.6) + phase[0]) + np.float32(0.7) * np.cos(y / np.float32(6.5) + phase[1])
        rim = np.float32(3.5) * smoothstep(np.abs(x), 22.0, 40.0)
        return (p[:, 2] - np.float32(height_mm) - amplitude * wave + rim - tilt * x) * np.float32(0.93)

    return distance


def _leg(rng: np.random.Generator, width: float, slope_deg: float, varus_deg: float) -> tuple[BoneShape, BoneShape]:
    """Tibia and fibula with the plateau at z = 0 and its normal tilted against the shaft."""
    k = float(rng.uniform(0.95, 1.06))
    bend = float(rng.uniform(-1.5, 1.5))
    # Straight below z = -58 mm, so that its axis is exact.
    shaft = sdf.loft(
        [
            (z, x, y, a * width, b * k)
            for z, x, y, a, b in (
                (-200.0, bend, 5.0, 11.3, 13.0),
                (-110.0, bend, 5.0, 12.8, 14.8),
                (-78.0, bend, 5.0, 15.2, 16.2),
                (-58.0, bend, 5.0, 18.2, 17.2),
                (-42.0, 0.5 * bend, 8.0, 22.8, 19.4),
                (-28.0, 0.0, 12.0, 29.5, 22.4),
                (-16.0, 0.0, 13.8, 35.4, 24.2),
                (-6.0, 0.0, 14.2, 36.8, 24.6),
                (8.0, 0.0, 14.2, 36.0, 24.0),
            )
        ],
        exponent=2.3,
        lobe=(0.06, -90.0),
    )
    tuberosity = sdf.ellipsoid((3.0, -8.5, -38.0), (9.5, 8.0, 15.0), sdf.rotation_deg((1, 0, 0), 16.0))
    # Plateau: flat top tilted to the back, hollowed medially, slightly domed laterally.
    tilt = sdf.rotation_deg((0, 1, 0), varus_deg) @ sdf.rotation_deg((1, 0, 0), -slope_deg)
    top = sdf.half_space((0, 14, 0), tilt @ np.array([0.0, 0.0, 1.0]))
    body = sdf.smooth_union(9.0, shaft, tuberosity)
    body = sdf.smooth_intersection(4.5, body, top)
    body = sdf.smooth_difference(
        3.0,
        body,
        sdf.ellipsoid((-20.0 * width, 14.0, 20.3), (26.0, 34.0, 22.0)),
        sdf.round_cone((0, 42.0, 12.0), 9.5, (0, 44.0, -26.0), 7.0),
    )
    eminence = sdf.union(
        sdf.round_cone((-6.0, 14.0, -6.0), 6.5, (-4.5, 13.0, 5.5), 1.8),
        sdf.round_cone((6.0, 16.0, -6.0), 6.5, (4.5, 15.0, 4.0), 1.8),
    )
    body = sdf.smooth_union(5.0, body, eminence)
    fx, fy = float(rng.uniform(32.0, 36.0)) * width, float(rng.uniform(28.0, 35.0))
    fibula = sdf.smooth_union(
        5.0,
        sdf.ellipsoid((fx, fy, -23.0), (10.0, 11.0, 11.5)),
        sdf.round_cone((fx + 1.0, fy + 3.0, -18.0), 5.0, (fx + 1.0, fy + 4.0, -11.0), 2.5),
        sdf.loft(
            [
                (-200.0, fx - 8.0, fy - 4.0, 6.0, 7.0),
                (-110.0, fx - 4.0, fy - 1.0, 6.0, 6.8),
                (-60.0, fx - 1.0, fy + 0.5, 5.8, 6.2),
                (-42.0, fx, fy + 1.0, 6.4, 6.6),
                (-24.0, fx, fy, 8.5, 9.0),
            ],
            lobe=(0.06, 30.0),
        ),
    )
    fibular_physis = sdf.half_space((fx, fy, -29.0), (0.05, 0.1, -1.0))
    return (
        BoneShape(TIBIA, body, (_tibial_physis(rng),), cartilage_mm=2.2, smooth=_calm_shaft),
        BoneShape(FIBULA, fibula, (lambda p: -fibular_physis(p),), cartilage_mm=1.0),
    )


def _calm_shaft(p: np.ndarray) -> np.ndarray:
    """The shaft is perturbed less, so that it stays straight."""
    return 1 - np.float32(0.7) * smoothstep(-p[:, 2], 45.0, 65.0)


def _tibial_physis(rng: np.random.Generator) -> sdf.Shape:
    """Plate about 17 mm under the plateau that runs down behind the tuberosity in front."""
    height = np.float32(rng.uniform(-19.5, -15.0))
    drop = np.float32(rng.uniform(22.0, 29.0))
    phase = np.float32(rng.uniform(0, 2 * np.pi))
    amplitude = np.float32(rng.uniform(0.6, 1.8))

    def distance(p: np.ndarray) -> np.ndarray:
        x, y = p[:, 0], p[:, 1]
        front = smoothstep(-y, 0.0, 11.0) * np.exp(-((x - 3.0) ** 2) / np.float32(2 * 10.0**2))
        level = height - drop * front + amplitude * (np.sin(x / 8 + phase) + np.cos(y / 9 - phase) * np.float32(0.6))
        # The tongue is steep: divided by its slope, the plate keeps its thickness.
        steep = 1 + np.float32(drop / 11 * 4) * front * (1 - front)
        return (level - p[:, 2]) / steep

    return distance


def _patella(rng: np.random.Generator, growth: Growth, width: float) -> BoneShape:
    high, aside = float(rng.uniform(-4.0, 6.0)), float(rng.uniform(0.0, 7.0))
    size = float(rng.uniform(0.92, 1.08))
    y, z = -33.0, 37.0 + high
    turn = sdf.rotation_deg((0, 0, 1), rng.uniform(-4.0, 12.0))
    # Ridge of the joint side fits the groove; the femur's gap shapes the facets.
    body = sdf.smooth_union(
        7.0,
        sdf.ellipsoid((0, 0, 3.5), (21.0 * size * width, 12.5 * size, 14.5 * size)),
        sdf.round_cone((0, 0, 0), 9.5 * size, (0, -1.5, -17.5 * size), 4.0),
    )
    body = sdf.smooth_intersection(
        6.0,
        body,
        # Front gently convex, base sloping for the quadriceps tendon, two facets behind.
        sdf.sphere((0, 48.0, 0), 58.0),
        sdf.half_space((0, 0, 17.0 * size), (0, -0.25, 1.0)),
        sdf.half_space((0, 11.5 * size, 0), (0.45, 1.0, 0)),
        sdf.half_space((0, 11.5 * size, 0), (-0.55, 1.0, 0)),
    )
    # Its center ossifies late but then fills the cartilage faster than an epiphysis does.
    body = sdf.offset(body, 0.35 * growth.unossified_mm)
    bone = BoneShape(PATELLA, body, cartilage_mm=2.8, ossifies_from_center=True)
    return placed(bone, turn, np.array([aside, y, z]))
