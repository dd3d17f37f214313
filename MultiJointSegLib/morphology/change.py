"""What changed in the measures between two examinations of one joint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib.morphology.measurement import Measurement

CERTAIN = 1.96
"""A change is called certain when it is more than this many standard errors (95 %, two-sided)."""

_POSITIONS = ("_centroid_", "_head_center_")


@dataclass(frozen=True, slots=True)
class Change:
    """One measure in both examinations.

    Parameters
    ----------
    key, name, bone, unit
        As in `Measurement`.
    first, second
        Its values, None where it could not be given.
    change
        Second minus first, None where one is missing.
    error
        Standard error of the change from those of both values; None where one of them has none.
    certain
        Whether the change is more than 1.96 standard errors; None where the error is not known.
    remark
        Why there is no change, or notes on either value.
    """

    key: str
    name: str
    bone: str
    unit: str
    first: float | None
    second: float | None
    change: float | None
    error: float | None
    certain: bool | None
    remark: str


@dataclass(frozen=True, slots=True, eq=False)
class ShapeChange:
    """How a bone's surface differs after it was laid on the other: mm, negative where the second lies inside."""

    bone: str
    residual_mm: float
    median_mm: float
    low_mm: float
    high_mm: float
    compared_share: float


def changes_between(first: Sequence[Measurement], second: Sequence[Measurement]) -> list[Change]:
    """Change of every measure that either examination has; positions in the scanner are left out."""
    later = {m.key: m for m in second}
    ordered = {m.key: m for m in first} | {k: m for k, m in later.items() if k not in {f.key for f in first}}
    earlier = {m.key: m for m in first}
    return [
        _change(m, earlier.get(key), later.get(key))
        for key, m in ordered.items()
        if not any(place in key for place in _POSITIONS)
    ]


def _change(any_of: Measurement, first: Measurement | None, second: Measurement | None) -> Change:
    remarks = []
    for when, m in (("First", first), ("Second", second)):
        text = "the bone was not segmented." if m is None else m.reason or m.note
        if text:
            remarks.append(f"{when}: {text}")
    values = [None if m is None else m.value for m in (first, second)]
    errors = [None if m is None else m.error_estimate for m in (first, second)]
    change = None if values[0] is None or values[1] is None else values[1] - values[0]
    known = change is not None and errors[0] is not None and errors[1] is not None
    error = float(np.hypot(errors[0], errors[1])) if known else None  # type: ignore[arg-type]
    certain = None if error is None or change is None else abs(change) > CERTAIN * error
    return Change(
        any_of.key, any_of.name, any_of.bone, any_of.unit, values[0], values[1], change, error, certain,
        " ".join(remarks),
    )  # fmt: skip
