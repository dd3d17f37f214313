"""Surfaces written are the surfaces read by VTK's own readers."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkFiltersCore import vtkCleanPolyData
from vtkmodules.vtkIOGeometry import vtkOBJReader, vtkSTLReader
from vtkmodules.vtkIOPLY import vtkPLYReader
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.extraction import surface_from_mask
from MultiJointSegLib.surface.mesh import from_polydata
from MultiJointSegLib.surface.topology import check_topology
from MultiJointSegLib.surface.writing import SPACE_STATEMENT, write_surface

READERS = {".stl": vtkSTLReader, ".ply": vtkPLYReader, ".obj": vtkOBJReader, ".vtp": vtkXMLPolyDataReader}


@pytest.fixture(scope="module")
def surface(digitize):
    return surface_from_mask(digitize((9.0, 6.0, 7.0), (1.0, 1.0, 1.0), center_mm=(-80.0, 20.0, 300.0)))


@pytest.mark.parametrize("ending", READERS)
def test_read_back(surface, tmp_path, ending):
    path = write_surface(surface, tmp_path / f"femur{ending}")
    assert [p.name for p in tmp_path.iterdir()] == [f"femur{ending}"]
    reader = READERS[ending]()
    reader.SetFileName(str(path))
    clean = vtkCleanPolyData()
    clean.SetInputConnection(reader.GetOutputPort())
    clean.Update()
    back = from_polydata(clean.GetOutput())
    assert len(back.triangles) == len(surface.triangles)
    assert check_topology(back).is_closed_manifold
    assert back.volume_mm3 == pytest.approx(surface.volume_mm3, rel=1e-5)
    assert np.allclose(back.points_mm.min(axis=0), surface.points_mm.min(axis=0), atol=1e-4)


def test_units_and_space_are_stated(surface, tmp_path):
    stl = write_surface(surface, tmp_path / "a.stl").read_bytes()
    assert stl[:80].decode("ascii").strip() == SPACE_STATEMENT
    assert not stl.startswith(b"solid")
    assert len(stl) == 84 + 50 * len(surface.triangles)
    assert f"comment {SPACE_STATEMENT}".encode() in write_surface(surface, tmp_path / "a.ply").read_bytes()[:200]
    assert write_surface(surface, tmp_path / "a.obj").read_text().startswith(f"# {SPACE_STATEMENT}")
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(write_surface(surface, tmp_path / "a.vtp")))
    reader.Update()
    fields = reader.GetOutput().GetFieldData()
    assert fields.GetAbstractArray("SPACE").GetValue(0) == "LPS"
    assert fields.GetAbstractArray("UNIT").GetValue(0) == "mm"


def test_an_existing_file_is_replaced(surface, tmp_path):
    path = tmp_path / "a.stl"
    path.write_text("old")
    write_surface(surface, path)
    assert path.stat().st_size > 84


def test_bad_names_are_refused(surface, tmp_path):
    with pytest.raises(InputError, match=r"\.stl, \.ply, \.obj, \.vtp, \.glb, not '\.xyz'"):
        write_surface(surface, tmp_path / "a.xyz")
    with pytest.raises(InputError, match="Check that the folder exists"):
        write_surface(surface, tmp_path / "missing" / "a.stl")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_nothing(surface, tmp_path):
    (tmp_path / "a.stl").mkdir()
    with pytest.raises(InputError, match="Cannot write"):
        write_surface(surface, tmp_path / "a.stl")
    assert [p.name for p in tmp_path.iterdir()] == ["a.stl"]
