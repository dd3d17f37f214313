"""What is measured on an ankle: names, units and definitions."""

from __future__ import annotations

from MultiJointSegLib.morphology.frames import Definition

_SHAFT = (
    "Tibial axis: line through the centroids of the cross-sections from 1.3 to at most 3 times the bone's size from "
    "the "
    "tip of the medial malleolus (size: root of its largest cross-section there)."
)
_DOME = (
    "Dome axis: axis of the circular cylinder nearest to the surface of the talus that faces the tibia (robust fit)."
)
_LONG = "Long axis of a bone: first principal axis of inertia of the solid inside its surface."
_SIDES = "Medial is where the medial malleolus lies, anterior where the talus lies in front of the calcaneus."
_SAGITTAL = "Sagittal plane: perpendicular to the dome axis."
FRONTAL_ANGLE = Definition(
    "ankle_frontal_tibiotalar_angle",
    "Frontal tibiotalar angle",
    "",
    "deg",
    f"Angle on the lateral side between tibial axis and dome axis; 90 degrees when perpendicular. "
    f"{_SHAFT} {_DOME} {_SIDES}",
)
SAGITTAL_ANGLE = Definition(
    "ankle_sagittal_tibiotalar_angle",
    "Sagittal tibiotalar angle",
    "",
    "deg",
    "Angle in front between the tibial axis (upward) and the long axis of the talus (forward) in the sagittal plane; "
    f"grows with plantar flexion. {_SHAFT} {_LONG} {_SAGITTAL}",
)
TALUS_SIZES = tuple(
    Definition(f"talus_{key}", name, "talus", "mm", f"Extent of the talus along {axis}. {_DOME} {_LONG}")
    for key, name, axis in (
        ("length", "Length", "its long axis, made perpendicular to the dome axis"),
        ("width", "Width", "the dome axis (lateral process included)"),
        ("height", "Height", "the direction perpendicular to both dome axis and long axis"),
    )
)
DOME_RADIUS = Definition(
    "talus_dome_radius",
    "Dome radius",
    "talus",
    "mm",
    "Radius of the circle nearest to the widest part of the talar dome (at least 45 degrees) that is circular, seen "
    f"along the dome axis. {_DOME}",
)
LATERAL_ANGLE = Definition(
    "ankle_lateral_talocalcaneal_angle",
    "Lateral talocalcaneal angle",
    "",
    "deg",
    "Angle between the long axes of talus and calcaneus in the sagittal plane, positive when they diverge backward "
    "(talus "
    f"more declined than the calcaneus). {_LONG} {_SAGITTAL} Radiographic angles use lines along the outlines.",
)
AXIAL_ANGLE = Definition(
    "ankle_axial_talocalcaneal_angle",
    "Axial talocalcaneal angle",
    "",
    "deg",
    "Angle between the long axes of talus and calcaneus in the plane of dome axis and talar long axis, positive when "
    "the "
    f"calcaneus points more lateral. {_LONG} {_DOME} {_SIDES} Radiographic angles use lines along the outlines.",
)
CALCANEAL_LENGTH = Definition(
    "calcaneus_length",
    "Length",
    "calcaneus",
    "mm",
    f"Extent of the calcaneus along its long axis; an apophysis that is not ossified is not included. {_LONG}",
)
CALCANEAL_PITCH = Definition(
    "calcaneus_pitch",
    "Calcaneal pitch",
    "calcaneus",
    "deg",
    "Angle between the lower border of the calcaneus and the floor in standing.",
)
GAP_MEAN = Definition(
    "ankle_tibiotalar_distance_mean",
    "Tibiotalar distance, mean",
    "",
    "mm",
    "Mean, by area, of the distance from the talar dome to the nearest point of the tibia (bone to bone, both "
    "cartilages included), over the part of the dome that the tibia covers: where it is less than 1.3 times its "
    "median.",
)
GAP_SPREAD = Definition(
    "ankle_tibiotalar_distance_sd",
    "Tibiotalar distance, standard deviation",
    "",
    "mm",
    "Standard deviation, by area, of the distance from the covered part of the talar dome to the tibia; 0 for "
    "perfectly congruent surfaces.",
)
