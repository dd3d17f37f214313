"""The one place where the library meets the code that reads and writes files of 3D Slicer."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib.pipeline.result import SCENE_NAME, SEGMENTATION_NAME, SceneContent

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume


def write_scene(folder: Path, volume: Volume, content: SceneContent) -> None:
    """Write `SEGMENTATION_NAME` and `SCENE_NAME`: the scene writer that the command line gives to the pipeline.

    Raises
    ------
    ImportError
        With a sentence, if the scene code or the packages of 3D Slicer are not installed.
    """
    try:
        scene = importlib.import_module("MultiJointSegSlicer.scene")
    except ModuleNotFoundError as error:
        raise ImportError(
            "The package MultiJointSegSlicer is not installed; install MultiJointSeg with pip and the extra 'slicer'."
        ) from error
    scene.write_segmentation(folder / SEGMENTATION_NAME, content.labels, content.bones, side=content.side)
    scene.write_scene_bundle(folder / SCENE_NAME, volume, content)


def read_slicer_segmentation(path: Path) -> Volume:
    """Label map of a ``.seg.nrrd`` whose segments are named as bones; the command line gives it to the pipeline.

    Raises
    ------
    ImportError
        If the scene code or the packages of 3D Slicer are not installed.
    InputError
        If the file cannot be read or holds no bone.
    """
    scene = importlib.import_module("MultiJointSegSlicer.scene")
    labels: Volume = scene.read_segmentation(path)
    return labels
