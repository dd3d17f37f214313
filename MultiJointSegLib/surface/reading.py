"""Surfaces from the files that `writing.write_surface` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vtkmodules.vtkIOGeometry import vtkSTLReader
from vtkmodules.vtkIOPLY import vtkPLYReader
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.mesh import Surface, from_polydata

_READERS: dict[str, Any] = {".stl": vtkSTLReader, ".ply": vtkPLYReader, ".vtp": vtkXMLPolyDataReader}


def read_surface(path: Path) -> Surface:
    """Read a surface (LPS mm) that was written as .stl, .ply or .vtp.

    In an STL, equal corners become one point again. PLY holds the points and triangles as they were, in single
    precision, and is by far the fastest to write and read; VTP holds them in full precision.

    Raises
    ------
    InputError
        If the name ends otherwise, or the file is missing or holds no surface.
    """
    make_reader = _READERS.get(path.suffix.lower())
    if make_reader is None:
        raise InputError(f"Surfaces are read from {', '.join(_READERS)}, not '{path.suffix}'.")
    if not path.is_file():
        raise InputError(f"There is no file {path}; give the path of a surface.")
    reader = make_reader()
    reader.SetFileName(str(path))
    if isinstance(reader, vtkSTLReader):
        reader.MergingOn()
    reader.Update()
    if not reader.GetOutput().GetNumberOfPolys():
        raise InputError(f"{path} holds no surface; make it again.")
    return from_polydata(reader.GetOutput())
