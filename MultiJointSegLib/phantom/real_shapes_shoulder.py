"""Shoulders put together from humeri and scapulae of different sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vtk

from MultiJointSegLib.anatomy.catalog import bone as catalog_bone
from MultiJointSegLib.phantom.real_shapes_meshes import mesh_to_shape, read_mesh, transform_mesh
from MultiJointSegLib.phantom.real_shapes_types import Scene

SHOULDER_PAIRS = (
    "bonemapy_pybiomech",
    "bonemapy_myosim",
    "myosim_pybiomech",
    "myosim_myosim",
)
"""Scapula and humerus of every scene."""
_ANTEVERSION_DEG = 36.0
_JOINT_GAP_MM = 4.0


@dataclass(frozen=True, slots=True)
class _Scapula:
    """File, matrix to LPS of a right shoulder, glenoid center and a point of the medial border (file coordinates)."""

    file: str
    to_lps: tuple[tuple[float, float, float], ...]
    glenoid: tuple[float, float, float]
    outward: tuple[float, float, float]
    border: tuple[float, float, float]
    acromion: tuple[float, float, float]


# Glenoid centers and normals: plane fits to the vertices within 18 mm of the fossa's middle, picked by eye.
_SCAPULAE = {
    "bonemapy": _Scapula(
        "bonemapy_scapula.stl", ((0, -1, 0), (1, 0, 0), (0, 0, 1)), (44.3, -8.8, 309.0), (0.2, 0.97, -0.15),
        (15.0, -125.0, 300.0), (85.0, 20.0, 340.0),
    ),
    "myosim": _Scapula(
        "myo_sim_scapula.stl", ((0, 0, -1), (-1, 0, 0), (0, 1, 0)), (-31.7, -37.5, -15.4), (0.52, -0.06, 0.85),
        (-95.0, -40.0, -95.0), (-8.0, 2.0, 0.0),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Humerus:
    """File, head center and radius (sphere fit), directions to the medial epicondyle, the front and up the shaft."""

    file: str
    center: tuple[float, float, float]
    radius_mm: float
    medial: tuple[float, float, float]
    front: tuple[float, float, float]
    up: tuple[float, float, float]


_HUMERI = {
    "pybiomech": _Humerus(
        "pybiomech_humerus.stl", (-1.0, -65.8, -477.5), 24.8,
        (-0.37, -0.92, 0.15), (8.67, -4.02, -3.19), (0.35, 0.01, 0.94),
    ),
    "myosim": _Humerus(
        "myo_sim_humerus.stl", (-0.1, 0.5, 0.8), 23.3,
        (-0.04, 0.06, -1.0), (9.23, -0.25, -0.38), (0.03, 1.0, 0.06),
    ),
}  # fmt: skip
_CLAVICLE_TO_SCAPULA_MM = (14.3, -20.1, -135.5)
"""Position of the clavicle's frame in the scapula's frame of the same body model."""


def load_shoulder(folder: Path, pair: str, reach_mm: float) -> Scene:
    """Right shoulder with humerus, scapula and clavicle; the humeral head's center lies in the origin.

    The scapula is turned about the vertical so that its plane stands 36 degrees before the frontal plane. The center
    of the head is put in front of the glenoid's middle, at the head's radius plus a joint gap.
    """
    meshes = folder / "shoulder" / "meshes"
    which_scapula, which_humerus = pair.split("_")
    info = _SCAPULAE[which_scapula]
    to_lps = np.array(info.to_lps, float)
    blade = to_lps @ (np.array(info.glenoid) - info.border)
    angle = np.deg2rad(180 + _ANTEVERSION_DEG) - np.arctan2(blade[1], blade[0])
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    rotation = turn @ to_lps
    outward = rotation @ np.array(info.outward)
    outward /= np.linalg.norm(outward)

    arm = _HUMERI[which_humerus]
    scapula_matrix = np.eye(4)
    scapula_matrix[:3, :3] = rotation
    scapula_matrix[:3, 3] = -outward * (arm.radius_mm + _JOINT_GAP_MM) - rotation @ np.array(info.glenoid)
    humerus_matrix = np.eye(4)
    humerus_matrix[:3, :3] = _humerus_rotation(np.array(arm.medial), np.array(arm.front), np.array(arm.up))
    humerus_matrix[:3, 3] = -humerus_matrix[:3, :3] @ np.array(arm.center)

    humerus = transform_mesh(_filled(read_mesh(meshes / arm.file)), humerus_matrix)
    scapula = transform_mesh(_filled(read_mesh(meshes / info.file)), scapula_matrix)
    clavicle = transform_mesh(
        _filled(read_mesh(meshes / "myo_sim_clavicle.stl")), _clavicle_matrix(scapula_matrix, info)
    )
    box = (np.full(3, -reach_mm), np.full(3, reach_mm))
    shapes = [
        mesh_to_shape(humerus, "humerus", catalog_bone("humerus").label, box_mm=box),
        mesh_to_shape(scapula, "scapula", catalog_bone("scapula").label, box_mm=box),
        mesh_to_shape(clavicle, "clavicle", 0, box_mm=box),
    ]
    return Scene("shoulder", "right", tuple(shapes), np.array([14.0, 4.0, -10.0]))


def _humerus_rotation(medial: np.ndarray, front: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Matrix to LPS of a right arm that hangs with the epicondyles in the frontal plane; mirrors a left humerus."""
    up = up / np.linalg.norm(up)
    medial = medial - up * (medial @ up)
    medial = medial / np.linalg.norm(medial)
    front = front - up * (front @ up) - medial * (front @ medial)
    front = front / np.linalg.norm(front)
    return np.array([medial, -front, up])


def _clavicle_matrix(scapula_matrix: np.ndarray, info: _Scapula) -> np.ndarray:
    """Clavicle of the body model, moved with the acromion of the scapula that is used."""
    own = _SCAPULAE["myosim"]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(own.to_lps, float)
    acromion = scapula_matrix[:3, :3] @ np.array(info.acromion) + scapula_matrix[:3, 3]
    same_point = np.array(own.acromion) - np.array(_CLAVICLE_TO_SCAPULA_MM)
    # Ends 8 mm inside of the acromion's tip.
    matrix[:3, 3] = acromion + np.array([8.0, 0.0, 2.0]) - matrix[:3, :3] @ same_point
    return matrix


def _filled(mesh: vtk.vtkPolyData) -> vtk.vtkPolyData:
    """Mesh with its open borders closed, consistently turned outward."""
    fill = vtk.vtkFillHolesFilter()
    fill.SetInputData(mesh)
    fill.SetHoleSize(1e3)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(fill.GetOutputPort())
    normals.ConsistencyOn()
    normals.AutoOrientNormalsOn()
    normals.SplittingOff()
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputConnection(normals.GetOutputPort())
    triangles.Update()
    return triangles.GetOutput()
