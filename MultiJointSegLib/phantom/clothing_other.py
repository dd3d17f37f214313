"""Muscles around any other limb part: bellies in a ring around the bones, thinner at the joint."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.phantom.clothing_frame import Frame
from MultiJointSegLib.phantom.clothing_strands import Plan, Strand


def plan_other(frame: Frame, rng: np.random.Generator, bulk: float) -> Plan:
    """Strands of a limb without rules of its own (wrist, elbow, ...): used to train what is none of our joints."""
    s = frame.scale
    plan = Plan(closing_mm=18.0 * s, cover_mm=2.0 * s, slack_mm=((-60 * s, 8 * s), (0.0, 1.0), (60 * s, 8 * s)))
    levels = np.array([-180.0, -90, -45, 0, 45, 90, 180]) * s
    belly = np.array([1.0, 1.0, 0.75, 0.3, 0.75, 1.0, 1.0])
    count = int(rng.integers(5, 10))
    for n in range(count):
        angle = 2 * np.pi * (n + rng.uniform(-0.3, 0.3)) / count
        reach = rng.uniform(18, 34) * s
        path = np.stack(
            [reach * np.cos(angle) * (0.6 + 0.4 * belly), reach * np.sin(angle) * (0.6 + 0.4 * belly), levels], 1
        )
        radius = rng.uniform(8, 16) * np.sqrt(bulk) * s
        plan.muscles.append(Strand(frame.points(path), radius * belly))
        if rng.uniform() < 0.6:
            plan.tendons.append(Strand(frame.points(path), np.full(len(levels), rng.uniform(1.0, 2.5) * s)))
    for _ in range(3):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(15, 35) * s
        path = np.stack([np.full(7, reach * np.cos(angle)), np.full(7, reach * np.sin(angle)), levels], 1)
        path[:, :2] += np.cumsum(rng.normal(0, 2 * s, (7, 2)), axis=0)
        plan.vessels.append(Strand(frame.points(path), np.full(7, rng.uniform(1.0, 2.5) * s)))
    return plan
