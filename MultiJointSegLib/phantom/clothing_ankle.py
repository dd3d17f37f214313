"""Muscles, tendons and vessels of ankle and hindfoot, placed by the bones' own landmarks."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.clothing_strands import Plan, Strand

# Rows: lateral, anterior (adult mm, from the middle of the tibia at that level), superior (from the dome), radius.
_LEG = {
    "soleus_and_gastrocnemius": [(2, -40, 200, 30), (2, -38, 120, 24), (3, -36, 75, 14), (3, -36, 45, 4)],
    "flexor_hallucis_longus": [(12, -22, 200, 10), (10, -24, 100, 12), (6, -25, 40, 9), (0, -24, 8, 4)],
    "tibialis_posterior_and_flexor_digitorum": [(-4, -16, 200, 12), (-8, -18, 100, 10), (-12, -19, 45, 4)],
    "peronei": [(34, -10, 200, 12), (32, -16, 100, 10), (27, -21, 45, 7), (26, -22, 15, 3)],
    "tibialis_anterior": [(16, 12, 200, 14), (12, 15, 110, 12), (2, 20, 60, 5)],
    "extensors": [(26, 8, 200, 11), (22, 12, 110, 10), (14, 19, 45, 6), (12, 20, 20, 3)],
}


def plan_ankle(frame: Frame, rng: np.random.Generator, bulk: float) -> Plan:
    """Strands of one ankle; `bulk` is the muscle bulk relative to an average adult."""
    s = frame.scale
    full = rng.uniform(3, 8)
    slack = ((-40 * s, 2.0 * s), (25 * s, 1.0 * s), (100 * s, full * s))
    plan = Plan(closing_mm=22.0 * s, cover_mm=1.5 * s, slack_mm=slack)
    for rows in _LEG.values():
        jitter, thickness = rng.normal(0, 1.5, 2), np.sqrt(bulk) * rng.uniform(0.85, 1.15)
        points, radii = [], []
        for lateral, anterior, superior, radius in rows:
            middle = frame.middle("tibia", max(superior, 12.0) * s)
            middle = np.zeros(2) if middle is None else middle
            points.append((*(middle + (np.array([lateral, anterior]) + jitter) * s), superior * s))
            radii.append(radius * thickness * s)
        plan.muscles.append(Strand(frame.points(points), np.array(radii)))
    _add_foot(plan, frame, rng)
    _add_tendons(plan, frame, rng)
    _add_vessels(plan, frame, rng)
    return plan


def _add_foot(plan: Plan, frame: Frame, rng: np.random.Generator) -> None:
    """Sole muscles, plantar fascia, short extensor on the back of the foot."""
    s = frame.scale
    calcaneus = frame.clouds.get("calcaneus")
    if calcaneus is None:
        return
    low, high = calcaneus.min(0), calcaneus.max(0)
    middle = (low + high) / 2
    bottom, rear = low[2], low[1]
    turn = _foot_turn(frame)
    behind = calcaneus[calcaneus[:, 1] < rear + 10 * s]
    heel_at = np.array([behind[:, 0].mean(), rear, bottom])
    r = lambda a: a * s * rng.uniform(0.85, 1.15)  # noqa: E731
    sole = {
        "flexor_brevis": [(0, 14, 3, 4), (-2, 45, 2, 9), (-4, 90, 8, 9), (-4, 140, 12, 6)],
        "abductor_hallucis": [(-14, 14, 8, 5), (-22, 40, 12, 9), (-26, 80, 16, 8), (-28, 130, 16, 5)],
        "abductor_digiti": [(12, 14, 3, 4), (18, 45, 4, 8), (26, 80, 6, 7), (34, 110, 8, 4)],
        "quadratus_plantae": [(-8, 34, 14, 5), (-8, 60, 14, 8), (-6, 90, 16, 5)],
    }
    for rows in sole.values():
        points = heel_at + _turned(np.array([row[:3] for row in rows], float), turn) * s
        plan.muscles.append(Strand(frame.points(points), np.array([r(d) for *_, d in rows])))
    front = [
        (middle[0] + 6 * s, high[1] - 8 * s, high[2] - 2 * s),
        (middle[0] + 4 * s, high[1] + 30 * s, high[2] - 8 * s),
    ]
    plan.muscles.append(Strand(frame.points(front), np.array([r(6), r(5)])))
    fascia = heel_at + _turned(np.array([(-1.0, 12, 0), (-3, 45, -6), (-4, 140, 0)]), turn) * s
    plan.tendons.append(Strand(frame.points(fascia), np.array([1.6, 1.2, 0.8]) * s, frame.axes[0], 7.0))
    heel = [(middle[0], rear + 10 * s, bottom - 4 * s), (middle[0], rear + 32 * s, bottom - 2 * s)]
    plan.pads.append(Strand(frame.points(heel), np.array([11, 8]) * s, frame.axes[0], 1.4))


def _foot_turn(frame: Frame) -> float:
    """Angle in rad by which the foot points to the lateral side of straight ahead: heel to head of the talus."""
    calcaneus, talus = frame.clouds.get("calcaneus"), frame.clouds.get("talus")
    if calcaneus is None or talus is None:
        return 0.0
    heel = calcaneus[calcaneus[:, 1] < calcaneus[:, 1].min() + 10 * frame.scale].mean(0)
    # The head of the talus lies medial of the foot's axis, over the second ray the two meet.
    head = talus[talus[:, 1] > talus[:, 1].max() - 8 * frame.scale].mean(0)
    return float(np.arctan2(head[0] - heel[0], head[1] - heel[1])) + 0.12


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    """Points (lateral, anterior, superior) turned to the lateral side about the vertical through the origin."""
    lateral, anterior = points[:, 0], points[:, 1]
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * lateral + s * anterior, c * anterior - s * lateral, points[:, 2]], 1)


def _add_tendons(plan: Plan, frame: Frame, rng: np.random.Generator) -> None:
    s = frame.scale
    calcaneus, tibia, talus = (frame.clouds.get(k) for k in ("calcaneus", "tibia", "talus"))
    if calcaneus is None or tibia is None or talus is None:
        return
    rear_part = calcaneus[calcaneus[:, 1] < calcaneus[:, 1].min() + 8 * s]
    insertion = np.array([rear_part[:, 0].mean(), calcaneus[:, 1].min() + 1.0 * s, np.percentile(rear_part[:, 2], 55)])
    top = rear_part[:, 2].max()
    middle = frame.middle("tibia", 60 * s)
    leg = np.zeros(2) if middle is None else middle
    thick = rng.uniform(2.2, 3.2) * s
    achilles = np.array([
        insertion, (insertion[0], insertion[1] - 0.5 * s, top + 4 * s),
        (leg[0] + 3 * s, leg[1] - 42 * s, 60 * s), (leg[0] + 2 * s, leg[1] - 52 * s, 130 * s),
    ])  # fmt: skip
    plan.tendons.append(
        Strand(frame.points(achilles), thick * np.array([1.0, 1, 1, 0.5]), frame.axes[0], rng.uniform(2.0, 2.8))
    )
    front = talus[:, 1].max()
    turn = _foot_turn(frame)
    t = lambda: rng.normal(0, 1.0)  # noqa: E731
    paths = {
        "tibialis_anterior": ([(0, 22, 60), (-10, 24, 10), (-18, front / s - 4, -12), (-24, front / s + 24, -28)], 2.4),
        "extensor_hallucis": ([(8, 22, 60), (0, 25, 10), (-6, front / s, -6), (-10, front / s + 40, -22)], 1.7),
        "extensor_digitorum": ([(14, 21, 50), (10, 24, 10), (8, front / s, -8), (10, front / s + 40, -28)], 2.3),
        "tibialis_posterior": ([(-12, -19, 50), (-20, -18, 8), (-24, -10, -8), (-24, 14, -22), (-20, 30, -26)], 2.6),
        "flexor_digitorum": ([(-10, -22, 50), (-18, -22, 5), (-22, -12, -16), (-18, 20, -34)], 1.8),
        "flexor_hallucis": ([(0, -25, 20), (-6, -27, -4), (-12, -22, -20), (-14, 10, -36)], 2.2),
        "peroneus_longus": ([(26, -23, 40), (26, -26, -4), (24, -14, -22), (22, 14, -36)], 2.3),
        "peroneus_brevis": ([(25, -20, 40), (25, -22, -4), (24, -10, -20), (26, 22, -32)], 2.0),
    }
    for path, radius in paths.values():
        points = np.array(path, float) + [t(), t(), 0]
        points = np.where(points[:, 2:] < 5, _turned(points, turn), points) * s
        plan.tendons.append(Strand(frame.points(points), np.full(len(path), radius * rng.uniform(0.8, 1.2) * s)))
    if rng.uniform() < 0.5:
        effusion = rng.uniform(1.0, 4.0) * s
        recess = [(0, talus[:, 1].mean() + 18 * s, -1 * s), (0, talus[:, 1].mean() + 20 * s, 8 * s)]
        plan.fluid.append(Strand(frame.points(recess), np.array([effusion, 0.7 * effusion]), frame.axes[0], 3.0))


def _add_vessels(plan: Plan, frame: Frame, rng: np.random.Generator) -> None:
    s = frame.scale
    behind = [(-8, -24, 150), (-10, -26, 60), (-18, -27, 8), (-22, -20, -12), (-20, 10, -30)]
    front = [(6, 20, 150), (6, 22, 50), (3, 26, 5), (0, 40, -12)]
    great = [(-24, 10, 150), (-26, 14, 40), (-26, 20, 5), (-24, 40, -15)]
    small = [(22, -40, 150), (24, -36, 50), (26, -34, -10)]
    for path, radius in ((behind, 1.8), (front, 1.3), (great, 1.6), (small, 1.2)):
        points = (np.array(path, float) + rng.normal(0, 1.5, (len(path), 3))) * s
        plan.vessels.append(Strand(frame.points(points), np.full(len(path), radius * rng.uniform(0.7, 1.3) * s)))
