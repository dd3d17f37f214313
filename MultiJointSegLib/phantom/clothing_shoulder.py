"""Muscles, tendons, vessels and chest wall around the shoulder, placed by humeral head and scapula."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.clothing_strands import Plan, Strand, Trunk

# Cuff muscles. Rows: along the scapula (from the head medially), behind its plane, superior, radius; adult mm.
_CUFF: dict[str, list[tuple[float, float, float, float]]] = {
    "supraspinatus": [(90, 2, 14, 8), (52, 2, 24, 13), (22, 0, 26, 8), (2, 0, 25, 3.5)],
    "infraspinatus": [(95, 18, -38, 13), (58, 20, -18, 15), (24, 23, 0, 10), (2, 24, 4, 3.5)],
    "teres_minor": [(75, 16, -62, 9), (35, 20, -28, 9), (5, 23, -10, 4)],
    "teres_major": [(85, 8, -95, 15), (40, 2, -72, 14), (5, -12, -60, 7)],
    "subscapularis": [(92, -14, -42, 11), (58, -16, -22, 15), (24, -22, -4, 10), (4, -24, -2, 3.5)],
    "serratus": [(95, -30, -80, 10), (80, -30, -30, 10), (88, -24, 10, 7)],
    "rhomboid": [(135, 22, -70, 10), (125, 20, 0, 10)],
    "trapezius": [(150, 10, 90, 26), (100, 10, 48, 17), (50, 8, 36, 11), (15, 4, 31, 4)],
    "posterior_deltoid": [(30, 30, 24, 7), (0, 36, 0, 10)],
}
# Others. Rows: lateral, anterior, superior from the head's center, radius.
_ARM: dict[str, list[tuple[float, float, float, float]]] = {
    "deltoid_middle": [(12, 0, 36, 5), (33, 0, 12, 8), (36, 0, -30, 11), (22, 2, -85, 9)],
    "deltoid_anterior": [(-14, 32, 26, 6), (14, 33, 0, 10), (26, 20, -45, 10), (20, 8, -90, 8)],
    "deltoid_posterior": [(4, -36, 10, 7), (20, -32, -10, 10), (26, -18, -45, 10), (20, -4, -90, 8)],
    "pectoralis_major": [(-130, 70, -90, 16), (-80, 64, -60, 16), (-35, 50, -45, 13), (2, 24, -50, 6)],
    "pectoralis_minor": [(-85, 52, -80, 9), (-45, 36, -30, 8), (-22, 24, 6, 4)],
    "coracobrachialis": [(-18, 24, 0, 5), (-6, 20, -50, 10), (2, 12, -110, 11)],
    "biceps": [(6, 26, -60, 5), (8, 26, -100, 14), (8, 26, -200, 18)],
    "triceps": [(-14, -12, -34, 6), (2, -24, -80, 14), (6, -24, -200, 20)],
    "latissimus": [(-90, -60, -160, 14), (-60, -40, -110, 13), (-20, -5, -75, 7)],
    "neck": [(-150, -5, 30, 30), (-152, -8, 200, 34)],
    "erector": [(-200, -75, -200, 30), (-205, -80, 100, 26)],
}


def plan_shoulder(frame: Frame, rng: np.random.Generator, bulk: float) -> Plan:
    """Strands of one shoulder with a quarter of the chest; `bulk` relative to an average adult."""
    s = frame.scale
    plan = Plan(closing_mm=42.0 * s, cover_mm=1.0 * s, slack_mm=((0.0, rng.uniform(4, 12) * s),))
    head, medial, behind = _landmarks(frame)
    for name, rows in (_CUFF | _ARM).items():
        thickness = np.sqrt(bulk) * rng.uniform(0.85, 1.15)
        points, radii = [], []
        for a, b, superior, radius in rows:
            horizontal = head[:2] + (a * medial + b * behind if name in _CUFF else np.array([a, b])) * s
            points.append((*(horizontal + rng.normal(0, 1.0 * s, 2)), head[2] + superior * s))
            radii.append(radius * thickness * s)
        plan.muscles.append(Strand(frame.points(points), np.array(radii)))
    r = 24.0 * s
    for direction in (np.array([0.25, 0, 1.0]), np.array([0.2, -1.0, 0.2]), np.array([0.0, 1.0, 0.1])):
        along = medial * 20 * s
        start = head + np.array([*along, 0]) + direction / np.linalg.norm(direction) * r
        end = head + np.array([6 * s, 0, 0]) + direction / np.linalg.norm(direction) * (r + 1.5 * s)
        plan.tendons.append(Strand(frame.points([start, end]), np.array([2.2, 2.0]) * s, frame.axes[1], 3.0))
    groove = [(14, 22, 10), (16, 22, -20), (14, 24, -70)]
    plan.tendons.append(Strand(frame.points(head + np.array(groove) * s), np.full(3, 2.2 * s)))
    for shift, radius in ((0.0, 3.5), (8.0, 4.5)):
        path = [(-140, 40, 25), (-90, 36 + shift, 5), (-45, 26 + shift, -22), (-20, 8 + shift, -50), (-12, 2, -200)]
        line = head + (np.array(path) + rng.normal(0, 2.0, (5, 3))) * s
        plan.vessels.append(Strand(frame.points(line), np.full(5, radius * s)))
    cephalic = [(-40, 48, 20), (6, 40, -20), (22, 32, -120)]
    plan.vessels.append(Strand(frame.points(head + np.array(cephalic) * s), np.full(3, 1.4 * s)))
    if rng.uniform() < 0.4:
        bursa = [(6, 4, 30), (30, 2, 14)]
        plan.fluid.append(
            Strand(frame.points(head + np.array(bursa) * s), np.full(2, rng.uniform(0.6, 2.0) * s), frame.axes[1], 5.0)
        )
    plan.trunk = Trunk(
        (head[0] - 150 * s, head[1] - 8 * s), (118 * s * rng.uniform(0.95, 1.08), 96 * s * rng.uniform(0.9, 1.1)),
        top_mm=head[2] + rng.uniform(10, 32) * s, cage=True,
    )  # fmt: skip
    return plan


def _landmarks(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Center of the humeral head (3,), horizontal unit vectors (lateral, anterior) along and behind the scapula."""
    s = frame.scale
    humerus, scapula = frame.clouds.get("humerus"), frame.clouds.get("scapula")
    head = np.zeros(3)
    if humerus is not None:
        top = humerus[humerus[:, 2] > humerus[:, 2].max() - 38 * s]
        head = (top.min(0) + top.max(0)) / 2
    medial = np.array([-0.85, -0.53])
    if scapula is not None:
        border = scapula[scapula[:, 0] <= np.percentile(scapula[:, 0], 15)].mean(0)
        medial = border[:2] - head[:2]
        medial = medial / max(float(np.linalg.norm(medial)), 1e-6)
    behind = np.array([-medial[1], medial[0]])
    return head, medial, behind if behind[1] < 0 else -behind
