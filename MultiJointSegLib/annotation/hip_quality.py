"""How far an annotated hip can be trusted, and whether its surroundings are those of a hip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from MultiJointSegLib.annotation.body_grid import BodyGrid
from MultiJointSegLib.annotation.head_sphere import HeadSphere
from MultiJointSegLib.annotation.hip_finding import METAL_HU, Ball
from MultiJointSegLib.annotation.hip_parts import JointSphere
from MultiJointSegLib.errors import RefusalError

GOOD_RESIDUAL_MM = 1.0
GOOD_COVERAGE = 0.45
GOOD_SOCKET = 0.25
NEEDS_REVIEW = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class HipQuality:
    """Parts of the quality of one hip; each between 0 and 1, 1 being good.

    Parameters
    ----------
    sphere : float
        exp(-(residual / 1 mm)^2 / 2) of the boundary points.
    coverage : float
        Share of rays that met the boundary of the head, relative to 0.45, at most 1.
    socket : float
        Share of directions in which a socket follows, relative to 0.25, at most 1.
    filling : float
        Share of the sphere, less its outermost millimeter, that is labeled femur.
    contact : float
        1 less the share of the head's surface on which femur and hip bone touch without a visible joint space.
    metal : float
        1 less five times the share of metal in the head, at least 0.
    remarks : list of str
        Sentences on what is doubtful.
    """

    sphere: float
    coverage: float
    socket: float
    filling: float
    contact: float
    metal: float
    remarks: list[str] = field(default_factory=list)

    @property
    def score(self) -> float:
        """Product of all parts but the contact, which narrow joints and thick voxels lower: that takes half at most."""
        return float(
            self.sphere * self.coverage * self.socket * self.filling * self.metal * 0.5 * (1 + max(self.contact, 0.0))
        )

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        names = ("score", "sphere", "coverage", "socket", "filling", "contact", "metal")
        return {name: round(float(getattr(self, name)), 4) for name in names} | {"remarks": list(self.remarks)}


def hip_quality(
    labels: np.ndarray, grid: BodyGrid, sphere: HeadSphere, ball: Ball, femur: int, hip_bone: int
) -> HipQuality:
    """Judge one hip.

    Parameters
    ----------
    labels : uint8 ndarray of shape (k, j, i)
        On the examination's grid.
    grid : BodyGrid
        The examination.
    sphere, ball
        What was found there.
    femur, hip_bone : int
        Values of this side's bones in `labels`.
    """
    box, distance, cosine = around(labels.shape, grid, sphere, ball, 1.5)
    part = labels[box]
    inner = distance < -1.0
    filling = float((part[inner] == femur).mean()) if inner.any() else 0.0
    shell = (np.abs(distance) < max(1.5, 0.75 * float(grid.spacing_kji_mm.max()))) & (cosine > 0)
    touching = np.zeros(part.shape, bool)
    for axis in range(3):
        a = np.moveaxis(part, axis, 0)
        meets = ((a[:-1] == femur) & (a[1:] == hip_bone)) | ((a[:-1] == hip_bone) & (a[1:] == femur))
        np.moveaxis(touching, axis, 0)[:-1] |= meets
    layer = shell & (part == femur)
    contact = float((touching & shell).sum() / max(layer.sum(), 1))
    metal = float((grid.array[box][distance < 0] > METAL_HU).mean())
    quality = HipQuality(
        sphere=float(np.exp(-0.5 * (sphere.residual / GOOD_RESIDUAL_MM) ** 2)),
        coverage=min(1.0, sphere.coverage / GOOD_COVERAGE),
        socket=min(1.0, ball.socket_coverage / GOOD_SOCKET),
        filling=filling,
        contact=1.0 - min(1.0, contact),
        metal=max(0.0, 1.0 - 5 * metal),
    )
    remarks = quality.remarks
    if contact > 0.3:
        remarks.append(
            f"no joint space is visible on {100 * min(contact, 1):.0f} % of the head, check the border there."
        )
    if metal > 0.01:
        remarks.append(f"there is metal in the head ({100 * metal:.0f} %), which blurs its surroundings.")
    if quality.score < NEEDS_REVIEW:
        remarks.append(f"the quality is {quality.score:.2f}; look at the head and its socket before using the labels.")
    return quality


def around(
    shape: tuple[int, ...], grid: BodyGrid, sphere: HeadSphere, ball: Ball, radii: float
) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray]:
    """Box of so many radii around a head, and in it the distance to the sphere and the cosine to the socket."""
    spacing = grid.spacing_kji_mm
    center = sphere.center / spacing
    low = np.maximum(np.floor(center - radii * sphere.radius / spacing).astype(int), 0)
    high = np.minimum(np.ceil(center + radii * sphere.radius / spacing).astype(int) + 1, shape)
    joint = JointSphere(center - low, sphere.radius, ball.socket_direction)
    distance, cosine = joint.fields(tuple(int(n) for n in high - low), spacing)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), distance, cosine


def check_anatomy(
    labels: np.ndarray, grid: BodyGrid, sphere: HeadSphere, side: str, femur: int, hip_bone: int
) -> list[str]:
    """Refuse what is no hip, and say what is cut off.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    RefusalError
        If there is hardly any hip bone or femur, or the pelvis stands upside down or back to front, which tells of a
        wrong orientation in the file.
    """
    spacing = grid.spacing_kji_mm
    r = sphere.radius
    ml = float(np.prod(spacing)) / 1000
    volumes = {name: np.count_nonzero(labels == n) * ml for name, n in (("hip bone", hip_bone), ("femur", femur))}
    least = 0.9 * 4 / 3 * np.pi * r**3 / 1000
    for name, volume in volumes.items():
        if volume < least:
            raise RefusalError(
                f"Around the {side} femoral head only {volume:.0f} ml of {name} were found: this is no hip, or most "
                "of it is outside the field of view. A CT of the pelvis that shows the whole joint is needed."
            )
    hip_at = _mean(labels == hip_bone, spacing) - sphere.center
    femur_at = _mean(labels == femur, spacing) - sphere.center
    if hip_at[0] < -0.2 * r and femur_at[0] > 0.2 * r:
        raise RefusalError("The femurs lie above the pelvis: the image is stored upside down. Correct its orientation.")
    low, high = (float(n) for n in (sphere.center[0], (labels.shape[0] - 1) * spacing[0] - sphere.center[0]))
    warnings = []
    if high < 2.5 * r:
        warnings.append(f"The {side} hip bone is cut by the upper end of the scan.")
    if low < 4.2 * r:
        warnings.append(f"The {side} femur ends {low:.0f} mm below the center of its head, at the end of the scan.")
    return warnings


def _mean(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    return np.array([np.average(np.arange(n), weights=_profile(mask, a)) for a, n in enumerate(mask.shape)]) * spacing


def _profile(mask: np.ndarray, axis: int) -> np.ndarray:
    others = tuple(a for a in range(3) if a != axis)
    return mask.sum(axis=others) + 1e-9
