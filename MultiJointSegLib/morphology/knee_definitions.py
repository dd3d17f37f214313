"""What is measured on a knee: names, units, definitions, sources.

References: the DOIs of Grood and Suntay and of Paley, and author, title and year of Hudek et al., were found in public
sources. The others are given as the literature cites them; they could not be looked up.
"""

from __future__ import annotations

from MultiJointSegLib.morphology.frames import Definition

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
    "In five axial sections about 0.45 times the bone's size above the distal condyles (27 mm in adults), on bone; "
    "facet peaks: where one line touches both facets; deepest point: vertex of the parabola nearest to the bottom of "
    "the groove."
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
    "How far lateral of the deepest point of the trochlear groove the tibial tuberosity lies, along the posterior "
    "condylar line. Tuberosity: most anterior point of the proximal tibia below the plateau, seen in the femur's "
    "direction (apex of the paraboloid nearest to the surface there). "
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
