"""Our results as nodes of a Slicer scene, and as the files that 3D Slicer opens.

Every function takes the scene or the nodes it works on. Only MRML classes of the `slicer` package are used, no Qt and
nothing of the running application, so the same code runs in 3D Slicer and, with the package `slicer-core`, without it.

Names are loaded when they are first used; where no Slicer package is installed, that raises
`MultiJointSegSlicer.scene.mrml.SceneUnavailableError`, which is a `MultiJointSegError` and an `ImportError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from MultiJointSegSlicer.scene.building import add_results, build_scene
    from MultiJointSegSlicer.scene.headless import headless_scene, open_scene_bundle
    from MultiJointSegSlicer.scene.nodes import SceneNodes, find_results
    from MultiJointSegSlicer.scene.reading import read_segmentation
    from MultiJointSegSlicer.scene.volumes import volume_from_node
    from MultiJointSegSlicer.scene.writing import write_scene_bundle, write_scene_files, write_segmentation

_HOME = {
    "SceneNodes": "nodes",
    "add_results": "building",
    "build_scene": "building",
    "find_results": "nodes",
    "headless_scene": "headless",
    "open_scene_bundle": "headless",
    "read_segmentation": "reading",
    "volume_from_node": "volumes",
    "write_scene_bundle": "writing",
    "write_scene_files": "writing",
    "write_segmentation": "writing",
}

__all__ = [
    "SceneNodes",
    "add_results",
    "build_scene",
    "find_results",
    "headless_scene",
    "open_scene_bundle",
    "read_segmentation",
    "unavailable_reason",
    "volume_from_node",
    "write_scene_bundle",
    "write_scene_files",
    "write_segmentation",
]


def unavailable_reason() -> str:
    """One sentence on why no scene can be made here; "" when all is well."""
    try:
        importlib.import_module("MultiJointSegSlicer.scene.mrml")
    except ImportError as error:
        return str(error)
    return ""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
