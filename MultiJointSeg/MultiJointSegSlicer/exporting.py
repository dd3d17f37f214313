"""A result of the scene as files; report and DICOM are made by the child process, from the result as it is now."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MultiJointSegSlicer.acceptance import acceptance_of
from MultiJointSegSlicer.job.job import Job, Steps
from MultiJointSegSlicer.measurements_view import measurements_csv
from MultiJointSegSlicer.review import RUN_ATTRIBUTE
from MultiJointSegSlicer.strings import tr as _

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegSlicer.scene.nodes import SceneNodes

SURFACE_FORMATS = ("stl", "ply", "obj", "vtp", "glb")
ALL_BONES_NAME = "bones.glb"
"""glTF holds all bones in one file, in their colors."""

DICOM_NAMES = {"segmentation": "segmentation.dcm", "report": "measurements.dcm"}
"""Files of what the command line calls DICOM objects."""


@dataclass(frozen=True, slots=True)
class ExportChoices:
    """What to write beside segmentation, surfaces and measurements.

    Parameters
    ----------
    surface_format
        One of `SURFACE_FORMATS`; LPS mm.
    report
        report.html.
    dicom
        segmentation.dcm.
    dicom_report
        measurements.dcm, the measurements as DICOM structured report.
    """

    surface_format: str = "stl"
    report: bool = False
    dicom: bool = False
    dicom_report: bool = False

    @property
    def dicom_objects(self) -> tuple[str, ...]:
        """What is written as DICOM, as the command line names it."""
        wanted = (("segmentation", self.dicom), ("report", self.dicom_report))
        return tuple(name for name, chosen in wanted if chosen)


class Exporting:
    """Writes results into new folders, one at a time.

    Parameters
    ----------
    job
        A job of its own.
    dicom_files
        Files that a volume node was loaded from, in Slicer's DICOM database; none where it came from elsewhere.
    """

    def __init__(self, job: Job, dicom_files: Callable[[Any], Sequence[Path]]) -> None:
        self.job = job
        self._dicom_files = dicom_files

    def can_report(self, nodes: SceneNodes) -> bool:
        """Whether the scene holds what a report says beside masks and measurements."""
        return nodes.segmentation is not None and bool(nodes.segmentation.GetAttribute(RUN_ATTRIBUTE))

    def can_write_dicom(self, nodes: SceneNodes) -> bool:
        """Whether the volume came from DICOM files that are still there."""
        return self.can_report(nodes) and bool(self._dicom_files(nodes.volume))

    def export(self, nodes: SceneNodes, parent: Path, choices: ExportChoices) -> bool:
        """Start writing into a new folder in an existing one; returns whether it was started."""

        def finish(folder: Path, _data: Mapping[str, Any]) -> Steps:
            made = yield from exporting_result(nodes, parent, surface_format=choices.surface_format)
            asked = ["report.html"] if choices.report else []
            for name in (*asked, *(DICOM_NAMES[wanted] for wanted in choices.dicom_objects)):
                shutil.copyfile(folder / "result" / name, made / name)
            return _("Exported to {folder}.").format(folder=made)

        if not choices.report and not choices.dicom_objects:
            return self.job.start_steps(lambda: finish(parent, {}))
        files = self._dicom_files(nodes.volume) if choices.dicom_objects else ()
        if choices.dicom_objects and not files:
            self.job.fail(
                _(
                    "DICOM refers to the images it was made from: load the examination through Slicer's DICOM "
                    "database, and segment that volume."
                )
            )
            return False
        return self.job.start(lambda folder: _write_input(nodes, files, choices.dicom_objects, folder), finish)


def exporting_result(nodes: SceneNodes, parent: Path, *, surface_format: str = "stl") -> Generator[None, None, Path]:
    """Write segmentation, measured surfaces and measurements into a new folder, in steps; returns the folder.

    The folder is named after the volume, and has a number if there is one already. It goes if the steps are closed.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    from MultiJointSegLib.errors import InputError
    from MultiJointSegSlicer.scene.writing import write_segmentation_node

    folder = _new_folder(parent, nodes.volume.GetName())
    try:
        folder.mkdir(parents=True)
        if nodes.segmentation is not None:
            write_segmentation_node(folder / "segmentation.seg.nrrd", nodes.segmentation)
            yield
        yield from _write_surfaces(nodes, folder, surface_format)
        if nodes.table is not None:
            (folder / "measurements.csv").write_text(measurements_csv(nodes.table), encoding="utf-8")
        acceptance = None if nodes.segmentation is None else acceptance_of(nodes.segmentation)
        if acceptance is not None:
            (folder / "review.txt").write_text(acceptance.sentence() + "\n", encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"'{folder}' cannot be written ({error.strerror or error}); choose a folder that you may write to."
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _write_surfaces(nodes: SceneNodes, folder: Path, surface_format: str) -> Generator[None, None, None]:
    from MultiJointSegLib import anatomy
    from MultiJointSegLib.surface.gltf import glb_bytes
    from MultiJointSegLib.surface.writing import write_surface
    from MultiJointSegSlicer.scene.models import surface_from_node

    if surface_format == "glb":
        surfaces = {anatomy.bone(key).name: surface_from_node(model) for key, model in nodes.models.items()}
        yield
        colors = {anatomy.bone(key).name: anatomy.bone(key).color for key in nodes.models}
        (folder / ALL_BONES_NAME).write_bytes(glb_bytes(surfaces, colors))
        yield
        return
    for key, model in nodes.models.items():
        write_surface(surface_from_node(model), folder / f"{key}.{surface_format}")
        yield


def _write_input(
    nodes: SceneNodes, dicom_files: Sequence[Path], dicom_objects: Sequence[str], folder: Path
) -> list[str]:
    """Write what the child needs; returns the arguments of the command line."""
    from MultiJointSegLib.imaging.writing import write_volume
    from MultiJointSegLib.surface.writing import write_surface
    from MultiJointSegSlicer.scene.models import surface_from_node
    from MultiJointSegSlicer.scene.reading import labels_from_node
    from MultiJointSegSlicer.scene.volumes import volume_from_node

    volume = volume_from_node(nodes.volume)
    write_volume(volume, folder / "examination.nii")
    write_volume(on_grid(labels_from_node(nodes.segmentation), volume.geometry), folder / "labels.nii")
    (folder / "surfaces").mkdir()
    for key, model in nodes.models.items():
        write_surface(surface_from_node(model), folder / "surfaces" / f"{key}.ply")
    (folder / "run.json").write_text(nodes.segmentation.GetAttribute(RUN_ATTRIBUTE), encoding="utf-8")
    acceptance = acceptance_of(nodes.segmentation)
    arguments = ["revise", str(folder / "labels.nii"), "-o", str(folder / "result")]
    arguments += ["--examination", str(folder / "examination.nii"), "--run", str(folder / "run.json")]
    arguments += ["--surfaces", str(folder / "surfaces"), "--no-scene", "--progress-json"]
    arguments += ["--review", _("Not accepted by a person.") if acceptance is None else acceptance.sentence()]
    if dicom_files:
        (folder / "dicom.txt").write_text("\n".join(map(str, dicom_files)), encoding="utf-8")
        arguments += ["--dicom-source", str(folder / "dicom.txt"), "--dicom-objects", *dicom_objects]
    return arguments


def on_grid(labels: Volume, geometry: Geometry) -> Volume:
    """The part of a label map that is on a grid of the same voxels; a segment that a person drew may reach beyond.

    Raises
    ------
    InputError
        If the voxels are others.
    """
    import numpy as np

    from MultiJointSegLib.errors import InputError
    from MultiJointSegLib.imaging.volume import Volume

    if labels.geometry.same_grid(geometry):
        return labels
    index = labels.geometry.point_to_index(np.asarray(geometry.origin_mm))
    start = np.rint(index).astype(int)
    same = np.allclose(labels.geometry.spacing_mm, geometry.spacing_mm, atol=1e-3)
    if (
        not same
        or np.abs(index - start).max() > 1e-2
        or not np.allclose(labels.geometry.direction, geometry.direction, atol=1e-4)
    ):
        raise InputError(
            "The segmentation has another geometry than its volume; choose the volume as source volume in Segment "
            "Editor (Specify geometry), and export again."
        )
    array = np.zeros(geometry.array_shape, labels.array.dtype)
    into, of = [], []
    for first, size, whole in zip(start[::-1].tolist(), geometry.array_shape, labels.array.shape, strict=True):
        into.append(slice(max(-first, 0), max(min(size, whole - first), 0)))
        of.append(slice(max(first, 0), max(min(first + size, whole), 0)))
    array[tuple(into)] = labels.array[tuple(of)]
    return Volume(array, geometry, labels.modality, dict(labels.metadata))


def _new_folder(parent: Path, name: str) -> Path:
    """Path of a folder that does not exist yet."""
    base = re.sub(r"[^\w.-]+", "_", name).strip("._")[:_LONGEST_NAME] or "result"
    number = 1
    while (path := parent / (base if number == 1 else f"{base}_{number}")).exists():
        number += 1
    return path


_LONGEST_NAME = 80
"""Letters of a folder's name; file systems allow 255 bytes, some programs 260 for the whole path."""
