"""Shapes of the knee: distal femur, proximal tibia, fibula, patella.

Left knee in extension, adult size, LPS mm, origin between the condyles on the joint line. Sizes follow the usual
anthropometry of the resected knee (epicondylar width 75-87 mm, condylar depth 58-68 mm, tibial plateau 68-80 x 45-52 mm).
"""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import BoneShape, JointModel, smoothstep
from MultiJointSegLib.phantom.growth import Growth
from MultiJointSegLib.phantom.placing import placed

FEMUR, TIBIA, FIBULA, PATELLA = 1, 2, 3, 4


def build_knee(rng: np.random.Generator, growth: Growth) -> JointModel:
    """Draw one left knee with its own proportions, alignment and flexion."""
    width = rng.uniform(0.95, 1.06)
    radius = float(rng.uniform(18.5, 21.5))
    condyle_x = float(rng.uniform(22.5, 25.0)) * width
    flexion = float(rng.uniform(-3.0, 30.0))
    # Angle on the lateral side between femoral shaft and joint line.
    lateral_femoral_angle = float(rng.uniform(78.0, 86.0))
    femur = _femur(rng, growth, width, radius, condyle_x, lateral_femoral_angle)
    posterior_y = 14.0
    slope = float(rng.uniform(3.0, 11.0))
    varus = float(rng.uniform(-3.0, 4.0))
    tibial_rotation = float(rng.uniform(-8.0, 8.0))
    tibia, fibula, tibial_axis = _leg(rng, growth, width, slope, varus)
    patella = _patella(rng, growth, width)

    # The leg turns about the axis through both condyle spheres; flexion takes the foot backward.
    pivot = np.array([0.0, posterior_y, radius])
    turn = sdf.rotation_deg((1, 0, 0), flexion) @ sdf.rotation_deg((0, 0, 1), tibial_rotation)
    shift = pivot - turn @ pivot + turn @ np.array([0.0, 0.0, -4.5])
    patella_turn = sdf.rotation_deg((1, 0, 0), 0.6 * flexion)
    patella_pivot = np.array([0.0, -2.0, 24.0])
    patella_shift = patella_pivot - patella_turn @ patella_pivot
    bones = [
        femur,
        placed(tibia, turn, shift),
        placed(fibula, turn, shift),
        placed(patella, patella_turn, patella_shift),
    ]
    femoral_axis = _shaft_direction(lateral_femoral_angle)
    truth: dict[str, object] = {
        "medial_condyle_center_mm": [-condyle_x, posterior_y, radius],
        "lateral_condyle_center_mm": [condyle_x, posterior_y, radius],
        "condyle_radius_mm": radius,
        "condyle_center_distance_mm": 2 * condyle_x,
        "condylar_axis_direction": [1.0, 0.0, 0.0],
        "femoral_shaft_direction": femoral_axis.tolist(),
        "tibial_shaft_direction": (turn @ tibial_axis).tolist(),
        "lateral_distal_femoral_angle_deg": lateral_femoral_angle,
        "posterior_tibial_slope_deg": slope,
        "flexion_deg": flexion,
    }
    return JointModel(bones, truth, (-62.0, -62.0, -88.0), (62.0, 66.0, 92.0), gap_mm=1.6, gaps_mm={
        (FEMUR, TIBIA): 3.6, (FEMUR, PATELLA): 4.6, (TIBIA, FIBULA): 1.2,
    })


def _shaft_direction(lateral_femoral_angle_deg: float) -> np.ndarray:
    lean = np.deg2rad(90.0 - lateral_femoral_angle_deg)
    return np.array([np.sin(lean), 0.0, np.cos(lean)])


def _femur(
    rng: np.random.Generator, growth: Growth, width: float, radius: float, condyle_x: float, angle_deg: float
) -> BoneShape:
    posterior_y = 14.0
    depth = rng.uniform(-2.0, 2.0)
    thick = rng.uniform(0.95, 1.07)
    lean = np.tan(np.deg2rad(90.0 - angle_deg))
    # Shaft and its flare; the shaft leans to the lateral side from the metaphysis upward.
    stations = [(z, lean * max(z - 34.0, 0.0), y, a * width * thick, b * thick) for z, y, a, b in (
        (10.0, 0.0, 33.0, 20.0), (22.0, -1.0, 36.0, 22.0), (34.0, -3.0, 34.0, 20.5), (46.0, -5.0, 27.5, 18.5),
        (60.0, -6.5, 21.5, 16.5), (78.0, -7.5, 17.2, 15.0), (105.0, -8.5, 14.6, 14.3), (150.0, -10.0, 13.6, 14.0),
        (220.0, -11.0, 13.4, 14.0),
    )]
    shaft = sdf.loft(stations, exponent=2.2)
    parts = [shaft]
    for side in (-1.0, 1.0):
        center = (side * condyle_x, posterior_y, radius)
        parts.append(sdf.sphere(center, radius))
        # Distal and anterior part of the condyle: flatter than the posterior circle; the lateral trochlea is higher.
        front = 33.0 + depth + (2.5 if side > 0 else 0.0)
        parts.append(sdf.ellipsoid((side * condyle_x * 0.87, -4.0, 27.0), (17.5 * width, front - 3.0, 27.0)))
        parts.append(sdf.ellipsoid((side * 34.0 * width, 3.0, 27.0), (8.5, 13.0, 12.0)))
    body = sdf.smooth_union(6.0, *parts)
    groove_depth = rng.uniform(4.5, 7.5)
    body = sdf.smooth_difference(5.0, body, _trochlear_groove(31.0 + depth, groove_depth), _notch(rng, width))
    # Medial and lateral walls of the condyles are nearly flat.
    lateral, medial = (40.5 * width, 42.0 * width)
    body = sdf.smooth_intersection(
        5.0, body, sdf.half_space((lateral, 0, 20), (1, 0, 0.04)), sdf.half_space((-medial, 0, 20), (-1, 0, 0.04))
    )
    physis_z = float(rng.uniform(27.0, 31.0))
    physis = _undulating_plane(rng, physis_z, up=True)

    def smooth(p: np.ndarray) -> np.ndarray:
        # Keep the posterior and distal condyles exact: they carry the spheres of the truth.
        share = np.ones(len(p), np.float32)
        for side in (-1.0, 1.0):
            away = np.abs(np.sqrt(((p - np.float32([side * condyle_x, posterior_y, radius])) ** 2).sum(1)) - np.float32(radius))
            share = np.minimum(share, smoothstep(away, 2.0, 7.0))
        return np.maximum(share, smoothstep(p[:, 2], 30.0, 45.0))

    return BoneShape(FEMUR, body, (physis,), cartilage_mm=2.2, smooth=smooth)


def _trochlear_groove(front: float, depth_mm: float) -> sdf.Shape:
    """Channel along the arc of the trochlea: a wide tube bent about the x axis."""
    tube_radius = 24.0
    ring = front + tube_radius - depth_mm - 3.0

    def distance(p: np.ndarray) -> np.ndarray:
        y, z = p[:, 1] + np.float32(4.0), p[:, 2] - np.float32(27.0)
        away = np.sqrt(y * y + z * z) - np.float32(ring)
        # Slightly lateral, as the groove is.
        d = np.sqrt(away**2 + (p[:, 0] - np.float32(2.0)) ** 2) - np.float32(tube_radius)
        # Only the front and the bottom carry a groove.
        return np.maximum(np.maximum(d, (y - np.float32(6.0)) * np.float32(0.8)), z - np.float32(22.0))

    return distance


def _notch(rng: np.random.Generator, width: float) -> sdf.Shape:
    """Intercondylar notch: between the condyles, below the line of Blumensaat."""
    half = rng.uniform(8.5, 11.0) * width
    angle = np.deg2rad(rng.uniform(32.0, 42.0))
    roof = sdf.half_space((0.0, -11.0, 2.0), (0.0, -np.sin(angle), np.cos(angle)))
    walls = sdf.slab((0, 0, 0), (1, 0, 0), half)
    return sdf.smooth_intersection(9.0, walls, roof)


def _undulating_plane(rng: np.random.Generator, height_mm: float, *, up: bool) -> sdf.Shape:
    """Growth plate near z = height_mm, waved by 2 mm; the epiphysis lies below it when `up`."""
    phase = rng.uniform(0, 2 * np.pi, 2)
    amplitude = rng.uniform(0.8, 2.0)

    def distance(p: np.ndarray) -> np.ndarray:
        wave = np.sin(p[:, 0] / np.float32(7.5) + np.float32(phase[0])) + np.cos(p[:, 1] / np.float32(9.0) + np.float32(phase[1]))
        d = p[:, 2] - np.float32(height_mm) - np.float32(0.5 * amplitude) * wave
        return d if up else -d

    return distance


def _leg(
    rng: np.random.Generator, growth: Growth, width: float, slope_deg: float, varus_deg: float
) -> tuple[BoneShape, BoneShape, np.ndarray]:
    """Tibia and fibula with the plateau at z = 0 and its normal tilted against the shaft."""
    k = rng.uniform(0.95, 1.05)
    stations = [(z, x, y, a * width, b * k) for z, x, y, a, b in (
        (-200.0, 1.0, -5.0, 11.0, 12.5), (-110.0, 1.0, -4.5, 12.5, 14.5), (-75.0, 0.5, -2.5, 15.0, 17.0),
        (-52.0, 0.0, 0.5, 19.5, 19.0), (-36.0, 0.0, 2.5, 26.5, 20.5), (-22.0, 0.0, 3.5, 33.5, 22.5),
        (-10.0, 0.0, 4.0, 36.8, 24.0), (-3.0, 0.0, 4.0, 36.8, 24.0), (6.0, 0.0, 4.0, 35.5, 23.0),
    )]
    shaft = sdf.loft(stations, exponent=2.25, lobe=(0.07, -90.0))
    tuberosity = sdf.ellipsoid((3.0, -20.5, -34.0), (9.5, 8.0, 15.0), sdf.rotation_deg((1, 0, 0), 14.0))
    # Plateau: flat top tilted to the back, condyles hollowed medially, slightly domed laterally.
    tilt = sdf.rotation_deg((0, 1, 0), varus_deg) @ sdf.rotation_deg((1, 0, 0), -slope_deg)
    top = sdf.half_space((0, 4, 0), tilt @ np.array([0.0, 0.0, 1.0]))
    body = sdf.smooth_union(9.0, shaft, tuberosity)
    body = sdf.smooth_intersection(4.5, body, top)
    body = sdf.smooth_difference(
        3.0, body,
        sdf.ellipsoid((-20.0 * width, 4.0, 20.0), (26.0, 34.0, 22.0)),
        sdf.round_cone((0, 31.0, 12.0), 9.0, (0, 34.0, -24.0), 7.0),
    )
    eminence = sdf.union(
        sdf.round_cone((-6.0, 4.0, -6.0), 6.5, (-4.5, 3.0, 6.5), 1.6),
        sdf.round_cone((6.0, 6.0, -6.0), 6.5, (4.5, 5.0, 5.0), 1.6),
    )
    body = sdf.smooth_union(4.0, body, eminence)
    physis = _tibial_physis(rng)
    fx, fy = rng.uniform(32.0, 36.0) * width, rng.uniform(17.0, 22.0)
    head = sdf.smooth_union(
        5.0,
        sdf.ellipsoid((fx, fy, -23.0), (10.0, 10.5, 11.5)),
        sdf.round_cone((fx + 1.0, fy + 3.0, -18.0), 5.0, (fx + 1.0, fy + 4.0, -10.0), 2.5),
        sdf.loft([(-200.0, fx - 6.0, fy + 3.0, 6.0, 7.0), (-110.0, fx - 3.0, fy + 3.0, 6.0, 6.8),
                  (-60.0, fx - 1.0, fy + 1.5, 5.8, 6.2), (-42.0, fx, fy + 1.0, 6.4, 6.6), (-24.0, fx, fy, 8.5, 9.0)],
                 lobe=(0.06, 30.0)),
    )
    fibular_physis = sdf.half_space((fx, fy, -29.0), (0.05, 0.1, -1.0))
    tibia = BoneShape(TIBIA, body, (physis,), cartilage_mm=2.2)
    fibula = BoneShape(FIBULA, head, (fibular_physis,), cartilage_mm=1.0)
    return tibia, fibula, np.array([0.0, 0.0, 1.0])


def _tibial_physis(rng: np.random.Generator) -> sdf.Shape:
    """Plate 17 mm under the plateau that runs down behind the tuberosity in front."""
    height = rng.uniform(-19.0, -15.0)
    drop = rng.uniform(22.0, 28.0)
    phase = rng.uniform(0, 2 * np.pi)

    def distance(p: np.ndarray) -> np.ndarray:
        front = smoothstep(-p[:, 1], 14.0, 22.0) * np.exp(-((p[:, 0] - 3.0) ** 2) / np.float32(2 * 9.0**2))
        level = np.float32(height) - np.float32(drop) * front + np.sin(p[:, 0] / 9 + np.float32(phase))
        # The tongue is steep: divide by the slope there so that the plate keeps its thickness.
        steep = 1 + 2.6 * 4 * front * (1 - front)
        return (level - p[:, 2]) / steep

    return distance


def _patella(rng: np.random.Generator, growth: Growth, width: float) -> BoneShape:
    high = rng.uniform(-2.0, 6.0)
    aside = rng.uniform(-1.0, 5.0)
    size = rng.uniform(0.93, 1.08)
    y, z = -46.5, 31.0 + high
    body = sdf.smooth_union(
        7.0,
        sdf.ellipsoid((aside, y, z + 4.0), (21.5 * size * width, 10.5 * size, 15.5 * size)),
        sdf.round_cone((aside, y, z), 9.5 * size, (aside, y + 1.0, z - 18.0 * size), 4.0),
    )
    # Front surface gently convex, base cut flat for the quadriceps tendon.
    body = sdf.smooth_intersection(
        6.0, body, sdf.sphere((aside, y + 52.0, z), 61.0), sdf.half_space((0, y, z + 18.5 * size), (0, -0.25, 1.0))
    )
    return BoneShape(PATELLA, body, cartilage_mm=2.8, ossifies_from_center=True)
