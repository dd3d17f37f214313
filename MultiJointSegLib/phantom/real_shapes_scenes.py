"""Put bones of real people together to joints: which files, which bones, where."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from MultiJointSegLib.anatomy.catalog import bone as catalog_bone
from MultiJointSegLib.phantom.real_shapes_reading import (
    BoneShape,
    guard_permitted,
    mask_to_shape,
    mesh_components,
    mesh_points,
    mesh_to_shape,
    read_labels,
    read_mesh,
    transform_mesh,
)

REACH_MM = 150.0
"""How far from the joint shafts are kept."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Bones of one joint in one frame (LPS mm), all of one side.

    Parameters
    ----------
    joint, side : str
    bones : tuple of BoneShape
    center_mm : float ndarray (3,), middle of the joint
    """

    joint: str
    side: str
    bones: tuple[BoneShape, ...]
    center_mm: np.ndarray

    def bone(self, name: str) -> BoneShape | None:
        """The bone of that name, or None."""
        return next((b for b in self.bones if b.name == name), None)


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
    return [(joint, name) for joint, name in names if _first_file(folder, joint, name).exists()]


def _first_file(folder: Path, joint: str, name: str) -> Path:
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


def _volume_extent(mesh) -> float:  # noqa: ANN001
    return float(np.prod(np.ptp(mesh_points(mesh), axis=0)))


def _shift(vector: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = vector
    return matrix


def _pybiomech_knee(folder: Path, name: str) -> Scene:
    """Femur and tibia (with fibula) of a cadaver knee; b, c, d lie with the front to +x and are turned to -y."""
    femur = read_mesh(folder / "knee" / "meshes" / f"{name}_femur.stl")
    tibia = read_mesh(folder / "knee" / "meshes" / f"{name}_tibia.stl")
    turn = np.eye(4)
    if not name.endswith("_a"):
        turn[:2, :2] = [[0, 1], [-1, 0]]
    femur, tibia = transform_mesh(femur, turn), transform_mesh(tibia, turn)
    points, low = mesh_points(tibia), mesh_points(femur)
    top = points[:, 2].max()
    near = low[low[:, 2] < low[:, 2].min() + 35]
    center = np.array([*((near.min(0) + near.max(0)) / 2)[:2], top])
    bones = []
    for mesh, bone, cut_axis_high in ((femur, "femur", True), (tibia, "tibia", False)):
        bounds = np.array(mesh.GetBounds()).reshape(3, 2)
        box_low, box_high = bounds[:, 0] - 10, bounds[:, 1] + 10
        # The shafts were cut: the grid ends 3 mm inside the cut, so that they go on.
        if cut_axis_high:
            box_high[2] = bounds[2, 1] - 3
        else:
            box_low[2] = bounds[2, 0] + 3
        bones.append(mesh_to_shape(mesh, bone, catalog_bone(bone).label, box_mm=(box_low, box_high)))
    return Scene("knee", "right", tuple(bones), center)


def _label_knee(folder: Path, name: str) -> Scene:
    array, geometry = read_labels(guard_permitted(folder / "knee" / "label_maps" / f"{name}.nii.gz"))
    values = dict(_MSKT)
    if name.startswith("skm"):
        values = {"femur": 1, "patella": 2, "tibia": 3}
    if name == "mskt_sag_3d_dess_right":
        values["fibula"] = 8
    bones = tuple(mask_to_shape(array == v, geometry, n, catalog_bone(n).label) for n, v in values.items())
    femur, tibia = bones[0].surface_mm, next(b for b in bones if b.name == "tibia").surface_mm
    level = (femur[:, 2].min() + np.percentile(tibia[:, 2], 99)) / 2
    near = femur[femur[:, 2] < femur[:, 2].min() + 35]
    center = np.array([*((near.min(0) + near.max(0)) / 2)[:2], level])
    # Told from the lateral tibial cartilage, and for the last from the place in the scanner.
    side = "left" if name in ("mskt_T2_label", "skm_segmentation_corrected") else "right"
    return Scene("knee", side, bones, center)
