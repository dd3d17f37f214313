"""What is measured on every bone: volume, area, centroid, principal lengths."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.mass_properties import extent_along, mass_properties
from MultiJointSegLib.morphology.measurement import Measurement, line, point
from MultiJointSegLib.surface.mesh import Surface

_MASS_REFERENCE = "doi:10.3844/jmssp.2005.8.11"
_AXIS_NAMES = (("left", "L"), ("posterior", "P"), ("superior", "S"))


def position_measurements(
    key: str,
    name: str,
    bone: str,
    position_mm: np.ndarray | None,
    *,
    definition: str,
    reason: str = "",
    note: str = "",
    error_mm: np.ndarray | None = None,
) -> list[Measurement]:
    """Three measurements, one per LPS coordinate of a point, each carrying the point itself."""
    geometry = {} if position_mm is None else {"point": point(position_mm)}
    return [
        Measurement(
            key=f"{key}_{word}",
            name=f"{name}, {letter}",
            bone=bone,
            value=None if position_mm is None else float(position_mm[n]),
            unit="mm",
            definition=f"{definition} Coordinate toward {word} (LPS).",
            geometry=geometry,
            reason=reason,
            error_estimate=None if error_mm is None else float(error_mm[n]),
            note=note,
        )
        for n, (word, letter) in enumerate(_AXIS_NAMES)
    ]


def measure_bone(surface: Surface, bone: Bone, edge: FieldEdge | None) -> list[Measurement]:
    """Measures of one bone.

    A bone that is cut off keeps volume, area and centroid, of the part that was segmented and with a note
    that says so: they describe what was segmented. Its principal lengths are not given: they would be the size of
    the field of view, and their axes would turn with it.

    Parameters
    ----------
    surface : Surface
        Closed, oriented outward, LPS mm.
    bone : Bone
        Which bone it is.
    edge : FieldEdge or None
        Where the bone leaves the field of view; None when the field of view is not known.
    """
    solid = mass_properties(surface)
    area = surface.area_mm2
    note = ""
    if edge is None:
        note = "It is not known whether the bone is complete: the field of view was not given."
    elif edge.is_cut:
        area -= edge.cut_area_mm2 + edge.flat_area_mm2
        note = f"{edge.explanation}: value of the segmented part only."
    result = [
        Measurement(
            key=f"{bone.key}_volume",
            name="Volume",
            bone=bone.key,
            value=solid.volume_mm3,
            unit="mm3",
            definition="Volume enclosed by the bone's closed surface (divergence theorem).",
            reference=_MASS_REFERENCE,
            note=note,
        ),
        Measurement(
            key=f"{bone.key}_area",
            name="Surface area",
            bone=bone.key,
            value=area,
            unit="mm2",
            definition="Sum of the triangle areas of the bone's surface, without the cuts where the "
            "bone goes on beyond what was segmented.",
            note=note,
        ),
        *position_measurements(
            f"{bone.key}_centroid",
            "Centroid",
            bone.key,
            solid.centroid_mm,
            definition="Centroid of the solid inside the bone's surface.",
            note=note,
        ),
    ]
    cut = edge is not None and edge.is_cut
    for n, axis in enumerate(solid.axes):
        length, low, high = extent_along(surface, axis)
        offset = (surface.points_mm[[low, high]] - solid.centroid_mm) @ axis
        ends = solid.centroid_mm + offset[:, None] * axis
        result.append(
            Measurement(
                key=f"{bone.key}_principal_length_{n + 1}",
                name=f"Principal length {n + 1}",
                bone=bone.key,
                value=None if cut else length,
                unit="mm",
                definition="Extent of the surface along principal axis of inertia "
                f"{n + 1} of the solid (1 = axis of the smallest moment of inertia), projected onto that axis.",
                reference=_MASS_REFERENCE,
                geometry={} if cut else {"axis": line(ends[0], ends[1])},
                reason=f"{edge.explanation}: its length cannot be known." if edge is not None and cut else "",
                note="" if cut else note,
            )
        )
    return result
