"""A result of the scene as files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegSlicer.measurements_view import measurements_csv

if TYPE_CHECKING:
    from MultiJointSegSlicer.scene.nodes import SceneNodes

SURFACE_FORMATS = ("stl", "ply", "obj", "vtp")


def export_result(nodes: SceneNodes, parent: Path, *, surface_format: str = "stl") -> Path:
    """Write segmentation, measured surfaces and measurements into a new folder.

    Parameters
    ----------
    nodes
        From `scene.find_results`.
    parent
        An existing folder; the result gets a folder of its own in it, named after the volume.
    surface_format
        One of `SURFACE_FORMATS`; LPS mm.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    from MultiJointSegLib.errors import InputError
    from MultiJointSegLib.surface.writing import write_surface
    from MultiJointSegSlicer.scene.models import surface_from_node
    from MultiJointSegSlicer.scene.writing import write_segmentation_node

    folder = _new_folder(parent, nodes.volume.GetName())
    try:
        folder.mkdir(parents=True)
        if nodes.segmentation is not None:
            write_segmentation_node(folder / "segmentation.seg.nrrd", nodes.segmentation)
        for key, model in nodes.models.items():
            write_surface(surface_from_node(model), folder / f"{key}.{surface_format}")
        if nodes.table is not None:
            (folder / "measurements.csv").write_text(measurements_csv(nodes.table), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"'{folder}' cannot be written ({error.strerror or error}); choose a folder that you may write to."
        ) from error
    return folder


def _new_folder(parent: Path, name: str) -> Path:
    """Path of a folder that does not exist yet."""
    base = re.sub(r"[^\w.-]+", "_", name).strip("._") or "result"
    number = 1
    while (path := parent / (base if number == 1 else f"{base}_{number}")).exists():
        number += 1
    return path
