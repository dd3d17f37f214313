"""Tissue maps from the bones of real people: a scene of bones, posed, deformed and put into a limb."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.phantom.clothing import clothe
from MultiJointSegLib.phantom.clothing_bones import SCAR_AGE_YEARS
from MultiJointSegLib.phantom.clothing_fields import CoarseGrid, linear_weights, resample_separable
from MultiJointSegLib.phantom.real_shapes_growth import PhysisRule, physis_rule
from MultiJointSegLib.phantom.real_shapes_pose import Warp, pose_scene, random_warp
from MultiJointSegLib.phantom.real_shapes_reading import CLIP_MM, BoneShape
from MultiJointSegLib.phantom.real_shapes_scenes import load_scene, scene_names
from MultiJointSegLib.phantom.real_shapes_types import Scene
from MultiJointSegLib.phantom.tissue_map import BoneField, TissueMap

CLOSING_AGE_YEARS = 15.0
_SMALLEST_GAP_MM = 0.6
_WARP_STEP_MM = 4.0


@dataclass(frozen=True, slots=True)
class ShapeCase:
    """Bones of one joint of one person, as scanned or mirrored.

    Parameters
    ----------
    name : str
        Unique, for example "bmf_knee_right" or "llp26_sample03_knee_left_mirrored".
    joint, side : str
    """

    name: str
    joint: str
    side: str
    scene: str
    folder: Path
    mirrored: bool

    def load(self) -> Scene:
        """Bones in the frame of the source (not mirrored); read once per process."""
        return load_scene(self.folder, self.joint, self.scene)

    def tissue_map(
        self, seed: int, *, age_years: float | None = None, spacing_mm: float = 0.8, deform: bool = True
    ) -> TissueMap:
        """Make a limb part of these bones.

        Parameters
        ----------
        seed : int
            Same case and seed, same map.
        age_years : float, optional
            Random between 3 and 18 (sometimes adult) if not given; governs size, growth plates, cortex, cartilage.
        spacing_mm : float
            Of the isotropic grid; the box is about 150 to 180 mm wide.
        deform : bool
            Whether joint motion, anisotropic scaling and free-form deformation are applied. Without, the bones
            keep the size and shape of their source; only gaps between bones are mended.
        """
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        scene = self.load()
        age = _random_age(rng) if age_years is None else float(age_years)
        scale = (
            float(np.interp(age, [2, 8, 14, 18], [0.6, 0.78, 0.95, 1.0]) * rng.uniform(0.93, 1.07)) if deform else 1.0
        )
        geometry = _box(scale, spacing_mm, rng, deform)
        coarse = CoarseGrid(geometry, max(1, round(_WARP_STEP_MM / spacing_mm)))
        warp = random_warp(coarse.shape, coarse.spacing_mm, scale, rng, mirror=self.mirrored, bend=deform)
        pose = pose_scene(scene, rng, move=deform)
        # Closed growth plates leave a scar in many people.
        plates = age < CLOSING_AGE_YEARS or (age >= SCAR_AGE_YEARS and rng.uniform() < 0.6)
        cartilage_mm = float(np.interp(age, [2, 8, 16], [4.0, 3.0, 2.2]) * rng.uniform(0.85, 1.15))
        fields = []
        for bone in scene.bones:
            rule = physis_rule(scene, bone, age) if plates else None
            sampled = _sample(bone, pose[bone.name], rule, warp, coarse, scene.center_mm)
            if sampled is not None:
                fields.append(BoneField(bone.label, *sampled, cartilage_mm))
        _part(fields)
        return clothe(fields, geometry, rng=rng, joint=self.joint, side=self.side, age_years=age)


def real_shape_cases(data_folder: Path | str) -> list[ShapeCase]:
    """All usable cases of a data folder, each followed by its mirror image.

    Only data whose license permits what ships to be trained on it is listed.

    Raises
    ------
    InputError
        If the folder does not exist or holds none.
    """
    folder = Path(data_folder).resolve()
    cases = []
    for joint, scene in scene_names(folder):
        side = scene_side(scene)
        for mirrored in (False, True):
            shown = side if not mirrored else {"left": "right", "right": "left"}[side]
            name = f"{scene}_{joint}_{shown}" + ("_mirrored" if mirrored else "")
            cases.append(ShapeCase(name, joint, shown, scene, folder, mirrored))
    if not cases:
        raise InputError(f"{folder} holds no bone shapes; give the folder with knee/meshes, ankle/meshes and so on.")
    return cases


def scene_side(scene: str) -> str:
    """Side of the body that a scene was taken from."""
    return "left" if scene.startswith("llp26") or scene in ("mskt_T2_label", "skm_segmentation_corrected") else "right"


def _random_age(rng: np.random.Generator) -> float:
    return float(rng.uniform(3, 18)) if rng.uniform() < 0.8 else float(rng.uniform(18, 60))


def _box(scale: float, spacing_mm: float, rng: np.random.Generator, deform: bool) -> Geometry:
    """Box around the joint in patient-like coordinates; its middle is up to 8 mm off the joint's."""
    width = float(rng.uniform(150, 180)) * np.clip(scale * 1.15, 0.8, 1.0) if deform else 170.0
    size = np.full(3, round(width / spacing_mm))
    offset = rng.uniform(-8, 8, 3) if deform else np.zeros(3)
    corner = offset - size * spacing_mm / 2
    return Geometry(tuple(size), (spacing_mm,) * 3, tuple(corner))


def _sample(
    bone: BoneShape, pose: np.ndarray, rule: PhysisRule | None, warp: Warp, coarse: CoarseGrid, center_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Signed distance (and growth plate distance) of a bone on the fine grid; None where it is out of the box."""
    # Positions in the bone's own frame vary smoothly: computed on the coarse grid, interpolated on the fine one.
    x, y, z = np.broadcast_arrays(*coarse.points())
    own = np.stack([x, y, z]) + warp.displacement_mm
    own = own / warp.scale[:, None, None, None].astype(np.float32)
    if warp.mirror:
        own[0] = -own[0]
    inverse = np.linalg.inv(pose)
    own = np.tensordot(inverse[:3, :3], own, 1) + (inverse[:3, :3] @ center_mm + inverse[:3, 3])[:, None, None, None]
    to_index = bone.geometry.lps_to_index
    index = np.tensordot(to_index[:3, :3], own, 1) + to_index[:3, 3][:, None, None, None]
    index = index[::-1].astype(np.float32)
    scale = float(np.prod(warp.scale) ** (1 / 3))
    rough = bone.sample_index(index)
    near = rough < 0.9 * CLIP_MM
    if not near.any() or rough.min() > 2.0:
        return None
    box_coarse = tuple(
        slice(max(int(hits[0]) - 2, 0), int(hits[-1]) + 3)
        for hits in (np.nonzero(near.any(axis=tuple(a for a in range(3) if a != axis)))[0] for axis in range(3))
    )
    shape = coarse.fine.array_shape
    box = tuple(
        slice(s.start * coarse.step, min(s.stop * coarse.step, n)) for s, n in zip(box_coarse, shape, strict=True)
    )
    distance = np.full(shape, CLIP_MM * scale, np.float32)
    fine_index = np.stack([_refine_box(component, coarse, box) for component in index])
    distance[box] = bone.sample_index(fine_index) * np.float32(scale)
    if rule is None:
        return distance, None
    physis = np.full(shape, 1e3, np.float32)
    physis[box] = _refine_box(rule(np.moveaxis(own, 0, -1)).astype(np.float32) * np.float32(scale), coarse, box)
    return distance, physis


def _refine_box(values: np.ndarray, coarse: CoarseGrid, box: tuple[slice, ...]) -> np.ndarray:
    """Linear interpolation of a coarse field on a box of the fine grid."""
    return resample_separable(
        values,
        tuple(
            linear_weights(np.arange(s.start, s.stop) / coarse.step, n) for s, n in zip(box, values.shape, strict=True)
        ),
    )


def _part(fields: list[BoneField]) -> None:
    """Carve overlapping or touching bones apart, half from each, to the smallest gap."""
    for n, a in enumerate(fields):
        for b in fields[n + 1 :]:
            close = (a.distance_mm < 2) & (b.distance_mm < 2)
            close &= a.distance_mm + b.distance_mm < _SMALLEST_GAP_MM
            if not close.any():
                continue
            da, db = a.distance_mm[close], b.distance_mm[close]
            half = 0.5 * (da - db)
            a.distance_mm[close] = np.maximum(da, 0.5 * _SMALLEST_GAP_MM + half)
            b.distance_mm[close] = np.maximum(db, 0.5 * _SMALLEST_GAP_MM - half)
