"""A scene of its own, outside the application, with what Slicer's nodes and files need around them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from MultiJointSegLib.errors import InputError
from MultiJointSegSlicer.scene.mrml import Scene, slicer, without_vtk_messages

SCENE_VERSION = "Slicer 5.12.0 1"
"""Version that scene files state: the oldest Slicer we serve. Without the application's name and a revision, Slicer
warns its users that the scene may not load correctly."""

_LOGICS = ("vtkSlicerSegmentationsModuleLogic", "vtkSlicerMarkupsLogic")
"""Module logics that register node classes and conversion rules with the scene."""


@contextlib.contextmanager
def headless_scene() -> Iterator[Scene]:
    """Context of a new, empty vtkMRMLScene that can hold, write and read all that we make; emptied at the end.

    Nodes must not be used after the context. Inside 3D Slicer, `slicer.mrmlScene` is the user's scene and this is a
    private one beside it.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="MultiJointSeg-", ignore_cleanup_errors=True)
    except OSError as error:
        raise InputError(
            f"The folder for temporary files, '{tempfile.gettempdir()}', cannot be written ({error.strerror}); "
            "free some space there or name another folder in the environment variable TMPDIR."
        ) from error
    with folder as cache:
        scene = slicer.vtkMRMLScene()
        scene.SetVersion(SCENE_VERSION)
        application = slicer.vtkMRMLApplicationLogic()
        application.SetMRMLScene(scene)
        logics = [_start_logic(name, scene, application) for name in _LOGICS]
        # Bundles need a cache folder, and abort the process without these managers.
        remote = slicer.vtkMRMLRemoteIOLogic()
        remote.SetMRMLScene(scene)
        remote.GetCacheManager().SetRemoteCacheDirectory(cache)
        data_logic = slicer.vtkDataIOManagerLogic()
        data_logic.SetMRMLApplicationLogic(application)
        data_logic.SetAndObserveDataIOManager(remote.GetDataIOManager())
        remote.AddDataIOToScene()
        try:
            yield scene
        finally:
            # In this order, so that nothing holds the scene when the interpreter ends.
            scene.Clear(True)
            remote.RemoveDataIOFromScene()
            data_logic.SetAndObserveDataIOManager(None)
            # The segmentation logic asks for the tree of the scene it has just been told to leave, and warns.
            with without_vtk_messages():
                for logic in (*logics, data_logic, remote, application):
                    logic.SetMRMLScene(None)


@contextlib.contextmanager
def open_scene_bundle(path: Path) -> Iterator[Scene]:
    """Context of a scene that holds the content of a scene bundle (.mrb).

    Raises
    ------
    InputError
        If the file does not exist or cannot be read as a bundle.
    """
    path = path.absolute()
    if not path.is_file():
        raise InputError(f"There is no file {path}; give the path of a scene bundle (.mrb).")
    with headless_scene() as scene:
        # Slicer unpacks in a working directory of its own, and stays there when it fails.
        with without_vtk_messages(), contextlib.chdir(Path.cwd()):
            loaded = scene.ReadFromMRB(str(path))
        if not loaded:
            raise InputError(f"{path} could not be read as a scene bundle (.mrb); it may be damaged. Write it again.")
        yield scene


def _start_logic(class_name: str, scene: Scene, application: Any) -> Any:
    logic = getattr(slicer, class_name)()
    logic.SetMRMLApplicationLogic(application)
    logic.SetMRMLScene(scene)
    return logic
