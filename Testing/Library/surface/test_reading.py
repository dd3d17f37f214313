"""Surfaces come back from their files."""

import numpy as np
import pytest

from MultiJointSegLib.surface.mesh import Surface
from MultiJointSegLib.surface.reading import read_surface
from MultiJointSegLib.surface.writing import write_surface


@pytest.mark.parametrize("ending", ["stl", "ply", "vtp"])
def test_points_and_triangles_come_back(tmp_path, ending: str) -> None:
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 2, 0], [0, -1, 0], [0, 0, 3], [0, 0, -1]], float) * 12.5
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    surface = Surface(corners, np.array(faces))
    read = read_surface(write_surface(surface, tmp_path / f"Knöchel.{ending}"))
    assert len(read.points_mm) == 6
    given, found = (np.sort(s.points_mm[s.triangles].reshape(-1, 9), axis=0) for s in (surface, read))
    assert np.allclose(found, given, atol=1e-4)
