"""Surfaces from the STL files of a result folder."""

from __future__ import annotations

from pathlib import Path

from vtkmodules.vtkIOGeometry import vtkSTLReader

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.surface.mesh import Surface, from_polydata


def read_surface(path: Path) -> Surface:
    """Read a surface that `surface.writing.write_surface` wrote as STL, LPS mm; equal corners become one point.

    Raises
    ------
    InputError
        If the file holds no surface.
    """
    reader = vtkSTLReader()
    reader.SetFileName(str(path))
    reader.MergingOn()
    reader.Update()
    if not reader.GetOutput().GetNumberOfPolys():
        raise InputError(f"{path} holds no surface; segment the volume again.")
    return from_polydata(reader.GetOutput())
