"""Surfaces to files that other programs read: STL, PLY, OBJ, VTP, glTF. Positions are always LPS millimeters."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkStringArray
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.gltf import glb_bytes
from MultiJointSegLib.surface.mesh import Surface, to_polydata

SPACE_STATEMENT = "SPACE=LPS UNIT=mm MultiJointSeg"


def _stl(surface: Surface, path: Path) -> None:
    normals = surface.area_vectors_mm2()
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    triangles = np.zeros(len(surface.triangles), record)
    triangles["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    triangles["corners"] = surface.points_mm[surface.triangles]
    # A binary STL must not begin with the word "solid", by which readers know the text form.
    header = SPACE_STATEMENT.encode("ascii").ljust(80)
    path.write_bytes(header + np.uint32(len(triangles)).astype("<u4").tobytes() + triangles.tobytes())


def _ply(surface: Surface, path: Path) -> None:
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"comment {SPACE_STATEMENT}\n"
        f"element vertex {len(surface.points_mm)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(surface.triangles)}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    faces = np.zeros(len(surface.triangles), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    faces["count"] = 3
    faces["corners"] = surface.triangles
    path.write_bytes(header.encode("ascii") + surface.points_mm.astype("<f4").tobytes() + faces.tobytes())


def _obj(surface: Surface, path: Path) -> None:
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"# {SPACE_STATEMENT}\n")
        np.savetxt(file, surface.points_mm, fmt="v %.5f %.5f %.5f")
        np.savetxt(file, surface.triangles + 1, fmt="f %d %d %d")


def _vtp(surface: Surface, path: Path, point_values: Mapping[str, np.ndarray] | None = None) -> None:
    polydata = to_polydata(surface)
    for name, values in (point_values or {}).items():
        array = numpy_to_vtk(np.ascontiguousarray(values, np.float32), deep=True)
        array.SetName(name)
        polydata.GetPointData().AddArray(array)
    if point_values:
        polydata.GetPointData().SetActiveScalars(next(iter(point_values)))
    for name, value in (("SPACE", "LPS"), ("UNIT", "mm")):
        text = vtkStringArray()
        text.SetName(name)
        text.InsertNextValue(value)
        polydata.GetFieldData().AddArray(text)
    writer = vtkXMLPolyDataWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(polydata)
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    if not writer.Write():
        raise OSError(f"VTK could not write {path}")


def _glb(surface: Surface, path: Path) -> None:
    # The name within the file is that of the file, which here is temporary: ".femur-x1y2" of femur.glb.
    name = path.stem.removeprefix(".").rsplit("-", 1)[0]
    path.write_bytes(glb_bytes({name: surface}))


_WRITERS: dict[str, Callable[[Surface, Path], None]] = {
    ".stl": _stl,
    ".ply": _ply,
    ".obj": _obj,
    ".vtp": _vtp,
    ".glb": _glb,
}

SURFACE_FORMATS = tuple(ending.removeprefix(".") for ending in _WRITERS)
"""What `write_surface` can write."""


def write_surface(surface: Surface, path: Path, point_values: Mapping[str, np.ndarray] | None = None) -> Path:
    """Write a surface; the format follows the name: .stl and .ply (binary), .obj (text), .vtp (XML), .glb (glTF).

    Every format states "LPS" and "mm" in its header, comment or field data; in glTF, which is in meters by definition,
    a node above the surface turns and scales it. STL, PLY and glTF hold single precision (better than 0.0001 mm within
    1 m of the origin). The file is complete or not there.

    Parameters
    ----------
    surface : Surface
        LPS mm.
    path : Path
        Its folder must exist.
    point_values : mapping of str to float ndarray of shape (n,), optional
        Named values at the points; only .vtp can hold them.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the name ends in none of the known ways, or the file cannot be written.
    """
    path = Path(path)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(
            f"Surfaces are written as {', '.join(_WRITERS)}, not '{path.suffix}'. Choose one of these endings."
        )
    if point_values and path.suffix.lower() != ".vtp":
        raise InputError(f"Values at points are written as .vtp, not '{path.suffix}'. Choose that ending.")
    try:
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem}-", dir=path.parent)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Check that the folder exists and may be written to."
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        if point_values:
            _vtp(surface, temporary, point_values)
        else:
            write(surface, temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error}. Check the free space and the permissions.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
