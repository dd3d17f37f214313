"""Procedural joints: bones from formulae, clothed in soft tissue. Needs no data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom import sdf
from MultiJointSegLib.phantom.ankle import build_ankle
from MultiJointSegLib.phantom.field import BoneShape, JointModel, perturbation, sample_shape, smoothstep
from MultiJointSegLib.phantom.growth import Growth, growth_at
from MultiJointSegLib.phantom.hip import build_hip
from MultiJointSegLib.phantom.knee import build_knee
from MultiJointSegLib.phantom.placing import placed
from MultiJointSegLib.phantom.shoulder import build_shoulder
from MultiJointSegLib.phantom.tissue_map import BoneField, TissueMap

Builder = Callable[[np.random.Generator, Growth], JointModel]
BUILDERS: dict[str, Builder] = {
    "knee": build_knee,
    "ankle": build_ankle,
    "shoulder": build_shoulder,
    "hip": build_hip,
}
MINIMUM_GAP_MM = 0.8
"""Bones never come closer than this, whatever the size and pose."""


def phantom_rng(*keys: object) -> np.random.Generator:
    """Random generator that depends only on the keys: the same in every process and on every machine."""
    digest = hashlib.sha256("|".join(str(k) for k in keys).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def draw_age_and_side(rng: np.random.Generator, age_years: float | None, side: str | None) -> tuple[float, str]:
    """Fill in what the caller left open: four of five phantoms are 4 to 17 years old, the others up to 40."""
    drawn_age = float(rng.uniform(4.0, 17.0)) if rng.random() < 0.8 else float(rng.uniform(17.0, 40.0))
    drawn_side = "left" if rng.random() < 0.5 else "right"
    if side is not None and side not in ("left", "right"):
        raise InputError(f"The side is '{side}'; 'left' or 'right' is accepted.")
    if age_years is not None and not 2.0 <= age_years <= 90.0:
        raise InputError(f"The age is {age_years} years; 2 to 90 are accepted.")
    return (drawn_age if age_years is None else float(age_years)), (side or drawn_side)


def procedural_tissue_map(
    joint: str,
    *,
    seed: int,
    side: str | None = None,
    age_years: float | None = None,
    spacing_mm: float = 0.8,
) -> TissueMap:
    """Draw one joint.

    Parameters
    ----------
    joint : str
        "knee", "ankle", "shoulder" or "hip".
    seed : int
        The same seed gives the same joint; left and right of one seed are mirror images.
    side : str, optional
        "left" or "right"; drawn when not given.
    age_years : float, optional
        2 to 90; drawn when not given.
    spacing_mm : float
        Spacing of the isotropic grid.

    Returns
    -------
    TissueMap
        Arrays (k, j, i), axes L, P, S; `truth` in LPS mm.

    Raises
    ------
    InputError
        Unknown joint or side, age or spacing out of range.
    """
    from MultiJointSegLib.phantom.clothing import clothe

    bones, geometry, truth, age, side = procedural_bones(
        joint, seed=seed, side=side, age_years=age_years, spacing_mm=spacing_mm
    )
    # Everything is built as a left limb and mirrored at the end, so that both sides are exact mirror images.
    rng = phantom_rng("clothes", joint, seed)
    clothed = clothe(bones, geometry, rng=rng, joint=joint, side="left", age_years=age, truth=truth)
    return mirrored(clothed) if side == "right" else clothed


def procedural_bones(
    joint: str,
    *,
    seed: int,
    side: str | None,
    age_years: float | None,
    spacing_mm: float,
    builder: Builder | None = None,
) -> tuple[list[BoneField], Geometry, dict[str, object], float, str]:
    """Bones of one LEFT joint on the grid, with the truth, the age and the side that was asked for or drawn.

    `builder` takes the place of the joint's own one.
    """
    if joint not in BUILDERS:
        raise InputError(f"There is no procedural phantom of '{joint}'; known are {', '.join(BUILDERS)}.")
    if not 0.3 <= spacing_mm <= 4.0:
        raise InputError(f"The spacing of the tissue map is {spacing_mm} mm; 0.3 to 4 is accepted.")
    age, side = draw_age_and_side(phantom_rng("who", joint, seed), age_years, side)
    rng = phantom_rng("bones", joint, seed)
    growth = growth_at(age, rng)
    model = (builder or BUILDERS[joint])(rng, growth)
    scale = growth.scale
    low, high = np.asarray(model.low_mm) * scale, np.asarray(model.high_mm) * scale
    size = np.ceil((high - low) / spacing_mm).astype(int) + 1
    # The grid is symmetric in x about its own middle, so that mirroring needs no resampling.
    geometry = Geometry(tuple(size.tolist()), (spacing_mm,) * 3, tuple(low.tolist()))
    fields: list[BoneField] = []
    tilts_deg = np.clip(rng.normal(0, 3.5, 3), -8, 8) + np.array([model.tilt_deg, 0.0, 0.0])
    about_x, about_y, about_z = (
        sdf.rotation_deg(axis, angle) for axis, angle in zip(np.eye(3), tilts_deg, strict=True)
    )
    turn = about_z @ about_y @ about_x
    for bone in model.bones:
        fields.append(_bone_field(placed(bone, turn, np.zeros(3)), fields, model, growth, geometry, rng))
    truth = {key: _posed_truth(key, value, growth, turn) for key, value in model.truth.items()}
    return fields, geometry, truth, age, side


def _bone_field(
    bone: BoneShape,
    earlier: list[BoneField],
    model: JointModel,
    growth: Growth,
    geometry: Geometry,
    rng: np.random.Generator,
) -> BoneField:
    wobble = perturbation(rng, float(rng.uniform(0.25, 0.6)))
    unossified = growth.unossified_mm

    def shape(p: np.ndarray) -> np.ndarray:
        d = bone.shape(p)
        bump = wobble(p)
        if bone.smooth is not None:
            bump = bump * bone.smooth(p)
        d = d + bump
        if unossified > 0 and bone.retreats:
            if bone.ossifies_from_center:
                d = d + np.float32(unossified)
            for physis in bone.physes:
                d = d + np.float32(unossified) * smoothstep(-physis(p), 0.0, 6.0)
        return d

    distance = sample_shape(sdf.scaled(shape, growth.scale), geometry)
    for other in earlier:
        gap = model.gaps_mm.get((other.label, bone.label), model.gap_mm) * growth.scale
        distance = np.maximum(distance, np.float32(max(gap, MINIMUM_GAP_MM)) - other.distance_mm)
    if bone.label:
        _drop_fragments(distance)
    physis = None
    if growth.physes_open and bone.physes:
        fields = [_sample_physis(p, growth.scale, geometry) for p in bone.physes]
        # Of several plates the nearest counts.
        physis = fields[0]
        for other_plate in fields[1:]:
            physis = np.where(np.abs(other_plate) < np.abs(physis), other_plate, physis)
    # Cartilage that has not turned to bone yet lies on top of the articular cartilage.
    cartilage = (bone.cartilage_mm + unossified) * growth.scale
    return BoneField(bone.label, distance, physis, cartilage)


def _drop_fragments(distance: np.ndarray) -> None:
    """Keep the largest piece of a bone: gaps and late ossification can cut off crumbs."""
    box = ndimage.find_objects((distance < 0).astype(np.uint8))
    if not box:
        return
    part = distance[box[0]]
    pieces, count = ndimage.label(part < 0)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        crumbs = (pieces > 0) & (pieces != sizes.argmax())
        part[crumbs] = np.maximum(-part[crumbs], np.float32(0.3))


def _sample_physis(physis: sdf.Shape, scale: float, geometry: Geometry) -> np.ndarray:
    # Smooth enough to be interpolated from every fourth voxel.
    return sample_shape(sdf.scaled(physis, scale), geometry, band_mm=2.0)


def _posed_truth(key: str, value: object, growth: Growth, turn: np.ndarray) -> object:
    """Truth at the patient's size and pose. Radii become those of the ossified surface, which is what labels show."""
    if isinstance(value, list) and key.endswith("_direction"):
        return (turn @ np.asarray(value, float)).tolist()
    if isinstance(value, list) and key.endswith("_mm"):
        return (turn @ np.asarray(value, float) * growth.scale).tolist()
    if key.endswith("_radius_mm"):
        return (float(str(value)) - growth.unossified_mm) * growth.scale
    return float(str(value)) * growth.scale if key.endswith("_mm") else value


def mirrored(tissue_map: TissueMap) -> TissueMap:
    """The other side: reflection at the plane x = 0."""
    g = tissue_map.geometry
    last_x = g.origin_mm[0] + (g.size[0] - 1) * g.spacing_mm[0]
    geometry = Geometry(g.size, g.spacing_mm, (-last_x, g.origin_mm[1], g.origin_mm[2]), g.direction)
    truth = {
        key: [-value[0], *value[1:]]
        if isinstance(value, list) and len(value) == 3 and key.endswith(("_mm", "_direction"))
        else value
        for key, value in tissue_map.truth.items()
    }
    return TissueMap(
        np.ascontiguousarray(tissue_map.tissue[:, :, ::-1]),
        np.ascontiguousarray(tissue_map.labels[:, :, ::-1]),
        geometry,
        tissue_map.joint,
        "left" if tissue_map.side == "right" else "right",
        tissue_map.age_years,
        truth,
    )
