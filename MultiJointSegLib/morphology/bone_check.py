"""Is what is labeled as a bone fit to be measured as that bone: one slice, a cut, an egg, two bones in one label.

The limits are this project's choice. Of the whole bones used in development (two real and sixteen built ankles, a real
and six built shoulders, 1.6 mm voxels) talus and calcaneus fill 0.75 to 0.79 of their convex hull and have flat faces
of up to 0.43 of a cross-section; no two bones lie within 1 mm of each other. Cut in half they have flat faces of at
least 0.78, ellipsoids fill 0.91 or more, and with half of the one in the label of the other 0.16 to 0.36 of the smaller
one's surface lies at the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.spatial import ConvexHull, QhullError, cKDTree

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.landmarks import some_points
from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.surface.mesh import Surface

_ONE_SLICE = 1.6
"""Extent in voxels along a grid axis; a surface ends half a voxel beyond the outermost voxel centers."""
_WHOLE = {"ankle": ("talus", "calcaneus")}
"""Short bones that are measured as a whole; a flat end is a cut, and an even one no such bone."""
_LARGEST_FLAT = 0.6
_LARGEST_SOLIDITY = 0.9
_TOUCHING = {"ankle": (("talus", "calcaneus"), ("tibia", "talus")), "shoulder": (("humerus", "scapula"),)}
"""Neighbors that a joint space keeps apart."""
_TOUCH_MM = 1.0
_LARGEST_TOUCH = 0.1
_HULL_POINTS = 20000


def unfit_bones(
    surfaces: Mapping[str, Surface],
    joint: str,
    edges: Mapping[str, FieldEdge | None],
    geometry: Geometry | None = None,
) -> dict[str, str]:
    """The bones that cannot be measured together with others, and one sentence each on why.

    Parameters
    ----------
    surfaces : mapping of bone key to Surface
        LPS mm.
    joint : str
        Joint key.
    edges : mapping of bone key to FieldEdge or None
        Where they are cut.
    geometry : Geometry, optional
        The grid that was segmented; without it a bone of one slice is not told.
    """
    found: dict[str, str] = {}
    for bone, surface in surfaces.items():
        name = bone.replace("_", " ")
        if geometry is not None and _fewest_voxels(surface, geometry) < _ONE_SLICE:
            found[bone] = f"The {name} is segmented in one slice only: its shape cannot be known."
        elif bone in _WHOLE.get(joint, ()):
            edge = edges.get(bone)
            if edge is not None and edge.cut_area_mm2 == 0 and edge.flat_share > _LARGEST_FLAT:
                found[bone] = (
                    f"The {name} ends in a plane that takes {100 * edge.flat_share:.0f} % of its cross-section, as if "
                    "cut off: its shape cannot be known."
                )
            elif (solidity := _solidity(surface)) > _LARGEST_SOLIDITY:
                found[bone] = (
                    f"The bone labeled {name} is as even as an egg: it fills {100 * solidity:.0f} % of its convex "
                    f"hull, at most {100 * _LARGEST_SOLIDITY:.0f} % are expected. Too little of it is ossified or "
                    "segmented, or it is another bone."
                )
    for first, second in _TOUCHING.get(joint, ()):
        if first in surfaces and second in surfaces and not {first, second} & set(found):
            smaller, larger = sorted((first, second), key=lambda key: surfaces[key].area_mm2)
            area, share = _touching(surfaces[smaller], surfaces[larger])
            if share > _LARGEST_TOUCH:
                sentence = (
                    f"{first.capitalize()} and {second} touch over {area:.0f} mm2 ({100 * share:.0f} % of the "
                    f"{smaller}), at most {100 * _LARGEST_TOUCH:.0f} % are expected: a part of one seems to carry the "
                    "label of the other. Correct the border between them."
                )
                found |= {first: sentence, second: sentence}
    return found


def with_unfit_told(measurements: list[Measurement], unfit: Mapping[str, str]) -> list[Measurement]:
    """The measurements, made without the unfit bones: where one of these is missed, why it was not used."""
    told = []
    for m in measurements:
        reason = next(
            (why for bone, why in unfit.items() if "missing" in m.reason and bone.replace("_", " ") in m.reason), ""
        )
        told.append(replace(m, reason=reason) if reason else m)
    return told


def _fewest_voxels(surface: Surface, geometry: Geometry) -> float:
    return float(np.ptp(geometry.point_to_index(surface.points_mm), axis=0).min())


def _solidity(surface: Surface) -> float:
    """Volume over that of the convex hull, 0 to 1."""
    try:
        hull = ConvexHull(some_points(surface, _HULL_POINTS))
    except (QhullError, ValueError):
        return 0.0
    return float(min(surface.volume_mm3 / hull.volume, 1.0))


def _touching(first: Surface, second: Surface) -> tuple[float, float]:
    """Area (mm2) of the first surface within 1 mm of the second, and its share of the first."""
    areas = np.linalg.norm(first.area_vectors_mm2(), axis=1)
    centers = first.points_mm[first.triangles].mean(axis=1)
    distance, _ = cKDTree(second.points_mm).query(centers, distance_upper_bound=_TOUCH_MM)
    area = float(areas[np.isfinite(distance)].sum())
    return area, area / float(areas.sum())
