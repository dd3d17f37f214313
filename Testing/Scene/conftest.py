"""An examination with results small enough to be compared value by value, and scenes to put it in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.morphology.measurement import Measurement, line, plane, point, sphere
from MultiJointSegLib.pipeline.result import SceneContent
from MultiJointSegLib.surface.mesh import Surface

ROOT = Path(__file__).resolve().parents[2]
MODULE_FOLDER = ROOT / "MultiJointSeg"
if str(MODULE_FOLDER) not in sys.path:
    sys.path.insert(0, str(MODULE_FOLDER))


def rotation(angles_deg: tuple[float, float, float]) -> np.ndarray:
    a, b, c = np.deg2rad(angles_deg)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


def grid(*, size=(30, 26, 12), spacing_mm=(0.7, 0.6, 2.5), angles_deg=(0.0, 0.0, 0.0), left_handed=False) -> Geometry:
    direction = rotation(angles_deg)
    if left_handed:
        direction = direction * (1, 1, -1)
    return Geometry(size, spacing_mm, (-11.5, 20.25, 31.0), tuple(map(tuple, direction)))


@dataclass(frozen=True)
class Examination:
    volume: Volume
    labels: Volume
    bones: tuple[anatomy.Bone, ...]
    surfaces: dict[str, Surface]
    measurements: list[Measurement]
    name: str = "Knee of Zoë"

    def content(self, **changes: object) -> SceneContent:
        values = {name: getattr(self, name) for name in ("labels", "bones", "surfaces", "measurements", "name")}
        return SceneContent(**{**values, **changes})


def octahedron(center_mm: np.ndarray, radius_mm: float) -> Surface:
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    return Surface(center_mm + radius_mm * corners, np.array(faces))


def examination_on(geometry: Geometry, dtype: type = np.int16) -> Examination:
    """Knee with femur, tibia and fibula, without a patella, on a grid."""
    rng = np.random.default_rng(7)
    array = rng.integers(0, 200, geometry.array_shape).astype(dtype)
    labels = np.zeros(geometry.array_shape, np.uint8)
    labels[6:11, 5:20, 5:20] = anatomy.bone("femur").label
    labels[1:5, 5:20, 5:20] = anatomy.bone("tibia").label
    labels[1:5, 21:24, 22:26] = anatomy.bone("fibula").label
    center = geometry.index_to_point(np.array([12.0, 12.0, 8.0]))
    surfaces = {"femur": octahedron(center, 5.0), "tibia": octahedron(center - (0, 0, 12), 4.0)}
    head = {"head": sphere(center, 4.5)}
    axis = {"axis": line(center, center + np.array([0, 0, 20.0]))}
    measurements = [
        Measurement("femur_volume", "Volume", "femur", 1234567.891, "mm3", "Volume inside the surface."),
        Measurement("femur_head", "Femoral head", "femur", 9.0, "mm", 'The "best" sphere.', "doi:1", head, "", 0.25),
        Measurement("femur_length", "Long axis, length", "femur", 20.0, "mm", "Along the axis.", "", axis),
        Measurement("femur_tilt", "Long axis, tilt", "femur", 1.5, "deg", "Of the same axis.", "", axis),
        Measurement("knee_gap", "Gap", "", None, "mm", "Gap\tof\nthe joint.", reason="too small"),
        Measurement(
            "tibia_plane",
            "Plateau",
            "tibia",
            3.0,
            "deg",
            "Tilt of the plateau.",
            geometry={"plateau": plane(center, (0, 0, 1)), "middle": point(center - (1, 2, 3))},
        ),
    ]
    bones = anatomy.joint("knee").bones
    return Examination(Volume(array, geometry, "MR"), Volume(labels, geometry), bones, surfaces, measurements)


@pytest.fixture
def make_examination() -> Callable[..., Examination]:
    return lambda dtype=np.int16, **settings: examination_on(grid(**settings), dtype)


@pytest.fixture
def an_examination() -> Examination:
    return examination_on(grid(angles_deg=(8.0, -12.0, 20.0)))


@pytest.fixture
def a_scene() -> Iterator[object]:
    from MultiJointSegSlicer.scene import headless_scene

    with headless_scene() as scene:
        yield scene


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script in a fresh interpreter that finds our packages."""

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        paths = [str(ROOT), str(MODULE_FOLDER), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUTF8": "1"}
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)

    return run
