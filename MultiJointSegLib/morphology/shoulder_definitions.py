"""What is measured on a shoulder: names, units, definitions, sources.

References: the DOI of Moor et al. was found in public sources. The others are given as the literature cites them; they
could not be looked up.
"""

from __future__ import annotations

_RIM = "Rim: where the surface, followed outward from the middle of the face, first turns 30 degrees outward."
_AXIS = (
    "Scapular axis: from the point of the medial border that the line of the spine meets to the center of the glenoid; "
    "axial plane: through that axis, perpendicular to the plane of the blade."
)
_CHURCHILL = "after Churchill et al. 2001, doi:10.1067/mse.2001.115269"
_VERSION = (
    "Angle in the axial plane of the scapula between the line from the back to the front rim at the level of the "
    f"center and the perpendicular to the scapular axis; negative for retroversion. {_RIM} {_AXIS}"
)
_INCLINATION = (
    "Angle in the plane of the scapula between the line from the lower to the upper end of the rim and the "
    f"perpendicular to the scapular axis; positive when the glenoid faces up. {_RIM} {_AXIS}"
)
_SUBLUXATION = (
    "Share of the diameter of the humeral head's sphere behind the perpendicular to the line from the back to the "
    "front rim at its middle, in the plane perpendicular to the glenoid's long axis; 0.5 is centered, more is "
    f"posterior. {_RIM}"
)
_VAULT = (
    "Length within the bone of the line from the center of the face into the scapula, perpendicular to the plane of "
    f"the rim. {_RIM}"
)
_CRITICAL = (
    "Angle at the lower end of the glenoid rim between its upper end and the most lateral point of the acromion, "
    f"projected along the line from the back to the front of the rim. {_RIM}"
)
# key: name, bone, unit, definition, reference
TABLE: dict[str, tuple[str, str, str, str, str]] = {
    "glenoid_height": (
        "Glenoid height", "scapula", "mm", f"Extent of the rim along its long axis. {_RIM}", _CHURCHILL,
    ),
    "glenoid_width": (
        "Glenoid width", "scapula", "mm", f"Extent of the rim perpendicular to its long axis. {_RIM}", _CHURCHILL,
    ),
    "glenoid_vault_depth": (
        "Glenoid vault depth", "scapula", "mm",
        _VAULT, "",
    ),
    "glenoid_version": (
        "Glenoid version", "scapula", "deg", _VERSION, "after Friedman et al. 1992, J Bone Joint Surg Am 74:1032-1037",
    ),
    "glenoid_inclination": ("Glenoid inclination", "scapula", "deg", _INCLINATION, _CHURCHILL),
    "humeral_head_anterior": (
        "Humeral head anterior to the scapular line", "", "1",
        f"Share of the diameter of the humeral head's sphere before the scapular axis, in the axial plane. {_AXIS}",
        "after Waters et al. 1998, J Bone Joint Surg Am 80:668-677",
    ),
    "humeral_head_subluxation": (
        "Humeral head subluxation index", "", "1", _SUBLUXATION,
        "after Walch et al. 1998, Acta Orthop Belg 64 Suppl 2:46-52",
    ),
    "acromiohumeral_distance": (
        "Acromiohumeral distance", "", "mm",
        "Shortest distance between the acromion (scapula above the humeral head) and the humerus, in space.",
        "after Weiner and Macnab 1970, J Bone Joint Surg Br 52:524-527",
    ),
    "critical_shoulder_angle": (
        "Critical shoulder angle", "scapula", "deg", _CRITICAL,
        "after Moor et al. 2013, doi:10.1302/0301-620X.95B7.31028",
    ),
}  # fmt: skip
