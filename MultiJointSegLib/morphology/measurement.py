"""One measurement: a number together with what it means and the geometry that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from MultiJointSegLib.errors import MultiJointSegError

GEOMETRY_FIELDS: dict[str, tuple[str, ...]] = {
    "point": ("position_mm",),
    "line": ("start_mm", "end_mm"),
    "sphere": ("center_mm", "radius_mm"),
    "plane": ("point_mm", "normal"),
}
"""What each geometry entry holds beside its ``type``; positions are LPS mm, normals are LPS unit vectors."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value, its unit and definition, and the geometry that shows it in the image.

    Parameters
    ----------
    key : str
        Unique within one examination, stable between versions, for example ``femur_volume``.
    name : str
        What a reader sees, without the bone: "Volume".
    bone : str
        Key of the bone in the anatomy catalog, "" for measures of a joint.
    value : float or None
        In `unit`; None when it cannot be given, and then `reason` says why.
    unit : str
        "mm", "mm2", "mm3", "deg", "1" (a ratio).
    definition : str
        One sentence, complete enough to be repeated by someone else.
    reference : str
        Source of the definition or formula (DOI), "" where it is elementary.
    geometry : dict of str to dict
        Named points, lines, spheres and planes in LPS mm, each made by `point`, `line`, `sphere` or `plane` and holding
        plain lists and numbers only, so that it goes into JSON as it is. A plane named "view" is only the plane in
        which it is best seen, one named "section" the plane in which it is measured.
    reason : str
        Why `value` is None; "" otherwise.
    error_estimate : float or None
        Standard error in `unit`; None where none was estimated.
    note : str
        What the reader must know to use the value, for example that the bone is cut by the field of view.

    Raises
    ------
    MultiJointSegError
        If neither a finite value nor a reason is given, if both are, or if a geometry entry is incomplete.
    """

    key: str
    name: str
    bone: str
    value: float | None
    unit: str
    definition: str
    reference: str = ""
    geometry: dict[str, dict[str, object]] = field(default_factory=dict)
    reason: str = ""
    error_estimate: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise MultiJointSegError(f"Measurement '{self.key}' needs a value or a reason why there is none, not both.")
        if self.value is not None:
            if not np.isfinite(self.value):
                raise MultiJointSegError(f"Measurement '{self.key}' is {self.value}; a finite number is needed.")
            object.__setattr__(self, "value", float(self.value))
        for name, entry in self.geometry.items():
            kind = str(entry.get("type"))
            if kind not in GEOMETRY_FIELDS or set(entry) != {"type", *GEOMETRY_FIELDS[kind]}:
                raise MultiJointSegError(f"Geometry '{name}' of measurement '{self.key}' is incomplete: {entry}.")


def _numbers(values: Sequence[float] | np.ndarray) -> list[float]:
    return [float(v) for v in values]


def point(position_mm: Sequence[float] | np.ndarray) -> dict[str, object]:
    """Geometry entry of a point, LPS mm."""
    return {"type": "point", "position_mm": _numbers(position_mm)}


def line(start_mm: Sequence[float] | np.ndarray, end_mm: Sequence[float] | np.ndarray) -> dict[str, object]:
    """Geometry entry of a straight line between two points, LPS mm."""
    return {"type": "line", "start_mm": _numbers(start_mm), "end_mm": _numbers(end_mm)}


def sphere(center_mm: Sequence[float] | np.ndarray, radius_mm: float) -> dict[str, object]:
    """Geometry entry of a sphere, LPS mm."""
    return {"type": "sphere", "center_mm": _numbers(center_mm), "radius_mm": float(radius_mm)}


def plane(point_mm: Sequence[float] | np.ndarray, normal: Sequence[float] | np.ndarray) -> dict[str, object]:
    """Geometry entry of a plane through a point (LPS mm) with a unit normal."""
    return {"type": "plane", "point_mm": _numbers(point_mm), "normal": _numbers(normal)}
