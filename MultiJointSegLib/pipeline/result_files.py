"""The files of a result folder, written from what the rooms hand over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.result import SceneContent, SceneWriter

if TYPE_CHECKING:
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.surface.mesh import Surface


def write_tables_and_surfaces(
    folder: Path,
    labels: Volume,
    surfaces: Mapping[str, Surface],
    measurements: Sequence[Measurement],
    surface_format: str = "stl",
) -> None:
    """Write labels.nii.gz, the surfaces and the measurement tables.

    Surfaces are surfaces/<bone>.<format>; as glTF ("glb") they are all in surfaces/bones.glb, in the bones' colors.
    """
    from MultiJointSegLib.imaging.writing import write_volume
    from MultiJointSegLib.morphology.writing import write_measurements
    from MultiJointSegLib.surface.gltf import glb_bytes
    from MultiJointSegLib.surface.writing import write_surface

    write_volume(labels, folder / names.LABELS_NAME)
    (folder / names.SURFACES_NAME).mkdir()
    if surface_format == "glb":
        colors = {key: anatomy.bone(key).color for key in surfaces}
        (folder / names.SURFACES_NAME / "bones.glb").write_bytes(glb_bytes(surfaces, colors))
    else:
        for key, surface in surfaces.items():
            if len(surface.triangles):
                write_surface(surface, folder / names.SURFACES_NAME / f"{key}.{surface_format}")
    write_measurements(measurements, folder / names.MEASUREMENTS_CSV_NAME, folder / names.MEASUREMENTS_JSON_NAME)


def write_scene(folder: Path, scene_writer: SceneWriter | None, volume: Volume, content: SceneContent) -> list[str]:
    """Write scene.mrb and segmentation.seg.nrrd; without a usable writer the latter alone. Returns warnings."""
    reason = "The packages of 3D Slicer are not installed; install the extra 'slicer' to get them."
    if scene_writer is not None:
        try:
            scene_writer(folder, volume, content)
        except ImportError as error:
            reason = str(error)
        else:
            return []
    from MultiJointSegLib.pipeline.segmentation_nrrd import write_plain_segmentation

    write_plain_segmentation(folder / names.SEGMENTATION_NAME, content.labels, content.bones)
    return [f"scene.mrb was not written, and segmentation.seg.nrrd carries no terminology codes: {reason}"]
