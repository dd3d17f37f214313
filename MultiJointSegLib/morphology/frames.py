"""Directions and angles in a bone's own frame, and measurements that may turn out to be impossible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.morphology.measurement import Measurement

T = TypeVar("T")


class LandmarkMissing(MultiJointSegError):  # noqa: N818 - a finding, not a fault
    """A landmark cannot be found; the message says why and becomes the measurement's reason."""


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector (3,) at length 1.

    Raises
    ------
    LandmarkMissing
        If its length is zero.
    """
    length = float(np.linalg.norm(vector))
    if not length > 1e-9:
        raise LandmarkMissing("The bones lie in a way that does not determine a direction.")
    return np.asarray(vector, float) / length


def perpendicular(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Unit vector along the part of `vector` that is perpendicular to the unit vector `axis`."""
    return unit(vector - (vector @ axis) * axis)


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two vectors, 0 to 180 degrees."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a landmark search gives: value, geometry that shows it, standard error, note."""

    value: float
    geometry: dict[str, dict[str, object]] = field(default_factory=dict)
    error: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """The part of a measurement that does not depend on the patient; fields as in `Measurement`."""

    key: str
    name: str
    bone: str
    unit: str
    definition: str
    reference: str = ""

    def measured(self, search: Callable[[], Found]) -> Measurement:
        """Run the search; a missing landmark becomes the reason why there is no value."""
        try:
            found = search()
        except MultiJointSegError as error:
            reason = str(error)
        except (ValueError, IndexError, ZeroDivisionError):
            # A mask may have any shape while a person corrects it; one failed search must not take the others along.
            reason = "The shape is too unlike this bone for the landmarks to be looked for."
        else:
            reason = ""
        if reason:
            return Measurement(
                self.key, self.name, self.bone, None, self.unit, self.definition, self.reference, reason=reason
            )
        return Measurement(
            key=self.key,
            name=self.name,
            bone=self.bone,
            value=found.value,
            unit=self.unit,
            definition=self.definition,
            reference=self.reference,
            geometry=found.geometry,
            error_estimate=found.error,
            note=found.note,
        )


def once(search: Callable[[], T]) -> Callable[[], T]:
    """The search, run at most once; a missing landmark is found missing again without searching again."""
    found: list[T] = []
    missing: list[LandmarkMissing] = []

    def run() -> T:
        if missing:
            raise missing[0]
        if not found:
            try:
                found.append(search())
            except LandmarkMissing as error:
                missing.append(error)
                raise
        return found[0]

    return run
