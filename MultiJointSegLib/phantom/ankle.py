"""Shapes of the ankle: tibia, fibula, talus, calcaneus and the bones in front of them.

Left ankle, adult size, LPS mm (toes toward -y), origin on the axis of the talar dome.
"""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.field import BoneShape, JointModel, smoothstep
from MultiJointSegLib.phantom.growth import Growth
from MultiJointSegLib.phantom.placing import placed

TIBIA, TALUS, CALCANEUS = 2, 5, 6


def build_ankle(rng: np.random.Generator, growth: Growth) -> JointModel:
    """Draw one left ankle with its own proportions, plantar flexion and hindfoot alignment."""
    radius = float(rng.uniform(18.0, 22.0))
    width = rng.uniform(0.94, 1.06)
    length = rng.uniform(0.94, 1.06)
    plantar_flexion = float(rng.uniform(-8.0, 38.0))
    inversion = float(rng.uniform(-8.0, 10.0))
    half = 15.0 * width
    talus = _talus(rng, radius, width, length)
    foot = _foot(rng, growth, width, length)
    tibia, fibula, shaft = _crus(rng, radius, half, width)
    # Talus and foot turn about the dome's axis; the foot alone about the subtalar axis (up, forward, medial).
    ankle_turn = sdf.rotation_deg((1, 0, 0), plantar_flexion)
    subtalar_axis = np.array([-0.23, -0.72, 0.65])
    subtalar_turn = sdf.rotation_deg(subtalar_axis, -inversion)
    pivot = np.array([0.0, -6.0, -12.0])
    foot_turn = ankle_turn @ subtalar_turn
    foot_shift = ankle_turn @ (pivot - subtalar_turn @ pivot)
    zero = np.zeros(3)
    bones = [placed(talus, ankle_turn, zero), tibia, fibula]
    bones += [placed(bone, foot_turn, foot_shift) for bone in foot]
    truth: dict[str, object] = {
        "talar_dome_center_mm": [0.0, 0.0, 0.0],
        "talar_dome_axis_direction": [1.0, 0.0, 0.0],
        "talar_dome_radius_mm": radius,
        "talar_dome_top_direction": (ankle_turn @ np.array([0.0, 0.0, 1.0])).tolist(),
        "tibial_shaft_direction": shaft.tolist(),
        "plantar_flexion_deg": plantar_flexion,
        "subtalar_inversion_deg": inversion,
    }
    return JointModel(
        bones,
        truth,
        (-56.0, -104.0, -84.0),
        (56.0, 78.0, 84.0),
        gap_mm=1.8,
        gaps_mm={
            (TALUS, TIBIA): 3.2,
            (TALUS, CALCANEUS): 2.4,
            (TIBIA, 0): 1.6,
            (TALUS, 0): 2.4,
            (CALCANEUS, 0): 2.4,
        },
    )


def _facet_axes() -> np.ndarray:
    """The posterior subtalar joint runs from behind and medial to the front and lateral."""
    return sdf.rotation_deg((0, 0, 1), 25.0)


def _talus(rng: np.random.Generator, radius: float, width: float, length: float) -> BoneShape:
    half = 14.5 * width
    floor = -10.5 - rng.uniform(0.0, 2.0)
    dome = sdf.smooth_intersection(
        3.5,
        sdf.cylinder((0, 0, 0), (1, 0, 0), radius),
        # The trochlea is wider in front.
        sdf.half_space((half, 0, 12), (1, 0.06, 0.20)),
        sdf.half_space((-half, 0, 12), (-1, 0.06, 0.10)),
        sdf.half_space((0, 0, floor), (0, 0.12, -1)),
        sdf.half_space((0, 18.0, 0), (0, 1, 0.2)),
    )
    head = (-7.0 * width, -36.0 * length, -6.0)
    head_radius = rng.uniform(12.5, 14.5)
    body = sdf.smooth_union(
        7.0,
        dome,
        sdf.round_cone((-1.0, -10.0, -1.5), 11.0, head, 10.5),
        sdf.ellipsoid(head, (head_radius * 1.1, head_radius * 0.85, head_radius * 0.88)),
        sdf.ellipsoid((half + 1.5, -1.0, -8.0), (7.0, 9.0, 6.5)),
        sdf.ellipsoid((-2.0, 19.5, -8.0), (8.0, 6.0, 5.5)),
    )
    # Sinus tarsi below the neck, on the lateral side.
    body = sdf.smooth_difference(
        4.0,
        body,
        sdf.round_cone((16.0, -20.0, -14.0), 7.5, (-3.0, -9.0, -17.0), 5.0),
        # Posterior facet: rides on the dome of the calcaneus.
        sdf.ellipsoid((3.0, 8.0, -25.0), (19.0, 17.5, 17.0), _facet_axes()),
    )

    def smooth(p: np.ndarray) -> np.ndarray:
        away = np.abs(np.sqrt(p[:, 1] ** 2 + p[:, 2] ** 2) - np.float32(radius))
        return np.maximum(smoothstep(away, 1.5, 5.0), smoothstep(-p[:, 2], -4.0, 4.0))

    return BoneShape(TALUS, body, cartilage_mm=1.5, ossifies_from_center=True, smooth=smooth)


def _crus(
    rng: np.random.Generator, radius: float, half: float, width: float
) -> tuple[BoneShape, BoneShape, np.ndarray]:
    k = rng.uniform(0.94, 1.06)
    lean = rng.uniform(-0.03, 0.03)
    base = radius - 2.0
    # Straight above the metaphysis, so that the shaft's axis is exact.
    stations = [
        (z, lean * max(z - 40, 0) - 1.0, y, a * width * k, b * k)
        for z, y, a, b in (
            (base - 8, 1.0, 19.0, 19.0),
            (base + 6, 1.0, 21.5, 20.0),
            (base + 16, 1.0, 21.0, 19.0),
            (base + 28, 0.0, 17.5, 16.5),
            (base + 44, 0.0, 14.0, 14.0),
            (base + 66, 0.0, 11.8, 12.8),
            (base + 100, 0.0, 11.2, 13.0),
            (base + 200, 0.0, 11.8, 14.5),
        )
    ]
    shaft = sdf.loft(stations, exponent=2.3, lobe=(0.06, -90.0))
    malleolus = sdf.round_cone((-half - 4.0, -3.0, radius + 6), 9.0, (-half - 7.0, -3.5, radius - 17.0), 5.5)
    body = sdf.smooth_union(6.0, shaft, malleolus)
    # Plafond: rests on the dome with its cartilages in between; the fibular notch is left by the fibula's gap.
    body = sdf.smooth_difference(
        2.0,
        body,
        sdf.smooth_intersection(
            3.0,
            sdf.cylinder((0, 0, 0), (1, 0, 0), radius + 3.4),
            sdf.half_space((-half - 3.0, 0, 0), (-1, 0, 0)),
        ),
        sdf.round_cone((half + 13.0, 9.0, 0), 13.0, (half + 13.0, 9.0, 60.0), 8.5),
    )
    physis_z = radius + rng.uniform(11.0, 14.0)
    bump = rng.uniform(1.0, 3.0)

    def physis(p: np.ndarray) -> np.ndarray:
        # Kump's hump: the plate rises over the anteromedial part.
        hump = np.float32(bump) * np.exp(-((p[:, 0] + 8) ** 2 + (p[:, 1] + 6) ** 2) / np.float32(2 * 8.0**2))
        return p[:, 2] - np.float32(physis_z) - hump

    fx, fy = half + 12.0, 9.0
    fibula = sdf.smooth_union(
        5.0,
        sdf.loft(
            [
                (-2.0, fx - 1.0, fy - 2.0, 7.5, 9.5),
                (10.0, fx, fy - 2.0, 8.5, 11.0),
                (24.0, fx, fy, 7.8, 9.5),
                (40.0, fx + 0.5, fy + 1.0, 6.4, 7.2),
                (70.0, fx + 2.0, fy + 2.0, 6.0, 6.8),
                (240.0, fx + 6.0, fy + 4.0, 6.0, 7.0),
            ],
            lobe=(0.08, 10.0),
        ),
        sdf.ellipsoid((fx - 1.0, fy, -4.0), (6.8, 9.5, 13.0)),
    )
    fibular_physis = sdf.half_space((0, 0, radius - 1.0), (0.0, 0.05, -1.0))
    return (
        BoneShape(TIBIA, body, (physis,), cartilage_mm=1.6, smooth=_calm_shaft),
        BoneShape(0, fibula, (lambda p: -fibular_physis(p),), cartilage_mm=1.2),
        np.array([lean, 0.0, 1.0]) / np.hypot(lean, 1.0),
    )


def _calm_shaft(p: np.ndarray) -> np.ndarray:
    """The shaft is perturbed less, so that it stays straight."""
    return 1 - np.float32(0.7) * smoothstep(p[:, 2], 45.0, 65.0)


def _foot(rng: np.random.Generator, growth: Growth, width: float, length: float) -> list[BoneShape]:
    tall = rng.uniform(0.94, 1.06)
    # The arch rises until about ten years of age.
    flat = float(np.clip((10.0 - growth.age_years) / 6.0, 0, 1))
    pitch = float(rng.uniform(-20.0, 0.0)) + 5.0 * flat
    w, s, h = width, length, tall
    # Loft along z, then turned so that its z runs backward along +y.
    stations = [
        (z * s, x, -zc * h, a * w, b * h)
        for z, x, zc, a, b in (
            (-34.0, 5.0, -25.0, 10.0, 9.5),
            (-26.0, 5.0, -25.5, 11.0, 10.5),
            (-14.0, 3.0, -27.5, 11.5, 12.5),
            (0.0, 2.0, -31.0, 13.0, 15.5),
            (14.0, 0.5, -34.0, 12.5, 16.0),
            (28.0, -0.5, -36.5, 12.5, 17.5),
            (40.0, -1.0, -38.0, 14.0, 20.0),
            (47.0, -1.0, -38.0, 13.5, 19.5),
            (53.0, -1.0, -38.0, 11.0, 16.0),
        )
    ]
    along = sdf.loft(stations, exponent=2.4)
    body = lambda p: along(np.stack([p[:, 0], -p[:, 2], p[:, 1]], axis=1))  # noqa: E731
    calcaneus = sdf.smooth_union(
        5.0,
        body,
        # Posterior facet, sustentaculum, anterior process, plantar tubercles.
        sdf.ellipsoid((3.0, 8.0, -25.0), (15.0 * w, 15.0, 14.5), _facet_axes()),
        sdf.round_cone((-5.0, -8.0, -25.0), 8.5, (-16.0 * w, -10.0, -18.0), 5.6),
        sdf.ellipsoid((6.0, -27.0 * s, -20.0), (8.0, 8.0, 7.0)),
        sdf.ellipsoid((-5.0, 41.0 * s, -51.0 * h), (8.0, 10.0, 7.5)),
        sdf.ellipsoid((6.0, 40.0 * s, -49.0 * h), (6.0, 9.0, 6.5)),
    )
    calcaneus = sdf.smooth_intersection(5.0, calcaneus, sdf.half_space((0, 53.0 * s, -36), (0, 1.0, 0.16)))
    # The apophysis caps the tuberosity.
    apophysis = sdf.sphere((0, 8.0 * s, -32.0 * h), float(rng.uniform(37.0, 39.0)) * s)
    pitch_turn = sdf.rotation_deg((1, 0, 0), pitch)
    heel = np.array([0.0, 5.0, -20.0])

    def tilted(bone: BoneShape) -> BoneShape:
        return placed(bone, pitch_turn, heel - pitch_turn @ heel)

    def plate(p: np.ndarray) -> np.ndarray:
        # Behind only; elsewhere far away.
        return np.where(p[:, 1] > 15, -apophysis(p), np.float32(30.0))

    bones = [tilted(BoneShape(CALCANEUS, calcaneus, (plate,), cartilage_mm=1.4))]
    bones.append(
        BoneShape(
            0,
            sdf.smooth_difference(
                2.0,
                sdf.ellipsoid((-9.0 * w, -51.0 * s, -7.0), (19.0 * w, 11.0, 14.0), sdf.rotation_deg((0, 0, 1), -12.0)),
                sdf.sphere((-7.0 * w, -36.0 * s, -6.0), 14.0),
            ),
            cartilage_mm=1.2,
            ossifies_from_center=True,
        )
    )
    bones.append(
        BoneShape(
            0,
            sdf.rounded_box((13.0 * w, -49.0 * s, -25.0), (12.0 * w, 15.0 * s, 11.5), 6.0),
            cartilage_mm=1.2,
            ossifies_from_center=True,
        )
    )
    for n, (x, z, a) in enumerate(((-21.0, -10.0, 8.0), (-8.0, -3.5, 6.5), (3.0, -8.0, 6.5))):
        bones.append(
            BoneShape(
                0,
                sdf.rounded_box((x * w, (-70.0 + n) * s, z), (a * w, 9.5, 10.5), 4.0),
                cartilage_mm=1.0,
                ossifies_from_center=True,
            )
        )
    for x, z, r, end in (
        (-22.0, -13.0, 8.5, -20.0),
        (-8.5, -4.5, 6.5, -16.0),
        (3.0, -9.0, 6.5, -20.0),
        (13.0, -17.0, 6.5, -26.0),
        (23.0, -24.0, 6.5, -32.0),
    ):
        start = -86.0 if x < 10 else -70.0
        bones.append(
            BoneShape(
                0,
                sdf.tube(
                    [
                        (x * w, start * s, z),
                        (x * 1.05 * w, (start - 14) * s, z - 3.0),
                        (x * 1.2 * w, -150.0 * s, end - 14.0),
                    ],
                    [r, r * 0.72, r * 0.6],
                ),
            )
        )
    return bones
