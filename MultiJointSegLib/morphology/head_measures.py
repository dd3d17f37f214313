"""The sphere of the femoral head (hip) and of the humeral head (shoulder) as measurements."""

from __future__ import annotations

from MultiJointSegLib.morphology.bone_measures import position_measurements
from MultiJointSegLib.morphology.field_of_view import FieldEdge
from MultiJointSegLib.morphology.heads import SMALLEST_COVERAGE, fit_head
from MultiJointSegLib.morphology.measurement import Measurement, sphere
from MultiJointSegLib.surface.mesh import Surface

HEADS = {"hip": ("femur", "femoral", "hip_bone"), "shoulder": ("humerus", "humeral", "scapula")}
"""Per joint: the bone with the head, the adjective, the bone with the socket."""


def measure_head(
    surface: Surface, *, joint: str, edge: FieldEdge | None = None, partner: Surface | None = None
) -> list[Measurement]:
    """Center, radius, residual, inlier fraction and coverage of the head's sphere, or the reason why not.

    Parameters
    ----------
    surface : Surface
        Femur (joint "hip") or humerus (joint "shoulder"), LPS mm.
    joint : str
        "hip" or "shoulder".
    edge : FieldEdge, optional
        Its triangles on the edge of the field of view are not used for the fit.
    partner : Surface, optional
        Hip bone or scapula: narrows the search to the head's neighborhood.
    """
    bone, adjective, _ = HEADS[joint]
    head = fit_head(
        surface,
        smallest_coverage=SMALLEST_COVERAGE[bone],
        on_edge=None if edge is None else edge.on_edge,
        partner=partner,
    )
    label = f"{adjective.capitalize()} head"
    reason = f"No sphere of the {adjective} head: {head.reason}." if head.reason else ""
    geometry = {}
    if head.center_mm is not None and head.radius_mm is not None:
        geometry = {"head": sphere(head.center_mm, head.radius_mm)}
    measured = not reason

    def one(key: str, name: str, value: float | None, unit: str, definition: str, error: float | None) -> Measurement:
        return Measurement(
            key=f"{bone}_head_{key}",
            name=f"{label} {name}",
            bone=bone,
            value=value if measured else None,
            unit=unit,
            definition=definition,
            geometry=geometry,
            reason=reason,
            error_estimate=error,
        )

    return [
        one(
            "radius", "radius", head.radius_mm, "mm",
            "Radius of the sphere nearest to the articular surface (geometric least squares with Tukey's biweight on "
            "the connected patch of the bone's surface that covers most of one sphere).",
            head.radius_error_mm,
        ),
        *position_measurements(
            f"{bone}_head_center", f"{label} center", bone, head.center_mm,
            definition="Center of the head's sphere.", reason=reason,
            error_mm=head.center_error_mm,
        ),
        one(
            "residual", "sphere residual", head.residual_mm, "mm",
            "Root mean square distance of the head's surface patch to its sphere.", None,
        ),
        one(
            "inlier_fraction", "sphere inlier fraction", head.inlier_fraction, "1",
            "Area of the head's surface patch over the area of all bone surface within 1.1 radii of its center.", None,
        ),
        one(
            "coverage", "sphere coverage", head.coverage, "1",
            "Share of the whole sphere that the head's surface patch covers, as seen from its center.", None,
        ),
    ]  # fmt: skip
