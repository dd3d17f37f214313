"""The one place that imports Slicer's MRML classes."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

from MultiJointSegLib.errors import MultiJointSegError


class SceneUnavailableError(MultiJointSegError, ImportError):
    """No usable Slicer package is installed, so neither scenes nor Slicer's files can be made. Exit code 1."""


_HINT = "install it with: pip install 'multijointseg[slicer]'"

try:
    # Inside 3D Slicer this is the application's own package, elsewhere that of slicer-core. Standard output belongs to
    # the command line (--json), so what the import prints goes to standard error.
    with contextlib.redirect_stdout(sys.stderr):
        import slicer
except ImportError as _error:
    _cause = "" if getattr(_error, "name", None) == "slicer" else f" ({_error})"
    raise SceneUnavailableError(f"Slicer scenes need the package slicer-core, {_HINT}.{_cause}") from _error

if not hasattr(slicer, "vtkMRMLScene"):
    raise SceneUnavailableError(
        f"The installed package 'slicer' ({getattr(slicer, '__file__', 'unknown place')}) is another one of the same "
        f"name, not that of 3D Slicer; remove it and {_HINT}."
    )

_LOADABLE_MODULES = (
    "vtkSlicerTerminologiesModuleLogic",
    "vtkSlicerSubjectHierarchyModuleLogic",
    "vtkSlicerMarkupsModuleMRML",
    "vtkSlicerMarkupsModuleLogic",
    "vtkSlicerTablesModuleLogic",
    "vtkSlicerSegmentationsModuleMRML",
    "vtkSlicerSegmentationsModuleLogic",
)


def _add_classes_of_loadable_modules() -> None:
    """Put the classes of Slicer's modules into `slicer`, as the running application does.

    The application's own Python (PythonSlicer), in which the batch runs, has them on its path only.
    """
    for name in _LOADABLE_MODULES:
        with contextlib.suppress(ImportError):
            for key, value in vars(importlib.import_module(f"{name}Python")).items():
                if isinstance(value, type) and not hasattr(slicer, key):
                    setattr(slicer, key, value)


if not hasattr(slicer, "vtkSlicerSegmentationsModuleLogic"):
    _add_classes_of_loadable_modules()
if not hasattr(slicer, "vtkSlicerSegmentationsModuleLogic"):
    raise SceneUnavailableError(
        f"The package 'slicer' ({getattr(slicer, '__file__', 'unknown place')}) lacks the classes of the module "
        "Segmentations; make scenes in the running application, or in a Python with slicer-core."
    )

Scene: TypeAlias = Any
"""vtkMRMLScene; Slicer's classes carry no Python types."""

Node: TypeAlias = Any
"""vtkMRMLNode of the class that the function's name says."""


@contextlib.contextmanager
def without_vtk_messages() -> Iterator[None]:
    """VTK's own warnings and errors stay silent inside, where ours say the same in a sentence."""
    before = slicer.vtkMRMLScene.GetGlobalWarningDisplay()
    slicer.vtkMRMLScene.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        slicer.vtkMRMLScene.SetGlobalWarningDisplay(before)


def is_in_scene(scene: Scene, node: Node | None) -> bool:
    """Whether the node is still part of the scene: users remove nodes while work is going on."""
    return node is not None and node.GetScene() is scene and bool(scene.IsNodePresent(node))


__all__ = ["Node", "Scene", "SceneUnavailableError", "is_in_scene", "slicer", "without_vtk_messages"]
