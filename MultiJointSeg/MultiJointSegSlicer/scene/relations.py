"""How a value follows from the geometry that shows it, so that moving a markup gives the new value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from MultiJointSegLib.morphology.measurement import Measurement

_TOLERANCE = 1e-4
"""Relative; numbers that agree this well by chance are not to be expected."""

Entry = dict[str, Any]


def relation_of(measurement: Measurement) -> str:
    """Name of the relation that gives the measurement's value from its geometry; "" where none does.

    Found by trying, so that it holds for whatever is measured: a value that is the length of its only line is taken
    as that length. Angles in a projection, for example, follow from more than their lines and have none.
    """
    if measurement.value is None or not measurement.geometry:
        return ""
    entries = list(measurement.geometry.values())
    for name, (unit, compute) in _RELATIONS.items():
        if unit != measurement.unit:
            continue
        value = _computed(compute, entries)
        if value is not None and abs(value - measurement.value) <= _TOLERANCE * max(abs(value), 1.0):
            return name
    return ""


def value_of(relation: str, entries: Sequence[Entry]) -> float | None:
    """Value of a relation for geometry entries (LPS mm) in the measurement's order; None if they do not fit it."""
    return _computed(_RELATIONS[relation][1], entries) if relation in _RELATIONS else None


def _computed(compute: Callable[..., float | None], entries: Sequence[Entry]) -> float | None:
    try:
        return compute(*entries)
    except (TypeError, KeyError, ZeroDivisionError):
        return None


def _vector(entry: Entry) -> np.ndarray:
    if "normal" in entry:
        return np.asarray(entry["normal"], float)
    return np.asarray(entry["end_mm"], float) - np.asarray(entry["start_mm"], float)


def _length(line: Entry) -> float:
    return float(np.linalg.norm(np.subtract(line["end_mm"], line["start_mm"])))


def _between(first: Entry, second: Entry) -> float:
    if ("normal" in first) != ("normal" in second):
        raise TypeError
    a, b = _vector(first), _vector(second)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / lengths
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _acute(first: Entry, second: Entry) -> float:
    angle = _between(first, second)
    return min(angle, 180.0 - angle)


def _distance(first: Entry, second: Entry) -> float:
    return float(np.linalg.norm(np.subtract(first["position_mm"], second["position_mm"])))


def _coordinate(axis: int) -> Callable[[Entry], float]:
    return lambda point: float(point["position_mm"][axis])


_RELATIONS: dict[str, tuple[str, Callable[..., float | None]]] = {
    "length": ("mm", _length),
    "radius": ("mm", lambda sphere: float(sphere["radius_mm"])),
    "diameter": ("mm", lambda sphere: 2 * float(sphere["radius_mm"])),
    "left": ("mm", _coordinate(0)),
    "posterior": ("mm", _coordinate(1)),
    "superior": ("mm", _coordinate(2)),
    "distance": ("mm", _distance),
    "angle": ("deg", _between),
    "acute angle": ("deg", _acute),
    "supplement": ("deg", lambda first, second: 180.0 - _between(first, second)),
    "ratio": ("1", lambda first, second: _length(first) / _length(second)),
    "inverse ratio": ("1", lambda first, second: _length(second) / _length(first)),
}
