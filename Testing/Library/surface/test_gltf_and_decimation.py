"""glTF as its specification wants it, and decimation within its stated deviation."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from vtkmodules.vtkCommonDataModel import vtkMultiBlockDataSet
from vtkmodules.vtkIOGeometry import vtkGLTFReader

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.decimation import decimated, deviation_mm, simplified_for_pictures
from MultiJointSegLib.surface.extraction import surface_from_mask
from MultiJointSegLib.surface.gltf import glb_bytes
from MultiJointSegLib.surface.topology import check_topology
from MultiJointSegLib.surface.writing import write_surface


@pytest.fixture(scope="module")
def surface(digitize):
    return surface_from_mask(digitize((9.0, 6.0, 7.0), (1.0, 1.0, 1.0), center_mm=(-80.0, 20.0, 300.0)))


def parts(data: bytes) -> tuple[dict, bytes]:
    """JSON and binary chunk; checks the container."""
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    assert size % 4 == 0
    document = json.loads(data[20 : 20 + size])
    binary_size, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert kind == b"BIN\0"
    assert document["buffers"][0]["byteLength"] == binary_size == len(data) - 28 - size
    return document, data[28 + size :]


def test_units_and_axes_are_stated_and_right(surface):
    document, binary = parts(glb_bytes({"femur": surface, "tibia": surface}, {"femur": (255, 0, 0)}))
    assert document["asset"]["extras"]["space"] == "LPS"
    assert document["asset"]["extras"]["unit"] == "mm"
    assert [n["name"] for n in document["nodes"]] == ["femur", "tibia", "LPS mm"]
    matrix = np.array(document["nodes"][2]["matrix"]).reshape(4, 4).T
    # Left, posterior, superior of a patient become x, -z and y, in meters.
    assert (matrix @ [1000, 2000, 3000, 1]).tolist() == [1.0, 3.0, -2.0, 1.0]
    assert np.linalg.det(matrix[:3, :3]) > 0
    assert document["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] == [1.0, 0.0, 0.0, 1.0]
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= len(binary)
    points = document["accessors"][0]
    assert points["count"] == len(surface.points_mm)
    assert np.allclose(points["min"], surface.points_mm.min(axis=0), atol=1e-4)
    normals = np.frombuffer(binary, "<f4", 3 * points["count"], document["bufferViews"][1]["byteOffset"])
    assert np.allclose(np.linalg.norm(normals.reshape(-1, 3), axis=1), 1.0, atol=1e-5)


def test_another_reader_reads_it(surface, tmp_path):
    reader = vtkGLTFReader()
    reader.SetFileName(str(write_surface(surface, tmp_path / "femur.glb")))
    reader.Update()
    blocks = [reader.GetOutput()]
    leaves = []
    while blocks:
        block = blocks.pop()
        if isinstance(block, vtkMultiBlockDataSet):
            blocks += [block.GetBlock(n) for n in range(block.GetNumberOfBlocks())]
        elif block is not None:
            leaves.append(block)
    assert [leaf.GetNumberOfCells() for leaf in leaves] == [len(surface.triangles)]
    low, high = surface.points_mm.min(axis=0) / 1000, surface.points_mm.max(axis=0) / 1000
    expected = (low[0], high[0], low[2], high[2], -high[1], -low[1])
    assert np.allclose(leaves[0].GetBounds(), expected, atol=1e-6)


def test_nothing_is_a_valid_file_too():
    data = glb_bytes({})
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))
    assert "meshes" not in json.loads(data[20:])


@pytest.mark.parametrize("limit_mm", [0.05, 0.5])
def test_decimation_keeps_to_its_limit(surface, limit_mm):
    found = decimated(surface, limit_mm)
    assert found.deviation_mm == deviation_mm(surface, found.surface) <= limit_mm
    assert len(found.surface.triangles) < 0.75 * len(surface.triangles)
    assert check_topology(found.surface).is_closed_manifold
    lost = abs(found.surface.volume_mm3 - surface.volume_mm3)
    assert lost < 0.5 * limit_mm * surface.area_mm2


def test_too_strict_a_limit_gives_the_surface_back(surface):
    assert decimated(surface, 1e-6).surface is surface
    with pytest.raises(InputError, match="positive"):
        decimated(surface, 0.0)


def test_simplified_for_pictures_stays_within_its_cells_and_is_turned_outward(surface):
    lighter = simplified_for_pictures(surface, 2.0)
    assert 0 < len(lighter.triangles) < 0.5 * len(surface.triangles)
    assert deviation_mm(surface, lighter) < 2.0
    assert lighter.points_mm[lighter.triangles].shape[1:] == (3, 3)
    a, b, c = (lighter.points_mm[lighter.triangles[:, n]] for n in range(3))
    volumes = np.einsum("ij,ij->i", a - surface.points_mm.mean(axis=0), np.cross(b - a, c - a))
    assert (volumes > 0).mean() > 0.97


def test_simplification_never_adds_triangles(surface):
    assert simplified_for_pictures(surface, 0.01) is surface
