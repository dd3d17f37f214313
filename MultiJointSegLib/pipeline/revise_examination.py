"""Surfaces, measurements and report again, after a person corrected the segmentation of an examination."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.finish_examination import FINISHING_STAGES, finish_examination
from MultiJointSegLib.pipeline.measure_segmentation import examination_of, joint_of_labels, with_catalog_labels
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.result import SceneWriter
from MultiJointSegLib.pipeline.source import check_source
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.inference.segmenter import SegmentationResult
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.surface.mesh import Surface

MEASURING_STAGES = {"Reading the segmentation": 10, "Making surfaces": 70, "Measuring": 15, "Writing": 5}
REVISING_STAGES = {"Reading": 6, **FINISHING_STAGES}


@dataclass(frozen=True, slots=True)
class RevisedExamination:
    """Where the files lie, the joint, the bones whose surfaces were made anew, and the measurements."""

    output: Path
    joint: anatomy.Joint
    remade: tuple[str, ...]
    measurements: list[Measurement]


def measure_again(
    segmentation: str | Path,
    output: str | Path,
    *,
    joint: str = "auto",
    surfaces: str | Path | None = None,
    examination: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RevisedExamination:
    """Measure a corrected segmentation, making surfaces only of the bones that were corrected.

    Parameters
    ----------
    segmentation
        Label map with the catalog's values, or ``.seg.nrrd``.
    output
        Folder to make: surfaces/<bone>.ply of the bones that had none, and the measurements.
    joint
        "auto" to tell it from the bones, or a joint key.
    surfaces
        Folder of the surfaces of bones that were not corrected (<bone>.ply, .vtp or .stl, LPS mm); they are taken as
        they are, since a surface from the network's probabilities is finer than one from a mask.
    examination
        What was segmented, or the part of it around the bones: shows growth plates, which are measured only with it.
    overwrite
        Replace an earlier result in `output`, after success.
    progress
        Told of every stage; may cancel.

    Raises
    ------
    InputError
        If the segmentation, a surface, the joint, the examination or the output cannot be used.
    """
    clock = StageClock(progress or SilentProgress(), MEASURING_STAGES)
    source = check_source(segmentation, output=output)
    with staged_folder(output, overwrite=overwrite, own_names=names.RESULT_NAMES) as folder:
        with clock.stage("Reading the segmentation"):
            labels, chosen = _labels(source, joint)
            given = _given_surfaces(surfaces, chosen, labels)
            image = examination_of(examination, labels)
        with clock.stage("Making surfaces") as span:
            found = _surfaces(labels, chosen, given, span)
        with clock.stage("Measuring"):
            from MultiJointSegLib.morphology.measures import measure_surfaces

            measurements = measure_surfaces(found, joint=chosen.key, labels=labels, image=image)
        remade = tuple(key for key in found if key not in given)
        with clock.stage("Writing"):
            from MultiJointSegLib.morphology.writing import write_measurements
            from MultiJointSegLib.surface.writing import write_surface

            (folder / names.SURFACES_NAME).mkdir()
            for key in remade:
                write_surface(found[key], folder / names.SURFACES_NAME / f"{key}.ply")
            write_measurements(
                measurements, folder / names.MEASUREMENTS_CSV_NAME, folder / names.MEASUREMENTS_JSON_NAME
            )
        clock.finish("Done")
    return RevisedExamination(Path(output), chosen, remade, list(measurements))


def revise_examination(
    examination: str | Path,
    segmentation: str | Path,
    output: str | Path,
    *,
    run: str | Path,
    surfaces: str | Path | None = None,
    review: str = "",
    dicom_source: str | Path | None = None,
    dicom_objects: Sequence[str] = ("segmentation",),
    overwrite: bool = False,
    progress: Progress | None = None,
    scene_writer: SceneWriter | None = None,
) -> RevisedExamination:
    """Write the whole result folder of a corrected segmentation, with its report.

    Parameters
    ----------
    examination, segmentation
        The examination, and the corrected label map (catalog's values) on the same grid, or ``.seg.nrrd``.
    output
        Folder to make; it appears whole, at the end, or not at all.
    run
        run.json of the first result: what was detected, how sure the network was, and where it was computed.
    surfaces
        See `measure_again`.
    review
        A sentence on who accepted the segmentation; goes into run.json and the report.
    dicom_source
        Folder of the DICOM series that the examination was read from, or a text file that lists its files, one per
        line: writes what `dicom_objects` names.
    dicom_objects
        "segmentation" (segmentation.dcm, the masks), "report" (measurements.dcm, the measurements as a structured
        report), or both.
    overwrite, progress, scene_writer
        See `segment_examination.segment_examination`.

    Raises
    ------
    InputError
        If an input or the output cannot be used, or examination and segmentation are not on the same grid.
    """
    clock = StageClock(progress or SilentProgress(), REVISING_STAGES)
    sources = [check_source(path, output=output) for path in (examination, segmentation, run)]
    with staged_folder(output, overwrite=overwrite, own_names=names.RESULT_NAMES) as folder:
        with clock.stage("Reading"):
            from MultiJointSegLib.imaging.reading import read_volume

            volume = read_volume(sources[0])
            record = _run_record(sources[2])
            labels, chosen = _labels(sources[1], str(record["joint"]))
            if not labels.geometry.same_grid(volume.geometry):
                raise InputError(
                    f"The segmentation {sources[1].name} is not on the grid of {sources[0].name}; "
                    "save it with the examination as its source volume."
                )
            given = _given_surfaces(surfaces, chosen, labels)
        if review:
            record["review"] = review
        finished = finish_examination(
            folder,
            volume=volume,
            segmentation=_segmentation(labels, chosen, record),
            run=record,
            clock=clock,
            scene_writer=scene_writer,
            surfaces=given,
        )
        if dicom_source is not None:
            files = _listed(Path(dicom_source))
            if "segmentation" in dicom_objects:
                from MultiJointSegLib.imaging.dicom_segmentation import write_dicom_segmentation

                write_dicom_segmentation(folder / names.DICOM_NAME, labels, chosen.bones, files)
            if "report" in dicom_objects:
                from MultiJointSegLib.morphology.label_check import side_from_bones
                from MultiJointSegLib.report.content import side_of
                from MultiJointSegLib.report.structured_report import write_structured_report

                side = side_of(volume) or side_from_bones(finished.surfaces, chosen.key)
                path = folder / names.DICOM_REPORT_NAME
                write_structured_report(path, finished.measurements, chosen, files, side=side)
        clock.finish("Done")
    remade = tuple(key for key in finished.surfaces if key not in given)
    return RevisedExamination(Path(output), chosen, remade, list(finished.measurements))


def _listed(source: Path) -> Path | list[Path]:
    """A folder as it is; the files that a text file lists."""
    if source.is_dir():
        return source
    try:
        return [Path(line) for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source} is neither a folder nor a text file that lists DICOM files.") from error


def _labels(source: Path, joint: str) -> tuple[Volume, anatomy.Joint]:
    from MultiJointSegLib.imaging.reading import read_label_map

    labels = with_catalog_labels(read_label_map(source))
    return labels, joint_of_labels(labels, joint)


def _given_surfaces(folder: str | Path | None, joint: anatomy.Joint, labels: Volume) -> dict[str, Surface]:
    """Surfaces in a folder, of bones that the label map holds."""
    if folder is None:
        return {}
    from MultiJointSegLib.surface.reading import read_surface

    present = set(np.unique(labels.array).tolist())
    paths = {
        bone.key: path
        for bone in joint.bones
        if bone.label in present
        for path in (Path(folder) / f"{bone.key}{ending}" for ending in (".stl", ".vtp", ".ply"))
        if path.is_file()
    }
    return {key: read_surface(path) for key, path in paths.items()}


def _surfaces(
    labels: Volume, joint: anatomy.Joint, given: Mapping[str, Surface], progress: Progress
) -> dict[str, Surface]:
    from MultiJointSegLib.surface.extraction import bone_surfaces

    missing = [bone for bone in joint.bones if bone.key not in given]
    made = dict(given) | bone_surfaces(labels, missing, progress=progress)
    return {bone.key: made[bone.key] for bone in joint.bones if bone.key in made}


def _run_record(path: Path) -> dict[str, Any]:
    unusable = InputError(
        f"{path} is not the run.json of a result; give the one that was written with the segmentation."
    )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unusable from error
    needed = {"joint", "joint_given", "detection", "bone_confidence", "slice_axis", "slice_uncertainty", "device"}
    if not isinstance(record, dict) or not needed <= set(record):
        raise unusable
    return record


def _segmentation(labels: Volume, joint: anatomy.Joint, run: Mapping[str, Any]) -> SegmentationResult:
    """The first result with other masks; what the network said of its own certainty is still about its own masks."""
    from MultiJointSegLib.inference.detection import Detection
    from MultiJointSegLib.inference.device import DeviceChoice
    from MultiJointSegLib.inference.result import SegmentationResult
    from MultiJointSegLib.pipeline.input_mask_record import recorded_mask

    said, device = run["detection"], run["device"]
    return SegmentationResult(
        labels=labels,
        joint=joint,
        detection=Detection(
            said.get("joint"), float(said["confidence"]), dict(said.get("scores", {})), str(said.get("reason", ""))
        ),
        probabilities={},
        bone_confidence={bone.key: float(run["bone_confidence"].get(bone.key, 0.0)) for bone in joint.bones},
        slice_uncertainty={
            key: np.asarray(values, np.float32)
            for key, values in run["slice_uncertainty"].items()
            if key in {bone.key for bone in joint.bones}
        },
        slice_axis=int(run["slice_axis"]),
        timings_s={},
        warnings=[str(sentence) for sentence in run.get("warnings", [])],
        device=DeviceChoice(str(device["device"]), str(device["runtime"]), str(device.get("reason", ""))),
        input_mask=recorded_mask(run.get("input_mask"), labels.geometry),
    )
