"""Lines back from heat maps, and planes from lines."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from MultiJointSegLib.learning.pretext.line_fit import fit_line, line_error
from MultiJointSegLib.learning.pretext.lines import PixelLine, heat_map, intersection_line
from MultiJointSegLib.learning.pretext.prescription import plane_error, prescribe_plane, write_plane_markups
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid

GRID = SliceGrid((-40, -50, 0), (1, 0, 0), (0, 1, 0), (100, 80))


@pytest.mark.parametrize("angle", [0, 1, 44, 90, 133, 179])
def test_line_of_a_perfect_heat_map(angle: float) -> None:
    normal = Rotation.from_euler("z", angle, degrees=True).apply([0, 1, 0])
    plane = Plane((2.0, -3.0, 0.0), tuple(normal))
    true = intersection_line(GRID, plane)
    found = fit_line(heat_map(GRID, plane, 7.56))
    assert true is not None and found is not None
    error = line_error(found.line, true, GRID)
    assert error is not None
    # The border of the image cuts the ridge askew, which turns the fit a little.
    assert error.position_mm < 0.6 and error.angle_deg < 1.5
    assert found.peak == pytest.approx(1, abs=0.02)


def test_stray_blob_hardly_turns_the_line() -> None:
    plane = Plane((0, 0, 0), (1, 0, 0))
    heat = heat_map(GRID, plane, 5.0)
    heat[70:76, 60:66] = 0.9
    true, found = intersection_line(GRID, plane), fit_line(heat)
    assert true is not None and found is not None
    error = line_error(found.line, true, GRID)
    assert error is not None and error.position_mm < 0.5 and error.angle_deg < 1.0


def test_no_line_in_a_faint_map_or_a_spot() -> None:
    assert fit_line(np.full((40, 40), 0.2)) is None
    row, column = np.indices((60, 60))
    assert fit_line(np.exp(-((row - 30) ** 2 + (column - 30) ** 2) / 50)) is None


def test_errors_are_measured_in_the_patient() -> None:
    wide = SliceGrid((0, 0, 0), (2, 0, 0), (0, 0.5, 0), (100, 50))
    error = line_error(PixelLine(1.0, 0.0, 13.0), PixelLine(1.0, 0.0, 10.0), wide)
    assert error is not None
    assert error.position_mm == pytest.approx(6.0) and error.angle_deg == pytest.approx(0.0, abs=1e-9)
    turned = line_error(PixelLine(np.sqrt(0.5), np.sqrt(0.5), 30.0), PixelLine(0.0, 1.0, 40.0), wide)
    assert turned is not None
    assert turned.angle_deg == pytest.approx(np.degrees(np.arctan(0.5 / 2)))
    assert line_error(PixelLine(1.0, 0.0, 13.0), PixelLine(1.0, 0.0, 99.0), wide) is None


def slices_of(plane: Plane, count: int = 9) -> list:
    found = []
    for index in range(count):
        grid = SliceGrid((-40, -50, 4.0 * index), (1, 0, 0), (0, 1, 0), (100, 80))
        fitted = fit_line(heat_map(grid, plane, 6.0))
        if fitted is not None:
            found.append((grid, fitted))
    return found


def test_plane_from_the_lines_of_a_stack() -> None:
    normal = Rotation.from_euler("xyz", (4, 12, -9), degrees=True).apply([1, 0, 0])
    plane = Plane((3.0, 2.0, 16.0), tuple(normal))
    proposed = prescribe_plane(slices_of(plane), "left")
    assert proposed is not None and proposed.lines == 9
    error = plane_error(proposed.plane, plane)
    assert error.angle_deg < 0.5 and error.distance_mm < 0.3 and proposed.residual_mm < 0.3
    assert proposed.plane.normal[0] > 0


def test_wrong_slices_hardly_turn_the_plane() -> None:
    plane = Plane((3.0, 2.0, 16.0), (1.0, 0.0, 0.0))
    found = slices_of(plane)
    wrong = slices_of(Plane((-20.0, 2.0, 16.0), (0.9, 0.43588989, 0.0)))
    found[2], found[7] = wrong[2], wrong[7]
    proposed = prescribe_plane(found)
    assert proposed is not None
    error = plane_error(proposed.plane, plane)
    assert error.angle_deg < 0.5 and error.distance_mm < 0.3


def test_no_plane_from_too_little() -> None:
    found = slices_of(Plane((3.0, 2.0, 16.0), (1.0, 0.0, 0.0)))
    assert prescribe_plane(found[:1]) is None
    assert prescribe_plane([found[0], found[0]]) is None  # the same line twice holds no plane


@pytest.mark.slicer
def test_markups_open_in_slicer(tmp_path: Path) -> None:
    planes = {"sagittal": Plane((3.0, -20.0, 16.0), (0.6, 0.0, 0.8)), "axial": Plane((1, 2, 3), (0, 0, 1))}
    path = tmp_path / "planes.mrk.json"
    write_plane_markups(planes, path)
    assert [m["name"] for m in json.loads(path.read_text())["markups"]] == ["sagittal", "axial"]
    slicer = pytest.importorskip("slicer")
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode")
    storage = slicer.vtkMRMLMarkupsPlaneJsonStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    center, normal = [0.0] * 3, [0.0] * 3
    node.GetCenter(center)
    node.GetNormal(normal)
    np.testing.assert_allclose(center, (-3.0, 20.0, 16.0), atol=1e-6)  # Slicer counts right and front as positive
    np.testing.assert_allclose(normal, (-0.6, 0.0, 0.8), atol=1e-6)
    np.testing.assert_allclose(list(node.GetSize())[:2], (120, 120), atol=1e-3)
