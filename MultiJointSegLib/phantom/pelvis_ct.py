"""CT of a whole pelvis with exact truth: both hips from formulae, in healthy and diseased variants.

Lighter than the clothed joints: soft tissue is a body of fat with patches of muscle, since in CT only bone, air, metal
and contrast medium matter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from scipy import ndimage

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.phantom.field import grid_points
from MultiJointSegLib.phantom.hip import FEMUR, HIP_BONE, HipVariant, build_hip
from MultiJointSegLib.phantom.pelvis_implants import METAL_HU, axes_about, paint_implant
from MultiJointSegLib.phantom.phantom import Phantom
from MultiJointSegLib.phantom.procedural import phantom_rng, procedural_bones
from MultiJointSegLib.phantom.slice_sampling import sample_slices

MIDLINE_MM = -97.0
"""Plane of symmetry of the pelvis, from the center of the left head, adult size."""


@dataclass(frozen=True, slots=True)
class PelvisCtSettings:
    """How a pelvis phantom is built and imaged.

    Parameters
    ----------
    seed : int
        Shape, texture and noise.
    variant : HipVariant
        Shape of both joints.
    spacing_mm : tuple of 3 float
        In-plane twice, then distance and thickness of slices.
    noise_hu : float
        Standard deviation of the noise.
    osteopenia : float
        0 for normal bone to 1 for severe loss: thinner and less dense cortex, marrow like fat.
    closed_deg : float
        Half the opening angle of the cone about the roof in which the joint space is bridged by dense bone; 0 for none.
    right_hip : str
        "natural", "screw" (metal in the neck), "prosthesis", or "missing" (no femur).
    contrast : bool
        Contrast medium in bladder and vessels.
    table : bool
        CT table under the body and folds of clothing on it.
    age_years : float
        As in `procedural_tissue_map`.
    map_spacing_mm : float
        Grid on which the body is painted before it is imaged.
    """

    seed: int
    variant: HipVariant = HipVariant()  # noqa: RUF009 - frozen
    spacing_mm: tuple[float, float, float] = (0.8, 0.8, 1.0)
    noise_hu: float = 20.0
    osteopenia: float = 0.0
    closed_deg: float = 0.0
    right_hip: str = "natural"
    contrast: bool = False
    table: bool = True
    age_years: float = 30.0
    map_spacing_mm: float = 0.8


def make_pelvis_ct(settings: PelvisCtSettings) -> Phantom:
    """Make one examination.

    Returns
    -------
    Phantom
        Axial CT (int16, HU) and labels; truth per side: ``left_femoral_head_center_mm`` and so on, LPS.
    """
    bones, left, truth, age, _ = procedural_bones(
        "hip",
        seed=settings.seed,
        side="left",
        age_years=settings.age_years,
        spacing_mm=settings.map_spacing_mm,
        builder=partial(build_hip, variant=settings.variant),
    )
    rng = phantom_rng("pelvis_ct", settings.seed)
    scale = left.size[0] * left.spacing_mm[0] / 182.0
    x = grid_points(left)[0]
    first = int(np.searchsorted(x, MIDLINE_MM * scale))
    midline = float(x[first]) - 0.5 * left.spacing_mm[0]
    gap = (midline + 2.0) - x[None, None, :]
    distances: dict[str, np.ndarray] = {}
    for bone in bones:
        name = {FEMUR: "femur", HIP_BONE: "hip_bone"}.get(bone.label, "sacrum")
        field = np.maximum(bone.distance_mm, gap) if bone.label == HIP_BONE else bone.distance_mm
        distances[name] = np.minimum(distances[name], field) if name in distances else field
    # Room for the other thigh's soft tissue and for air around the body.
    margin = [round(m / left.spacing_mm[0]) for m in (55.0, 60.0)]
    half = {
        name: np.pad(f[:, :, first:], ((0, 0), (margin[1], margin[1]), (0, margin[0])), mode="edge")
        for name, f in distances.items()
    }
    del distances, bones
    center = {"left": np.zeros(3), "right": np.array([2 * midline, 0.0, 0.0])}
    both = {f"left_{n}": _mirror(f, 1e3) for n, f in half.items() if n != "sacrum"}
    both |= {f"right_{n}": f[:, :, ::-1] for n, f in both.items() for n in [n.removeprefix("left_")]}
    both["sacrum"] = np.concatenate([half["sacrum"][:, :, ::-1], half["sacrum"]], axis=2)
    del half
    width = both["sacrum"].shape[2]
    step = left.spacing_mm[0]
    geometry = Geometry(
        (width, both["sacrum"].shape[1], both["sacrum"].shape[0]),
        left.spacing_mm,
        (midline + 0.5 * step - width // 2 * step, left.origin_mm[1] - margin[1] * step, left.origin_mm[2]),
    )
    if settings.right_hip in ("missing", "prosthesis"):
        cut = np.asarray(truth["femoral_neck_direction"], float)
        _resect(both, geometry, center["right"], cut, whole=settings.right_hip == "missing")
    radius = float(str(truth["femoral_head_radius_mm"]))
    hounsfield = _paint(both, geometry, settings, center, radius, midline, scale, rng)
    if settings.right_hip in ("screw", "prosthesis"):
        paint_implant(hounsfield, geometry, settings.right_hip, center["right"], truth, radius)
    volume, labels = _image(hounsfield, both, geometry, settings, rng)
    facts: dict[str, object] = {}
    for side, at in center.items():
        if side == "right" and settings.right_hip in ("missing", "prosthesis"):
            continue
        for key, value in truth.items():
            facts[f"{side}_{key}"] = _sided(key, value, side, midline)
        facts[f"{side}_femoral_head_center_mm"] = at.tolist()
    return Phantom(volume, labels, facts, {"pelvis_ct": asdict(settings), "age_years": age})


def _mirror(field: np.ndarray, outside: float) -> np.ndarray:
    """Field on the whole width from its left half, empty on the right."""
    empty = np.full((*field.shape[:2], field.shape[2]), outside, np.float32)
    return np.concatenate([empty, field], axis=2)


def _sided(key: str, value: object, side: str, midline: float) -> object:
    if side == "left" or not isinstance(value, list):
        return value
    mirrored = [-float(value[0]), *value[1:]]
    if key.endswith("_mm"):
        mirrored[0] += 2 * midline
    return mirrored


def _resect(
    both: dict[str, np.ndarray], geometry: Geometry, center: np.ndarray, neck_left: np.ndarray, *, whole: bool
) -> None:
    """Take the right femur away, or its head and neck."""
    if whole:
        both["right_femur"] = np.full_like(both["right_femur"], 1e3)
        return
    x, y, z = axes_about(geometry, center)
    neck = neck_left * [-1, 1, 1]
    along = np.float32(neck[0]) * x + np.float32(neck[1]) * y + np.float32(neck[2]) * z
    both["right_femur"] = np.maximum(both["right_femur"], along + np.float32(32.0))


def _paint(
    both: dict[str, np.ndarray],
    geometry: Geometry,
    settings: PelvisCtSettings,
    center: dict[str, np.ndarray],
    radius: float,
    midline: float,
    scale: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """CT numbers of the body on the fine grid."""
    shape = geometry.array_shape
    step = geometry.spacing_mm[0]
    x, y, z = axes_about(geometry, np.array([midline, 5.0 * scale, 0.0]))
    # Trunk and thighs: one rounded outline.
    outline = ((np.abs(x) / (178 * scale)) ** 2.6 + (np.abs(y) / (122 * scale)) ** 2.4) ** np.float32(0.4)
    outline = np.broadcast_to(outline, shape)
    texture = _noise(shape, step, 12.0, rng)
    hounsfield = np.where(outline < 1, np.float32(-100), np.float32(-1000))
    muscle = (outline < 0.86) & (texture > -0.6)
    hounsfield[muscle] = 55
    del muscle
    hounsfield += np.where(outline < 1, 6 * texture, 0)
    if settings.contrast:
        px, py, pz = axes_about(geometry, np.array([midline, -30.0 * scale, 20.0 * scale]))
        hounsfield[px**2 + py**2 + pz**2 < (30 * scale) ** 2] = 420
        for sign in (-1, 1):
            px, py, _ = axes_about(geometry, np.array([midline + sign * 66 * scale, -42.0 * scale, 0.0]))
            hounsfield[np.broadcast_to(px**2 + py**2 < 25, shape)] = 320
    loss = settings.osteopenia
    cortex_mm = {"femur": 2.2, "hip_bone": 1.7, "sacrum": 1.3}
    dense, spongy = 1250.0 * (1 - 0.45 * loss), 240.0 * (1 - loss) - 40.0 * loss
    grain = _noise(shape, step, 3.0, rng)
    nearest = np.full(shape, 1e3, np.float32)
    for name, field in both.items():
        thick = cortex_mm[name.split("_", 1)[-1] if name != "sacrum" else "sacrum"] * (1 - 0.45 * loss) * scale
        share = np.clip(0.5 - field / step, 0, 1)
        inner = np.clip(0.5 - (field + np.float32(thick)) / step, 0, 1)
        value = dense * (1 - inner) + (spongy + (50 - 20 * loss) * grain) * inner
        hounsfield += share * (value - hounsfield)
        nearest = np.minimum(nearest, field)
    # Cartilage and capsule in the joint.
    for side, at in center.items():
        px, py, pz = axes_about(geometry, at)
        distance = np.sqrt(px**2 + py**2 + pz**2)
        joint = (distance < radius + settings.variant.joint_space_mm + 2.5) & (nearest > 0.5 * step)
        if f"{side}_femur" in both and both[f"{side}_femur"].min() < 0:
            hounsfield[joint] = 85
        if settings.closed_deg > 0:
            bridged = joint & (pz > np.cos(np.radians(settings.closed_deg)) * distance)
            hounsfield[bridged & (distance < radius + settings.variant.joint_space_mm + 1.0)] = 0.8 * dense
    if settings.table:
        bed = (y > 130 * scale) & (y < 134 * scale) & (np.abs(x) < 170 * scale)
        hounsfield[np.broadcast_to(bed, shape)] = 200
        fold = (np.abs(outline - 1.04) < 0.008) & (np.sin(0.21 * x + 0.13 * z) > 0.2)
        hounsfield[fold & (hounsfield < -500)] = -250
    return hounsfield.astype(np.float32)


def _noise(shape: tuple[int, ...], step_mm: float, width_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of standard deviation about 1."""
    coarse = [int(n * step_mm / width_mm) + 4 for n in shape]
    values = ndimage.gaussian_filter(rng.standard_normal(coarse).astype(np.float32), 0.6)
    values /= values.std()
    scale = [step_mm / width_mm] * 3
    smooth: np.ndarray = ndimage.affine_transform(values, scale, 1.0, shape, output=np.float32, order=1)
    return smooth


def _image(
    hounsfield: np.ndarray,
    both: dict[str, np.ndarray],
    fine: Geometry,
    settings: PelvisCtSettings,
    rng: np.random.Generator,
) -> tuple[Volume, Volume]:
    extent = (np.asarray(fine.size) - 1) * np.asarray(fine.spacing_mm)
    size = np.maximum(np.floor(extent / np.asarray(settings.spacing_mm)).astype(int), 3)
    middle = np.asarray(fine.origin_mm) + extent / 2
    origin = middle - (size - 1) * np.asarray(settings.spacing_mm) / 2
    grid = Geometry(tuple(size.tolist()), settings.spacing_mm, tuple(origin.tolist()))
    image = sample_slices(hounsfield, fine, grid, settings.spacing_mm[2])
    image = ndimage.gaussian_filter(image, (0, 0.5, 0.5), truncate=3)
    noise = ndimage.gaussian_filter(rng.standard_normal(image.shape, np.float32), (0, 0.6, 0.6))
    image += noise * np.float32(settings.noise_hu / max(float(noise.std()), 1e-6))
    labels = np.zeros(grid.array_shape, np.uint8)
    matrix = fine.lps_to_index @ grid.index_to_lps
    for name, field in both.items():
        value = {"femur": FEMUR, "hip_bone": HIP_BONE}.get(name.split("_", 1)[-1])
        if value is not None:
            sampled = ndimage.affine_transform(
                field,
                np.diag(matrix)[:3][::-1],
                matrix[:3, 3][::-1],
                grid.array_shape,
                output=np.float32,
                order=1,
                mode="nearest",
            )
            labels[sampled < 0] = value
    clipped = np.clip(np.rint(image), -1024, METAL_HU).astype(np.int16)
    return Volume(clipped, grid, "CT", {"series": "phantom"}), Volume(labels, grid)
