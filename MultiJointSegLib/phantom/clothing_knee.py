"""Muscles, tendons, ligaments and vessels of the knee, placed by the bones' own landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.clothing_strands import Plan, Strand

# Rows: lateral, anterior (adult mm, from the middle of the femur at that level), superior (from the plateau), radius.
_THIGH = {
    "vastus_medialis": [(-27, 12, 200, 26), (-29, 12, 95, 25), (-30, 10, 50, 19), (-32, 8, 26, 10)],
    "vastus_lateralis": [(26, 12, 200, 28), (27, 12, 100, 24), (26, 14, 62, 14), (24, 16, 44, 6)],
    "rectus_and_intermedius": [(0, 28, 200, 22), (0, 26, 120, 17), (0, 22, 80, 8)],
    "biceps_femoris": [(22, -42, 200, 22), (24, -40, 110, 20), (31, -34, 45, 13), (36, -28, 8, 5)],
    "semimembranosus": [(-18, -42, 200, 20), (-20, -42, 110, 20), (-24, -40, 45, 15), (-29, -32, 6, 6)],
    "semitendinosus": [(-4, -56, 200, 16), (-8, -56, 110, 13), (-20, -54, 60, 6)],
    "sartorius": [(-40, 0, 200, 10), (-44, -14, 100, 9), (-46, -26, 35, 8), (-42, -22, -15, 4)],
    "gracilis": [(-44, -28, 200, 12), (-44, -34, 100, 7), (-42, -38, 40, 4)],
    "adductor_magnus": [(-20, -22, 200, 20), (-22, -20, 110, 11), (-24, -14, 75, 4)],
}
# The same, from the middle of the tibia.
_SHANK = {
    "gastrocnemius_medial": [
        (-17, -30, 28, 5), (-20, -36, 8, 12), (-22, -42, -35, 19), (-24, -50, -85, 24), (-22, -52, -200, 24),
    ],
    "gastrocnemius_lateral": [
        (17, -30, 28, 5), (19, -35, 8, 11), (20, -41, -35, 17), (22, -48, -85, 21), (20, -50, -200, 20),
    ],
    "popliteus": [(18, -24, 0, 3), (2, -25, -22, 7), (-10, -21, -50, 8), (-14, -18, -85, 4)],
    "soleus": [(22, -30, -28, 4), (12, -36, -60, 11), (2, -38, -100, 18), (0, -38, -200, 20)],
    "tibialis_anterior": [(20, 14, -22, 4), (19, 6, -60, 11), (18, 4, -110, 13), (18, 4, -200, 14)],
    "extensors_and_peronei": [(34, 2, -30, 4), (35, -6, -70, 10), (35, -10, -200, 12)],
    "tibialis_posterior": [(14, -16, -50, 4), (12, -18, -100, 10), (12, -18, -200, 11)],
}  # fmt: skip


def plan_knee(frame: Frame, rng: np.random.Generator, bulk: float) -> Plan:
    """Strands of one knee; `bulk` is the muscle bulk relative to an average adult."""
    s = frame.scale
    full = rng.uniform(5, 11)
    slack = ((-60 * s, full * s), (-5 * s, 2.5 * s), (20 * s, 2.5 * s), (80 * s, full * s))
    plan = Plan(closing_mm=36.0 * s, cover_mm=1.0 * s, slack_mm=slack)
    for table, bone, start in ((_THIGH, "femur", 45.0), (_SHANK, "tibia", -45.0)):
        for rows in table.values():
            jitter = rng.normal(0, 2.0, 2)
            thickness = np.sqrt(bulk) * rng.uniform(0.85, 1.15)
            plan.muscles.append(_belly(frame, bone, start, rows, jitter, thickness))
    _add_extensor_apparatus(plan, frame, rng)
    _add_ligaments(plan, frame, rng)
    _add_vessels(plan, frame, rng)
    return plan


def _middle(frame: Frame, bone: str, start: float, level: float) -> np.ndarray:
    """Where a muscle's position is counted from: the shaft beyond `start` (adult mm), the joint's middle at 0."""
    s = frame.scale
    shaft = frame.middle(bone, level * s)
    if shaft is None:
        return np.zeros(2)
    weight = np.clip(level / start, 0, 1)
    return weight * shaft


def _belly(
    frame: Frame, bone: str, start: float, rows: Sequence[tuple[float, ...]], jitter: np.ndarray, thickness: float
) -> Strand:
    s = frame.scale
    points, radii = [], []
    for lateral, anterior, superior, radius in rows:
        middle = _middle(frame, bone, start, superior)
        # Bulk pushes bellies outward as it thickens them.
        outward = 1 + 0.35 * (thickness - 1)
        points.append(
            (
                middle[0] + (lateral * outward + jitter[0]) * s,
                middle[1] + (anterior * outward + jitter[1]) * s,
                superior * s,
            )
        )
        radii.append(radius * thickness * s)
    return Strand(frame.points(points), np.array(radii))


def _add_extensor_apparatus(plan: Plan, frame: Frame, rng: np.random.Generator) -> None:
    """Quadriceps tendon, patellar tendon, and the suprapatellar recess with more or less fluid."""
    s = frame.scale
    femur, tibia, patella = (frame.clouds.get(k) for k in ("femur", "tibia", "patella"))
    if patella is None or tibia is None or femur is None:
        return
    wide = frame.axes[0]
    front_of = lambda cloud: cloud[cloud[:, 1] >= np.percentile(cloud[:, 1], 60)]  # noqa: E731
    lowest = front_of(patella)[np.argmin(front_of(patella)[:, 2])]
    highest = front_of(patella)[np.argmax(front_of(patella)[:, 2])]
    window = tibia[(tibia[:, 2] < -22 * s) & (tibia[:, 2] > -48 * s)]
    if len(window):
        tuberosity = window[np.argmax(window[:, 1] + 0.15 * window[:, 2])]
        half = rng.uniform(1.8, 2.8) * s
        path = [
            lowest + [0, 1.5 * s, 2 * s],
            0.5 * (lowest + tuberosity) + [0, 2.0 * s, 0],
            tuberosity + [0, 1.0 * s, 0],
        ]
        plan.tendons.append(Strand(frame.points(path), np.full(3, half), wide, rng.uniform(4.0, 5.5)))
        for side in (-17, 17):
            pad = [0.5 * (lowest + tuberosity) + [side * s, -9 * s, 4 * s], lowest + [side * s, -9 * s, 10 * s]]
            plan.pads.append(Strand(frame.points(pad), np.array([9.0, 10.0]) * s))
    if rng.uniform() < 0.8:
        over = patella[np.argmax(patella[:, 1])]
        path = [lowest + [0, 2.0 * s, 0], over + [0, 1.5 * s, 0], highest + [0, 1.5 * s, 0]]
        plan.tendons.append(Strand(frame.points(path), np.full(3, 1.0 * s), wide, 10.0))
    shaft = frame.middle("femur", 110 * s)
    reach = [shaft[0], shaft[1] + 34 * s, 115 * s] if shaft is not None else highest + [0, 0, 60 * s]
    half = rng.uniform(2.2, 3.2) * s
    path = [highest + [0, 0.5 * s, -2 * s], 0.6 * highest + 0.4 * np.array(reach), np.array(reach)]
    plan.tendons.append(Strand(frame.points(path), np.array([half, half, 0.5 * half]), wide, rng.uniform(4.5, 6.5)))
    effusion = float(rng.choice([0.6, rng.uniform(0.8, 2.5), rng.uniform(2.5, 6.0)], p=[0.5, 0.35, 0.15])) * s
    front = femur[np.abs(femur[:, 2] - highest[2] - 12 * s) < 6 * s]
    if len(front):
        anterior = front[:, 1].max() + 2.5 * s + effusion
        top = highest[2] + rng.uniform(18, 45) * s
        path = [(highest[0], anterior, highest[2] - 6 * s), (highest[0], anterior + 2 * s, top)]
        plan.fluid.append(
            Strand(frame.points(path), np.array([effusion, 0.6 * effusion]), wide, max(2.0, 14 * s / effusion))
        )


def _add_ligaments(plan: Plan, frame: Frame, rng: np.random.Generator) -> None:
    """Cruciate and collateral ligaments, tendons that pass the joint."""
    s = frame.scale
    femur, tibia, fibula = (frame.clouds.get(k) for k in ("femur", "tibia", "fibula"))
    if femur is None or tibia is None:
        return
    t = lambda: rng.normal(0, 1.0)  # noqa: E731
    radius = rng.uniform(3.0, 4.5) * s
    anterior = [(9 + t(), -15 + t(), 16 + t()), (4, -4 + t(), 8), (0, 9 + t(), 0)]
    plan.tendons.append(Strand(frame.points(np.array(anterior) * s), np.array([radius, 0.8 * radius, radius])))
    radius = rng.uniform(3.5, 5.0) * s
    posterior = [(-8 + t(), 3 + t(), 14 + t()), (-4, -12 + t(), 14), (0, -22 + t(), 2), (1, -25, -8)]
    plan.tendons.append(Strand(frame.points(np.array(posterior) * s), np.full(4, 0.9 * radius)))
    low = femur[femur[:, 2] < femur[:, 2].min() + 40 * s]
    medial, lateral = low[np.argmin(low[:, 0])], low[np.argmax(low[:, 0])]
    rim = tibia[tibia[:, 2] > -12 * s][:, 0].min()
    shaft = tibia[np.abs(tibia[:, 2] + 45 * s) < 5 * s]
    if len(shaft):
        path = [medial + [-1.0 * s, 0, 0], (rim - 1.5 * s, 0, 0), (shaft[:, 0].min() - 1 * s, 4 * s, -45 * s)]
        plan.tendons.append(Strand(frame.points(path), np.full(3, 1.2 * s), frame.axes[1], 6.0))
    if fibula is not None:
        head = fibula[np.argmax(fibula[:, 2])]
        path = [lateral + [1.0 * s, 0, 0], head + [2 * s, 0, 0]]
        plan.tendons.append(Strand(frame.points(path), np.full(2, 1.8 * s)))
        path = [(36 * s, -28 * s, 40 * s), (38 * s, -24 * s, 10 * s), head + [1 * s, -3 * s, 0]]
        plan.tendons.append(Strand(frame.points(path), np.array([1.5, 2.5, 2.5]) * s))
    # Iliotibial band, semitendinosus, gracilis.
    band = [(40, 2, 110), (42, 4, 40), (36, 12, 5), (30, 16, -12)]
    plan.tendons.append(Strand(frame.points(np.array(band) * s), np.full(4, 1.0 * s), frame.axes[1], 7.0))
    for path in ([(-20, -52, 60), (-32, -44, 10), (-34, -20, -30)], [(-40, -40, 50), (-38, -36, 5), (-35, -16, -28)]):
        plan.tendons.append(Strand(frame.points((np.array(path) + [t(), t(), 0]) * s), np.full(3, 2.0 * s)))


def _add_vessels(plan: Plan, frame: Frame, rng: np.random.Generator) -> None:
    """Popliteal artery and vein, a few smaller ones under the skin and between muscles."""
    s = frame.scale
    levels = np.array([170, 90, 40, 0, -40, -90, -170.0])
    back = np.array([-26, -32, -36, -37, -33, -34, -34.0])
    for shift, behind, radius in ((0.0, 0.0, 2.8), (3.0, -7.0, 3.6)):
        wobble = rng.normal(0, 2.0, (7, 2))
        path = np.stack([shift + wobble[:, 0], back + behind + wobble[:, 1], levels], 1) * s
        plan.vessels.append(Strand(frame.points(path), np.full(7, radius * rng.uniform(0.8, 1.2) * s)))
    for _ in range(int(rng.integers(3, 8))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(38, 62)
        wobble = np.cumsum(rng.normal(0, 3.0, (7, 2)), axis=0)
        path = (
            np.stack([reach * np.cos(angle) + wobble[:, 0], reach * np.sin(angle) - 12 + wobble[:, 1], levels], 1) * s
        )
        plan.vessels.append(Strand(frame.points(path), np.full(7, rng.uniform(0.7, 1.6) * s)))
