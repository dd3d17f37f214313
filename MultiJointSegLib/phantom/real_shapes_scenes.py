"""Put bones of real people together to joints: which files, which bones, where."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import vtk

from MultiJointSegLib.anatomy.catalog import bone as catalog_bone
from MultiJointSegLib.phantom.real_shapes_meshes import (
    filled_mask,
    mesh_components,
    mesh_points,
    mesh_to_shape,
    read_mesh,
    transform_mesh,
)
from MultiJointSegLib.phantom.real_shapes_reading import (
    BoneShape,
    guard_permitted,
    mask_to_shape,
    read_labels,
    split_fibula,
)
from MultiJointSegLib.phantom.real_shapes_shoulder import SHOULDER_PAIRS, load_shoulder
from MultiJointSegLib.phantom.real_shapes_types import Scene

REACH_MM = 150.0
"""How far from the joint shafts are kept."""


_FOOT = (
    "navicular", "cuboid", "medial_cuneiform", "intermediate_cuneiform", "lateral_cuneiform",
    "first_metatarsal", "second_metatarsal", "third_metatarsal", "fourth_metatarsal", "fifth_metatarsal",
)  # fmt: skip
_MSKT = {"femur": 5, "tibia": 6, "patella": 7}


def scene_names(folder: Path) -> list[tuple[str, str]]:
    """Joint and name of every scene whose files are in the data folder."""
    names = [("knee", "bmf"), ("ankle", "bmf")]
    names += [("knee", f"llp26_{n}") for n in ("mean", *(f"sample{i:02d}" for i in range(1, 11)))]
    names += [("knee", f"pybiomech_{letter}") for letter in "abcd"]
    names += [("knee", n) for n in ("mskt_right_knee_example", "mskt_T2_label", "mskt_sag_3d_dess_right")]
    names += [("knee", "skm_segmentation_corrected")]
    names += [("shoulder", pair) for pair in SHOULDER_PAIRS]
    return [(joint, name) for joint, name in names if _first_file(folder, joint, name).exists()]


def _first_file(folder: Path, joint: str, name: str) -> Path:
    if joint == "shoulder":
        return folder / "shoulder" / "meshes" / "myo_sim_clavicle.stl"
    meshes = folder / "knee" / "meshes"
    if name == "bmf":
        return meshes / "bmf_right_tibia.stl"
    if name.startswith("llp26"):
        return meshes / f"llp26_left_femur_{name.removeprefix('llp26_')}.ply"
    if name.startswith("pybiomech"):
        return meshes / f"{name}_femur.stl"
    return folder / "knee" / "label_maps" / f"{name}.nii.gz"


@lru_cache(maxsize=64)
def load_scene(folder: Path, joint: str, name: str) -> Scene:
    """Read and place the bones of one scene; kept in memory."""
    if joint == "shoulder":
        return load_shoulder(folder, name, REACH_MM)
    if name == "bmf":
        return _bmf_knee(folder) if joint == "knee" else _bmf_ankle(folder)
    if name.startswith("llp26"):
        return _llp_knee(folder, name.removeprefix("llp26_"))
    if name.startswith("pybiomech"):
        return _pybiomech_knee(folder, name)
    return _label_knee(folder, name)


def _label(name: str, joint_bones: tuple[str, ...]) -> int:
    return catalog_bone(name).label if name in joint_bones else 0


def _knee_box(center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return center - REACH_MM, center + REACH_MM


def _bmf_knee(folder: Path) -> Scene:
    names = ("femur", "tibia", "fibula", "patella")
    meshes = {n: read_mesh(folder / "knee" / "meshes" / f"bmf_right_{n}.stl") for n in names}
    tibia = mesh_points(meshes["tibia"])
    top = tibia[tibia[:, 2] > tibia[:, 2].max() - 20]
    center = np.array([*top.mean(0)[:2], tibia[:, 2].max()])
    box = _knee_box(center)
    bones = tuple(mesh_to_shape(m, n, catalog_bone(n).label, box_mm=box) for n, m in meshes.items())
    return Scene("knee", "right", bones, center)


def _bmf_ankle(folder: Path) -> Scene:
    labelled = ("tibia", "talus", "calcaneus")
    files = {n: folder / "knee" / "meshes" / f"bmf_right_{n}.stl" for n in ("tibia", "fibula")}
    files |= {n: folder / "ankle" / "meshes" / f"bmf_right_{n}.stl" for n in ("talus", "calcaneus", *_FOOT)}
    meshes = {n: read_mesh(f) for n, f in files.items()}
    talus = mesh_points(meshes["talus"])
    center = np.array([*talus.mean(0)[:2], talus[:, 2].max()])
    box = _knee_box(center)
    bones = tuple(mesh_to_shape(m, n, _label(n, labelled), box_mm=box) for n, m in meshes.items())
    return Scene("ankle", "right", bones, center)


def _llp_knee(folder: Path, which: str) -> Scene:
    """Femur, patella, tibia and fibula of one body of the shape model, moved to where a standing knee has them.

    The model keeps the poses of its training bodies only on average: tibia and patella are shifted as rigid bodies
    so that they face the femur; the fibula, the smaller of the two closed parts, goes with the tibia.
    """
    meshes = folder / "knee" / "meshes"
    femur = read_mesh(meshes / f"llp26_left_femur_{which}.ply")
    patella = read_mesh(meshes / f"llp26_left_patella_{which}.ply")
    parts = mesh_components(read_mesh(meshes / f"llp26_left_tibia_fibula_{which}.ply"))
    tibia, fibula = sorted(parts[:2], key=_volume_extent, reverse=True)
    f, t, p = mesh_points(femur), mesh_points(tibia), mesh_points(patella)
    low = f[f[:, 2] < f[:, 2].min() + 35]
    top = t[t[:, 2] > t[:, 2].max() - 15]
    middle = (low.min(0) + low.max(0)) / 2
    move = np.zeros(3)
    move[0] = middle[0] - (top[:, 0].min() + top[:, 0].max()) / 2
    # The plateau's middle lies about 6 mm before the middle of the condyles' depth in extension.
    move[1] = middle[1] + 3.0 - (top[:, 1].min() + top[:, 1].max()) / 2
    move[2] = f[:, 2].min() - 1.0 - np.percentile(top[:, 2], 70)
    shift_patella = np.zeros(3)
    shift_patella[0] = middle[0] + 3.0 - (p[:, 0].min() + p[:, 0].max()) / 2
    shift_patella[2] = f[:, 2].min() + 12.0 - p[:, 2].min()
    center = np.array([middle[0], middle[1], f[:, 2].min()])
    box = _knee_box(center)
    tibia, fibula = transform_mesh(tibia, _shift(move)), transform_mesh(fibula, _shift(move))
    patella = transform_mesh(patella, _shift(shift_patella))
    named = {"femur": femur, "tibia": tibia, "fibula": fibula, "patella": patella}
    bones = tuple(mesh_to_shape(m, n, catalog_bone(n).label, box_mm=box) for n, m in named.items())
    return Scene("knee", "left", bones, center)


def _volume_extent(mesh: vtk.vtkPolyData) -> float:
    return float(np.prod(np.ptp(mesh_points(mesh), axis=0)))


def _shift(vector: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = vector
    return matrix


def _pybiomech_knee(folder: Path, name: str) -> Scene:
    """Femur and tibia of a cadaver knee, with the fibula cut off the tibia where they are fused.

    The meshes follow bone density, so marrow spaces are open: they are filled. The knees are turned so that the
    rear ends of both condyles lie in one frontal plane (b, c and d lie with the front to +x in the files). What a
    source lacks, patella or fibula, is taken from the assembled limb at the size of this knee.
    """
    meshes = {b: read_mesh(folder / "knee" / "meshes" / f"{name}_{b}.stl") for b in ("femur", "tibia")}
    turn = np.eye(4)
    if not name.endswith("_a"):
        turn[:2, :2] = [[0, 1], [-1, 0]]
    turn = _square_condyles(mesh_points(transform_mesh(meshes["femur"], turn))) @ turn
    meshes = {b: transform_mesh(m, turn) for b, m in meshes.items()}
    # The shell of knee d has the widest gaps.
    closing_mm = 6.0 if name.endswith("_d") else 3.0
    masks = {b: filled_mask(m, cut_high=b == "femur", closing_mm=closing_mm) for b, m in meshes.items()}
    tibia, fibula = split_fibula(*masks["tibia"])
    parts = {"femur": masks["femur"][0], "tibia": tibia}
    shapes = []
    for bone, mask in parts.items():
        shapes.append(mask_to_shape(mask, masks[bone][1], bone, catalog_bone(bone).label, trim_mm=3.0))
    if fibula is not None:
        shapes.append(mask_to_shape(fibula, masks["tibia"][1], "fibula", catalog_bone("fibula").label, trim_mm=3.0))
    return _completed(folder, Scene("knee", "right", tuple(shapes), _knee_center(shapes)))


def _square_condyles(femur: np.ndarray) -> np.ndarray:
    """Rotation about z (4x4) after which the rearmost points of both condyles have the same y."""
    total = np.eye(4)
    points = femur[femur[:, 2] < femur[:, 2].min() + 35]
    for _ in range(4):
        middle = (points[:, 0].min() + points[:, 0].max()) / 2
        a = points[points[:, 0] < middle - 5]
        b = points[points[:, 0] > middle + 5]
        a, b = a[np.argmax(a[:, 1])], b[np.argmax(b[:, 1])]
        angle = -np.arctan2(b[1] - a[1], b[0] - a[0])
        step = np.eye(4)
        step[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        points = points @ step[:3, :3].T
        total = step @ total
    return total


def _knee_center(shapes: Sequence[BoneShape]) -> np.ndarray:
    femur = next(b for b in shapes if b.name == "femur").surface_mm
    tibia = next(b for b in shapes if b.name == "tibia").surface_mm
    level = (femur[:, 2].min() + np.percentile(tibia[:, 2], 99)) / 2
    near = femur[femur[:, 2] < femur[:, 2].min() + 35]
    return np.array([*((near.min(0) + near.max(0)) / 2)[:2], level])


def _completed(folder: Path, scene: Scene) -> Scene:
    """Scene with patella and fibula borrowed from the assembled limb, scaled by the width of femur and tibia."""
    lender = load_scene(folder, "knee", "bmf")
    mirror = lender.side != scene.side
    bones = list(scene.bones)
    for name, host, top in (("patella", "femur", False), ("fibula", "tibia", True)):
        if scene.bone(name) is not None:
            continue
        lent, theirs, ours = lender.bone(name), lender.bone(host), scene.bone(host)
        assert lent is not None and theirs is not None and ours is not None
        a, size_a = _host_frame(theirs.surface_mm, top)
        b, size_b = _host_frame(ours.surface_mm, top)
        factors = np.full(3, size_b / size_a)
        if mirror:
            factors[0] *= -1
        bones.append(lent.moved(np.diag(factors), b - factors * a))
    return Scene(scene.joint, scene.side, tuple(bones), scene.center_mm)


def _host_frame(points: np.ndarray, top: bool) -> tuple[np.ndarray, float]:
    """Reference point and width of the end of a femur (lowest, frontmost) or tibia (highest, rearmost)."""
    if top:
        level = float(np.percentile(points[points[:, 2] > points[:, 2].max() - 15][:, 2], 70))
        near = points[np.abs(points[:, 2] - (level - 8)) < 8]
    else:
        level = float(points[:, 2].min())
        near = points[points[:, 2] < level + 35]
    middle = (near[:, 0].min() + near[:, 0].max()) / 2
    return np.array([middle, near[:, 1].max() if top else near[:, 1].min(), level]), float(np.ptp(near[:, 0]))


def _label_knee(folder: Path, name: str) -> Scene:
    array, geometry = read_labels(guard_permitted(folder / "knee" / "label_maps" / f"{name}.nii.gz"))
    values = dict(_MSKT)
    if name.startswith("skm"):
        values = {"femur": 1, "patella": 2, "tibia": 3}
    if name == "mskt_sag_3d_dess_right":
        values["fibula"] = 8
    bones = tuple(mask_to_shape(array == v, geometry, n, catalog_bone(n).label) for n, v in values.items())
    # Told from the lateral tibial cartilage, and for the last from the place in the scanner.
    side = "left" if name in ("mskt_T2_label", "skm_segmentation_corrected") else "right"
    return _completed(folder, Scene("knee", side, bones, _knee_center(bones)))
