"""Morphology of the knee: what is measured, how it is defined, and from which bones.

Hip and ankle centers are outside a knee examination, so angles refer to anatomical (shaft) axes, not mechanical ones.
All landmarks lie on bone surfaces; published values that include cartilage differ.

References: the DOI of Grood and Suntay, and author, title and year of Hudek et al., were found in public sources. The
others are given as the literature cites them; they could not be looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from MultiJointSegLib.morphology import knee_femur as femoral
from MultiJointSegLib.morphology import knee_patella as patellar
from MultiJointSegLib.morphology import knee_tibia as tibial
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.frames import Definition, Found, LandmarkMissing, once
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

_PALEY = "Paley 2002, doi:10.1007/978-3-642-59373-4"
_SHAFT = (
    "Shaft axis: line through the centroids of the cross-sections from 1.05 to at most 2.7 times the bone's size "
    "beyond "
    "its end at the joint (size: root of its largest cross-section there)."
)
_SIDES = "Lateral is where the fibula lies, anterior where the patella lies."
_AXIAL = (
    "Axial plane: perpendicular to the direction along the femur that is perpendicular to the line through the centers "
    "of both condyles. Posterior condylar line: tangent to both posterior femoral condyles in that plane."
)
_TROCHLEA = (
    "In five axial sections about 0.45 times the bone's size above the "
    "distal "
    "condyles (27 mm in adults), facet peaks being the points where one line touches both facets, on bone."
)

FEMORAL_ANGLE = Definition(
    "femur_alldfa",
    "Anatomical lateral distal femoral angle",
    "femur",
    "deg",
    "Angle on the lateral side between the distal tangent to both femoral condyles and the anatomical axis of the "
    "femur, "
    f"projected onto the femur's coronal plane (shaft axis and posterior condylar line). {_SHAFT} {_SIDES}",
    _PALEY,
)
CONDYLAR_AXIS_ANGLE = Definition(
    "femur_condylar_axis_angle",
    "Angle of the condylar axis to the shaft",
    "femur",
    "deg",
    "Angle on the lateral side between the femoral shaft axis and the axis through the centers of the spheres of both "
    f"posterior condyles. {_SHAFT} {_SIDES}",
)
CONDYLE_RADII = tuple(
    Definition(
        f"femur_{side}_condyle_radius",
        f"{side.capitalize()} posterior condyle radius",
        "femur",
        "mm",
        f"Radius of the sphere nearest to the posterior surface of the {side} condyle, where its normal points between "
        f"60 degrees below and 15 degrees above posterior (robust least squares). {_SIDES}",
    )
    for side in ("medial", "lateral")
)
CONDYLE_DISTANCE = Definition(
    "femur_condyle_center_distance",
    "Distance of the condyle centers",
    "femur",
    "mm",
    "Distance between the centers of the spheres of both posterior condyles.",
)
BICONDYLAR_WIDTH = Definition(
    "femur_bicondylar_width",
    "Bicondylar width",
    "femur",
    "mm",
    f"Greatest width of the distal femur (epicondyles included) along the posterior condylar line. {_AXIAL}",
)
POSTERIOR_OFFSETS = tuple(
    Definition(
        f"femur_{side}_posterior_condylar_offset",
        f"{side.capitalize()} posterior condylar offset",
        "femur",
        "mm",
        f"Distance of the most posterior point of the {side} condyle behind the line along the posterior cortex of the "
        f"shaft, in the sagittal plane of the femur. {_SHAFT} {_SIDES}",
        "Bellemans et al. 2002, J Bone Joint Surg Br 84-B:50-53",
    )
    for side in ("medial", "lateral")
)
NOTCH_INDEX = Definition(
    "femur_notch_width_index",
    "Notch width index",
    "femur",
    "1",
    "Width of the intercondylar notch (mean at 40, 50 and 60 % of its depth from behind) over the width of the "
    "condyles, "
    "in the axial plane through the centers of the posterior condyles. Souryal's index is taken on a tunnel view at "
    "the "
    "popliteal groove, so that its limits do not apply unchanged.",
    "after Souryal et al. 1988, doi:10.1177/036354658801600504",
)
SULCUS_ANGLE = Definition(
    "femur_sulcus_angle",
    "Sulcus angle",
    "femur",
    "deg",
    f"Angle at the deepest point of the trochlear groove between both facet peaks. {_TROCHLEA} Not Merchant's "
    "tangential "
    "view.",
    "after Merchant et al. 1974, J Bone Joint Surg Am 56:1391-1396",
)
TROCHLEAR_DEPTH = Definition(
    "femur_trochlear_depth",
    "Trochlear depth",
    "femur",
    "mm",
    "Mean height of both facet peaks over the groove, perpendicular to the posterior condylar line. "
    f"{_TROCHLEA} {_AXIAL}",
    "after Pfirrmann et al. 2000, Radiology 216:858-864",
)
TIBIAL_ANGLE = Definition(
    "tibia_ampta",
    "Anatomical medial proximal tibial angle",
    "tibia",
    "deg",
    "Angle on the medial side between the line through the middles of both plateau chords (see posterior slope) and "
    "the "
    "anatomical axis of the tibia, projected onto the tibia's coronal plane (shaft axis and longest axis of the "
    f"cross-section under the plateau). {_SHAFT} {_SIDES}",
    _PALEY,
)
SLOPES = tuple(
    Definition(
        f"tibia_{side}_posterior_slope",
        f"Posterior slope, {side}",
        "tibia",
        "deg",
        f"Angle between the {side} plateau and the perpendicular of the tibial shaft axis in the sagittal plane of the "
        "tibia, positive when the plateau falls backward; the plateau is the line that touches its anterior and "
        "posterior "
        f"rim (chord from 20 to 80 % of its depth where it is convex), mean of five sections. {_SHAFT} {_SIDES}",
        "after Hudek et al. 2009, doi:10.1007/s11999-009-0711-3",
    )
    for side in ("medial", "lateral")
)
PLATEAU_WIDTH = Definition(
    "tibia_plateau_width",
    "Plateau width",
    "tibia",
    "mm",
    "Greatest width of the proximal tibia along the longest axis of its cross-section under the plateau.",
)
TIBIOFEMORAL_ANGLE = Definition(
    "knee_tibiofemoral_angle",
    "Anatomical tibiofemoral angle",
    "",
    "deg",
    "Angle between the shaft axes of femur and tibia projected onto the femur's coronal plane; valgus positive. "
    f"{_SHAFT} {_SIDES}",
    _PALEY,
)
FLEXION = Definition(
    "knee_flexion",
    "Flexion",
    "",
    "deg",
    "Angle between the shaft axes of femur and tibia projected onto the femur's sagittal plane (perpendicular to the "
    f"posterior condylar line); the pose in the scanner, flexion positive. {_SHAFT}",
    "after Grood and Suntay 1983, doi:10.1115/1.3138397",
)
TUBEROSITY_DISTANCE = Definition(
    "knee_tt_tg",
    "Tibial tuberosity to trochlear groove distance",
    "",
    "mm",
    "How far lateral of the deepest point of the trochlear groove the tibial tuberosity (most anterior bone of the "
    "proximal tibia below the plateau, seen in the femur's direction) lies, along the posterior condylar line. "
    f"{_TROCHLEA} {_AXIAL} {_SIDES}",
    "Schoettle et al. 2006, doi:10.1016/j.knee.2005.06.003",
)
PATELLA_LENGTH = Definition(
    "patella_length",
    "Greatest length",
    "patella",
    "mm",
    "Greatest length of the patella projected onto the sagittal plane of the femur.",
    "Insall and Salvati 1971, doi:10.1148/101.1.101",
)
PATELLA_SIZES = tuple(
    Definition(
        f"patella_{which}",
        which.capitalize(),
        "patella",
        "mm",
        f"Extent of the patella {direction}; transverse axis: mean of the longest axes of five axial sections from 35 "
        "to 75 % of its height.",
    )
    for which, direction in (
        ("width", "along its transverse axis"),
        ("thickness", "perpendicular to its transverse axis and its greatest length"),
    )
)
PATELLA_DISTANCE = Definition(
    "patella_tuberosity_distance",
    "Inferior pole to tuberosity",
    "patella",
    "mm",
    "Distance from the lower end of the patella's greatest length to the tibial tuberosity (most anterior bone of the "
    "proximal tibia below the plateau). Stands for the patellar tendon's length, which cannot be seen on bone.",
)
PATELLA_HEIGHT = Definition(
    "patella_height_index",
    "Patellar height, bony",
    "patella",
    "1",
    "Distance from the inferior pole to the tuberosity over the greatest length of the patella. Insall-Salvati's index "
    "with the bony distance in place of the tendon's length.",
    "after Insall and Salvati 1971, doi:10.1148/101.1.101",
)
CATON = Definition(
    "patella_caton_deschamps",
    "Caton-Deschamps index",
    "patella",
    "1",
    "Distance from the lower end of the patella's articular surface to the anterior upper corner of the tibia over the "
    "length of that articular surface.",
    "Caton, Deschamps et al. 1982, Rev Chir Orthop 68:317-325",
)
TILT = Definition(
    "patella_tilt",
    "Patellar tilt",
    "patella",
    "deg",
    "Angle between the longest axis of the patella's axial sections (mean of five from 35 to 75 % of its height) and "
    "the "
    f"posterior condylar line, positive when the lateral side lies back. {_AXIAL} {_SIDES}",
    "after Dejour et al. 1994, doi:10.1007/BF01552649",
)


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
    groove = once(lambda: femoral.trochlea(needed(surfaces, "femur")[0], femur_axes()))

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
        SULCUS_ANGLE.measured(lambda: rough(femoral.sulcus_angle(groove(), femur_axes()), femur_axes())),
        TROCHLEAR_DEPTH.measured(lambda: rough(femoral.trochlear_depth(groove(), femur_axes()), femur_axes())),
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
