"""The one place where the library meets the code that writes scenes for 3D Slicer, if it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib.pipeline.result import SCENE_NAME, SEGMENTATION_NAME, SceneWriter

if TYPE_CHECKING:
    from MultiJointSegLib.anatomy.catalog import Bone
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.surface.mesh import Surface


def find_scene_writer() -> SceneWriter | None:
    """The writer of scene.mrb and segmentation.seg.nrrd, or None without the packages of 3D Slicer."""
    for name in ("slicer", "MultiJointSegSlicer"):
        if importlib.util.find_spec(name) is None:
            return None
    return _write_scene


def _write_scene(
    folder: Path,
    *,
    volume: Volume,
    labels: Volume,
    bones: Sequence[Bone],
    surfaces: Mapping[str, Surface],
    measurements: Sequence[Measurement],
    name: str,
    side: str | None,
) -> None:
    scene = importlib.import_module("MultiJointSegSlicer.scene")
    scene.write_segmentation(folder / SEGMENTATION_NAME, labels, bones, side=side)
    scene.write_scene_bundle(
        folder / SCENE_NAME,
        volume=volume,
        labels=labels,
        bones=bones,
        surfaces=surfaces,
        measurements=measurements,
        name=name,
        side=side,
    )
