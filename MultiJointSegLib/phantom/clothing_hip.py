"""Muscles, vessels and pelvic contents around the hip, placed relative to the femoral head."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.clothing_strands import Plan, Strand, Trunk

# Rows: lateral, anterior, superior from the head's center, radius; adult mm.
_MUSCLES = {
    "gluteus_maximus": [(-60, -66, 80, 18), (-20, -72, 30, 26), (22, -60, -20, 24), (44, -36, -70, 12)],
    "gluteus_medius": [(0, -20, 110, 16), (24, -18, 65, 22), (44, -10, 22, 12), (52, -8, 0, 5)],
    "gluteus_minimus": [(8, 2, 80, 10), (28, 6, 45, 12), (46, 6, 8, 5)],
    "iliopsoas": [(-60, -10, 140, 24), (-30, 16, 80, 22), (-8, 30, 20, 14), (8, 14, -35, 9), (16, -4, -55, 5)],
    "rectus_femoris": [(12, 30, 34, 6), (18, 42, -20, 11), (22, 46, -90, 17), (22, 46, -200, 20)],
    "sartorius": [(30, 40, 90, 6), (8, 54, 10, 8), (-12, 54, -70, 9), (-26, 48, -200, 10)],
    "tensor_fasciae": [(44, 34, 80, 8), (56, 26, 20, 12), (62, 12, -60, 9)],
    "vastus": [(50, 12, -45, 9), (52, 16, -90, 20), (46, 16, -200, 26)],
    "vastus_intermedius": [(26, 22, -70, 8), (26, 24, -200, 18)],
    "adductor_longus": [(-60, 30, -30, 6), (-42, 28, -80, 17), (-18, 18, -200, 18)],
    "adductor_magnus": [(-48, -10, -55, 12), (-28, -14, -110, 26), (-12, -16, -200, 28)],
    "hamstrings": [(-26, -38, -45, 7), (-12, -50, -100, 18), (-2, -56, -200, 24)],
    "gracilis": [(-72, 10, -50, 6), (-66, 6, -200, 10)],
    "pectineus": [(-48, 36, 5, 8), (-20, 26, -25, 11), (6, 4, -50, 6)],
    "obturator_externus": [(-50, 8, -22, 10), (-14, -16, -20, 8), (24, -26, 0, 4)],
    "obturator_internus": [(-40, -10, 20, 8), (-34, -40, 0, 8), (20, -32, 4, 4)],
    "piriformis": [(-70, -62, 50, 12), (-20, -50, 30, 11), (34, -22, 18, 4)],
    "quadratus_femoris": [(-20, -36, -30, 8), (24, -30, -30, 8)],
    "rectus_abdominis": [(-90, 80, 160, 12), (-92, 74, 40, 10), (-88, 60, -10, 5)],
}


def plan_hip(frame: Frame, rng: np.random.Generator, bulk: float) -> Plan:
    """Strands of one hip with half of the pelvis; `bulk` relative to an average adult."""
    s = frame.scale
    plan = Plan(closing_mm=28.0 * s, cover_mm=2.0 * s, slack_mm=((0.0, rng.uniform(4, 11) * s),))
    for rows in _MUSCLES.values():
        thickness = np.sqrt(bulk) * rng.uniform(0.85, 1.15)
        jitter = rng.normal(0, 2.5, 3)
        points = (np.array([r[:3] for r in rows], float) + jitter) * s
        plan.muscles.append(Strand(frame.points(points), np.array([r[3] for r in rows]) * thickness * s))
    for shift, radius in ((0.0, 4.0), (-10.0, 5.0)):
        path = [(-60, 0, 150), (-34 + shift, 40, 50), (-26 + shift, 48, 10), (-24 + shift, 44, -60), (-20, 20, -200)]
        points = (np.array(path) + rng.normal(0, 2.0, (5, 3))) * s
        plan.vessels.append(Strand(frame.points(points), np.full(5, radius * s)))
    bladder = np.array([[-95, 20, 12], [-95, 10, 30]]) * s
    plan.fluid.append(Strand(frame.points(bladder), np.full(2, rng.uniform(10, 32) * s)))
    if rng.uniform() < 0.5:
        recess = np.array([[-4, 27, -4], [8, 22, -22]]) * s
        plan.fluid.append(Strand(frame.points(recess), np.full(2, rng.uniform(0.8, 3.0) * s), frame.axes[0], 3.0))
    plan.trunk = Trunk(
        (-95 * s, -4 * s), (150 * s * rng.uniform(0.92, 1.05), 100 * s * rng.uniform(0.9, 1.1)), bottom_mm=-85 * s
    )
    return plan
