"""Morphology of the knee: what is measured, how it is defined, and from which bones.

Hip and ankle centers are outside a knee examination, so angles refer to anatomical (shaft) axes, not mechanical ones.
All landmarks lie on bone surfaces; published values that include cartilage differ.

References: the DOIs of Grood and Suntay and of Paley, and author, title and year of Hudek et al., were found in public
sources. The others are given as the literature cites them; they could not be looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from MultiJointSegLib.morphology import knee_femur as femoral
from MultiJointSegLib.morphology import knee_patella as patellar
from MultiJointSegLib.morphology import knee_tibia as tibial
from MultiJointSegLib.morphology import knee_trochlea as trochlear
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.frames import Found, LandmarkMissing, once
from MultiJointSegLib.morphology.knee_definitions import (
    BICONDYLAR_WIDTH,
    CATON,
    CONDYLAR_AXIS_ANGLE,
    CONDYLE_DISTANCE,
    CONDYLE_RADII,
    FEMORAL_ANGLE,
    FLEXION,
    NOTCH_INDEX,
    PATELLA_DISTANCE,
    PATELLA_HEIGHT,
    PATELLA_LENGTH,
    PATELLA_SIZES,
    PLATEAU_WIDTH,
    POSTERIOR_OFFSETS,
    SLOPES,
    SULCUS_ANGLE,
    TIBIAL_ANGLE,
    TIBIOFEMORAL_ANGLE,
    TILT,
    TROCHLEAR_DEPTH,
    TUBEROSITY_DISTANCE,
)
from MultiJointSegLib.morphology.knee_frame import (
    FemurFrame,
    KneeFrame,
    TibiaFrame,
    femur_frame,
    needed,
    tibia_frame,
)
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.surface.mesh import Surface


def measure_knee(
    surfaces: Mapping[str, Surface],
    edges: Mapping[str, FieldEdge | None] | None = None,
    side: str | None = None,
) -> list[Measurement]:
    """All measures of a knee; each has a value or a reason.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        Closed, oriented outward, LPS mm: "femur", "tibia", "patella", "fibula"; any may be missing.
    edges : mapping of bone key to FieldEdge or None, optional
        Where each bone leaves the field of view.
    side : str, optional
        "left" or "right": tells lateral from medial where the fibula is missing.

    Returns
    -------
    list of Measurement
    """
    cuts = {bone: edge.on_edge for bone, edge in (edges or {}).items() if edge is not None}
    femur_axes = once(lambda: femur_frame(surfaces, cuts, side))
    tibia_axes = once(lambda: tibia_frame(surfaces, cuts, femur_axes().posterior, side))
    groove = once(lambda: trochlear.trochlea(needed(surfaces, "femur")[0], femur_axes()))

    def femur() -> tuple[Surface, FemurFrame]:
        return needed(surfaces, "femur")[0], femur_axes()

    def tibia() -> tuple[Surface, TibiaFrame]:
        return needed(surfaces, "tibia")[0], tibia_axes()

    def patella() -> tuple[Surface, FemurFrame]:
        return needed(surfaces, "patella")[0], femur_axes()

    def rough(found: Found, *frames: KneeFrame) -> Found:
        """The same, with a note where a frame had to do without the shaft's axis."""
        notes = {n: None for n in (found.note, *(f.note for f in frames)) if n}
        return replace(found, note=" ".join(notes))

    def radius(n: int) -> Found:
        return femoral.condyle_radius(femur_axes(), n)

    def offset(n: int) -> Found:
        return femoral.posterior_offset(femur_axes(), n)

    def slope(sign: float) -> Found:
        return tibial.posterior_slope(*tibia(), sign)

    def patella_size(which: str) -> Found:
        return rough(patellar.size(*patella(), which), femur_axes())

    def no_articular_limits() -> Found:
        raise LandmarkMissing("The limits of the patella's articular surface cannot be seen on bone.")

    def tuberosity_distance() -> Found:
        found = tibial.tuberosity_groove_distance(*tibia(), femur_axes(), groove())
        return rough(found, femur_axes(), tibia_axes())

    tuberosity = once(lambda: tibial.tuberosity_point(*tibia(), femur_axes()))
    return [
        FEMORAL_ANGLE.measured(lambda: femoral.distal_femoral_angle(femur_axes())),
        CONDYLAR_AXIS_ANGLE.measured(lambda: femoral.condylar_axis_angle(femur_axes())),
        *(d.measured(partial(radius, n)) for n, d in enumerate(CONDYLE_RADII)),
        CONDYLE_DISTANCE.measured(lambda: femoral.condyle_distance(femur_axes())),
        BICONDYLAR_WIDTH.measured(lambda: rough(femoral.bicondylar_width(*femur()), femur_axes())),
        *(d.measured(partial(offset, n)) for n, d in enumerate(POSTERIOR_OFFSETS)),
        NOTCH_INDEX.measured(lambda: rough(femoral.notch_width_index(*femur()), femur_axes())),
        SULCUS_ANGLE.measured(lambda: rough(trochlear.sulcus_angle(groove(), femur_axes()), femur_axes())),
        TROCHLEAR_DEPTH.measured(lambda: rough(trochlear.trochlear_depth(groove(), femur_axes()), femur_axes())),
        TIBIAL_ANGLE.measured(lambda: tibial.proximal_tibial_angle(*tibia())),
        *(
            d.measured(partial(slope, sign))
            for sign, d in zip((-1.0, 1.0), SLOPES, strict=True)
        ),
        PLATEAU_WIDTH.measured(lambda: rough(tibial.plateau_width(*tibia()), tibia_axes())),
        TIBIOFEMORAL_ANGLE.measured(lambda: tibial.tibiofemoral_angle(femur_axes(), tibia_axes())),
        FLEXION.measured(lambda: tibial.flexion(femur_axes(), tibia_axes())),
        TUBEROSITY_DISTANCE.measured(tuberosity_distance),
        PATELLA_LENGTH.measured(lambda: rough(patellar.length(*patella()), femur_axes())),
        *(d.measured(partial(patella_size, d.key.removeprefix("patella_"))) for d in PATELLA_SIZES),
        PATELLA_DISTANCE.measured(
            lambda: rough(patellar.pole_tuberosity(*patella(), tuberosity()), femur_axes(), tibia_axes())
        ),
        PATELLA_HEIGHT.measured(
            lambda: rough(patellar.height_index(*patella(), tuberosity()), femur_axes(), tibia_axes())
        ),
        CATON.measured(no_articular_limits),
        TILT.measured(lambda: rough(patellar.tilt(*patella()), femur_axes())),
    ]  # fmt: skip
