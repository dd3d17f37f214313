"""The files that 3D Slicer opens: a segmentation, and a scene bundle with everything."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.pipeline.result import SceneContent
from MultiJointSegLib.progress import Progress
from MultiJointSegSlicer.scene.building import build_scene
from MultiJointSegSlicer.scene.files import written_whole
from MultiJointSegSlicer.scene.headless import headless_scene
from MultiJointSegSlicer.scene.mrml import Node, slicer, without_vtk_messages
from MultiJointSegSlicer.scene.segmentations import add_segmentation_node
from MultiJointSegSlicer.scene.views import show_in_views, show_measured_surfaces

SEGMENTATION_NAME = "segmentation.seg.nrrd"
SCENE_NAME = "scene.mrb"
"""File names of `write_scene_files`, those of the library's pipeline."""


def write_segmentation(
    path: Path, labels: Volume, bones: Sequence[Bone], *, name: str = "Bones", side: str | None = None
) -> None:
    """Write a label map as Slicer's own ``.seg.nrrd``, with names, colors, terminology and the whole grid.

    Parameters
    ----------
    path
        Ends with ``.seg.nrrd``; an existing file is replaced.
    labels
        Label map (k, j, i) with global label values, LPS. The file is on the same grid (a left-handed one with the k
        order reversed) and holds the same values, so that it also serves as a plain label map.
    bones
        The bones that become segments, also those without a voxel.
    side
        "left" or "right", None where it is not known.

    Raises
    ------
    InputError
        If the label map and the bones do not fit, or the file cannot be written there.
    MultiJointSegError
        If Slicer's writer fails; its messages are in the sentence.
    """
    with headless_scene() as scene:
        write_segmentation_node(path, add_segmentation_node(scene, labels, bones, name=name, side=side))


def write_segmentation_node(path: Path, node: Node) -> None:
    """Write a segmentation node of a scene, as it is now, as ``.seg.nrrd``; the scene stays as it is.

    Raises
    ------
    InputError
        If the file cannot be written there.
    MultiJointSegError
        If Slicer's writer fails; its messages are in the sentence.
    """
    scene = node.GetScene()
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    try:
        with written_whole(path, suffix=".seg.nrrd") as partial:
            storage.SetFileName(str(partial))
            with without_vtk_messages():
                written = storage.WriteData(node)
            if not written:
                raise MultiJointSegError(f"{path} could not be written: {_messages(storage.GetUserMessages())}")
    finally:
        scene.RemoveNode(storage)


def write_scene_bundle(path: Path, volume: Volume, content: SceneContent, *, progress: Progress | None = None) -> None:
    """Write an examination and its results as one scene bundle (``.mrb``), ready to be opened in 3D Slicer.

    The slice views show the examination, the 3-D view the measured surfaces. See `building.build_scene` for the
    parameters.

    Raises
    ------
    InputError
        If the label map and the bones do not fit, or the file cannot be written there.
    MultiJointSegError
        If Slicer's writer fails; its messages are in the sentence.
    CancelledError
        If the user cancelled; nothing is written then.
    """
    with written_whole(path, suffix=".mrb") as partial, headless_scene() as scene:
        nodes = build_scene(scene, volume, content, progress=progress)
        show_in_views(scene, nodes.volume, nodes.segmentation, create=True)
        if nodes.models:
            show_measured_surfaces(nodes.segmentation, nodes.models.values())
        messages = slicer.vtkMRMLMessageCollection()
        with without_vtk_messages(), contextlib.chdir(Path.cwd()):
            written = scene.WriteToMRB(str(partial), None, messages)
        if not written:
            raise MultiJointSegError(f"{path} could not be written: {_messages(messages)}")


def write_scene_files(folder: Path, volume: Volume, content: SceneContent) -> None:
    """Write `SEGMENTATION_NAME` and `SCENE_NAME` into a folder: the scene writer of the library's pipeline."""
    labels, bones = content.labels, content.bones
    write_segmentation(folder / SEGMENTATION_NAME, labels, bones, name=content.name, side=content.side)
    write_scene_bundle(folder / SCENE_NAME, volume, content)


def _messages(collection: Any) -> str:
    texts = [collection.GetNthMessageText(n) for n in range(collection.GetNumberOfMessages())]
    return " ".join(" ".join(texts).split()) or "Slicer gave no reason; check the free space of the disk."
