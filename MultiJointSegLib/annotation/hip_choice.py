"""Which of the balls found are the patient's hips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.annotation.hip_finding import Ball
from MultiJointSegLib.errors import RefusalError

PAIR_SCORE = 0.28
SINGLE_SCORE = 0.42
LEAST_HEAD = 0.45
LEAST_RADIUS_MM = 12.5
LARGEST_METAL = 0.06
"""A prosthesis fills more than a tenth of the surroundings of its head, a screw in the neck up to three hundredths."""
APART_RADII = (4.8, 12.0)
"""Distance of the two heads in head radii; about 7.5 in adults, more in children, whose ossified heads are small."""
HALF_WIDTH_RADII = 3.8


@dataclass(frozen=True, slots=True, eq=False)
class FoundHips:
    """The hips of one patient.

    Parameters
    ----------
    balls : dict of str to Ball
        By side, "left" and "right"; at least one.
    midline : float
        Index along i of the plane between both halves of the body.
    """

    balls: dict[str, Ball]
    midline: float


def choose_hips(balls: list[Ball], spacing_mm: np.ndarray) -> FoundHips:
    """Pick both hips, or the only one.

    Parameters
    ----------
    balls : list of Ball
        From `hip_finding.find_balls`.
    spacing_mm : (3,)
        Along (k, j, i) of the balls' grid, whose axes point up, back and left.

    Raises
    ------
    RefusalError
        If there is no hip.
    """
    natural = [b for b in balls if b.metal_fraction <= LARGEST_METAL and b.head_coverage >= LEAST_HEAD]
    natural = [b for b in natural if b.radius_mm >= LEAST_RADIUS_MM]
    best: tuple[float, Ball, Ball] | None = None
    for left in natural:
        for right in natural:
            fitness = _pair_fitness(left, right, spacing_mm)
            if fitness > (best[0] if best else 0.0):
                best = (fitness, left, right)
    if best is not None:
        _, left, right = best
        return FoundHips({"left": left, "right": right}, 0.5 * float(left.index[2] + right.index[2]))
    single = [b for b in natural if b.score >= SINGLE_SCORE and abs(b.socket_direction[2]) > 0.3]
    single = [b for b in single if b.socket_direction[0] > -0.1]
    if single:
        ball = max(single, key=lambda b: b.score)
        # The socket lies on the side of the body's middle.
        side = "right" if ball.socket_direction[2] > 0 else "left"
        inward = HALF_WIDTH_RADII * ball.radius_mm / spacing_mm[2] * (1 if side == "right" else -1)
        return FoundHips({side: ball}, float(ball.index[2] + inward))
    if any(b.metal_fraction > LARGEST_METAL for b in balls):
        raise RefusalError(
            "No natural hip joint was found, but metal of the size of a femoral head: hips with a prosthesis cannot be "
            "annotated."
        )
    raise RefusalError(
        "No hip joint was found: no femoral head in its socket is in the field of view. A CT of the pelvis is needed "
        "that shows at least one whole hip and is stored the right way up."
    )


def _pair_fitness(left: Ball, right: Ball, spacing_mm: np.ndarray) -> float:
    """Sum of both scores if the two can be the hips of one body, else 0."""
    if min(left.score, right.score) < PAIR_SCORE:
        return 0.0
    offset = (left.index - right.index) * spacing_mm
    radius = 0.5 * (left.radius_mm + right.radius_mm)
    apart = offset[2] / radius
    if not APART_RADII[0] < apart < APART_RADII[1] or abs(offset[0]) > 2.5 * radius or abs(offset[1]) > 2.0 * radius:
        return 0.0
    if max(left.radius_mm, right.radius_mm) > 1.3 * min(left.radius_mm, right.radius_mm):
        return 0.0
    # Sockets lie toward the middle of the body.
    inward = min(-left.socket_direction[2], right.socket_direction[2])
    if inward < 0.05 or min(left.socket_direction[0], right.socket_direction[0]) < -0.2:
        return 0.0
    return left.score + right.score + 0.3 * inward
