"""The main job: the calls of the rooms in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib import anatomy
from MultiJointSegLib.inference.manifest import read_manifest
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.result import ExaminationResult, ExaminationSegmenter, SceneWriter
from MultiJointSegLib.pipeline.result_files import write_scene, write_tables_and_surfaces
from MultiJointSegLib.pipeline.run_record import input_record, peak_memory_mib, rounded, run_record
from MultiJointSegLib.pipeline.source import check_source
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.inference.segmenter import Segmenter

STAGES = {
    "Reading the examination": 4,
    "Loading the model": 6,
    "Segmenting the bones": 50,
    "Making surfaces": 14,
    "Measuring": 4,
    "Writing images and surfaces": 6,
    "Writing the scene": 6,
    "Writing the report": 10,
}
"""Stages and their share of the progress, from timed runs on two cores."""


def read_examination(input_path: str | Path, *, series: str | None = None, joint: str = "auto") -> Volume:
    """Read an examination and check that it can be worked on; see `imaging.reading` and `imaging.checks`.

    Raises
    ------
    InputError
        If there is nothing at the path, it cannot be read, or it is no usable examination of the joint.
    """
    path = check_source(input_path)
    from MultiJointSegLib.imaging.checks import check_examination
    from MultiJointSegLib.imaging.reading import read_volume

    volume = read_volume(path, series=series)
    check_examination(volume, None if joint == "auto" else joint)
    return volume


def load_segmenter(model: str | Path | None, device: str, *, tta: str | None = None) -> Segmenter:
    """Load a model bundle (the shipped one if None) on a device."""
    from MultiJointSegLib.inference.bundle import load_bundle
    from MultiJointSegLib.inference.segmenter import Segmenter

    return Segmenter(load_bundle(model), device=device, tta=tta)


def segment_examination(
    input_path: str | Path,
    output: str | Path,
    *,
    joint: str = "auto",
    series: str | None = None,
    device: str = "auto",
    model: str | Path | None = None,
    tta: str | None = None,
    overwrite: bool = False,
    record_paths: bool = False,
    progress: Progress | None = None,
    scene_writer: SceneWriter | None = None,
    segmenter: ExaminationSegmenter | None = None,
) -> ExaminationResult:
    """Segment the bones of one examination and write everything about it into a folder.

    Parameters
    ----------
    input_path
        DICOM folder, DICOM file, NIfTI, NRRD or MetaImage.
    output
        Folder to make; it appears whole, at the end, or not at all.
    joint
        "auto" to detect it, or a joint key of the catalog.
    series
        Which series of a DICOM folder; see `imaging.reading.read_volume`.
    device
        "auto", "cpu", "cuda" or "mps".
    model
        Folder of a model bundle; the shipped one if None.
    tta
        Test-time augmentation; the model's own setting if None.
    overwrite
        Replace an earlier result in `output`, after success.
    record_paths
        Also note file paths in run.json. They may name the patient, so they are left out otherwise.
    progress
        Told of every stage; may cancel.
    scene_writer
        Writes scene.mrb and segmentation.seg.nrrd. Without one the scene is left out, with a warning, and the
        segmentation is written without terminology codes.
    segmenter
        Used instead of loading `model` on `device`.

    Returns
    -------
    ExaminationResult

    Raises
    ------
    InputError
        If input, output, joint, device or model cannot be used.
    RefusalError
        If the examination shows none of the model's joints.
    CancelledError
        If `progress` says so.
    """
    clock = StageClock(progress or SilentProgress(), STAGES)
    if joint != "auto":
        anatomy.joint(joint)
    if model is not None:
        read_manifest(Path(model))
    source = check_source(input_path, output=output)
    with staged_folder(output, overwrite=overwrite, own_names=names.RESULT_NAMES) as folder:
        with clock.stage("Reading the examination"):
            volume = read_examination(source, series=series, joint=joint)
            read = input_record(source, volume, record_paths=record_paths)
        with clock.stage("Loading the model"):
            segmenter = segmenter or load_segmenter(model, device, tta=tta)
        with clock.stage("Segmenting the bones") as span:
            segmentation = segmenter.segment(volume, joint=joint, progress=span)
        bones = segmentation.joint.bones
        with clock.stage("Making surfaces") as span:
            from MultiJointSegLib.surface.extraction import bone_surfaces

            surfaces = bone_surfaces(segmentation.labels, bones, segmentation.probabilities, progress=span)
        with clock.stage("Measuring"):
            from MultiJointSegLib.morphology.measures import measure_surfaces

            measurements = measure_surfaces(surfaces, joint=segmentation.joint.key, labels=segmentation.labels)
        with clock.stage("Writing images and surfaces"):
            write_tables_and_surfaces(folder, segmentation.labels, surfaces, measurements)
        with clock.stage("Writing the scene"):
            no_scene = write_scene(folder, scene_writer, volume, segmentation, surfaces, measurements)
        warnings = [*_reader_warnings(volume), *segmentation.warnings, *no_scene]
        run = run_record(volume, segmentation, segmenter, joint_given=joint != "auto")
        run |= {"input": read, "timings_s": rounded(clock.timings_s), "warnings": warnings}
        if record_paths:
            run["output_path"] = str(Path(output).resolve())
        with clock.stage("Writing the report") as span:
            from MultiJointSegLib.report.content import ReportContent
            from MultiJointSegLib.report.page import write_report

            content = ReportContent(
                volume=volume,
                segmentation=segmentation,
                joint_given=joint != "auto",
                surfaces=surfaces,
                measurements=measurements,
                warnings=list(warnings),
                run=run,
            )
            warnings += write_report(folder / names.REPORT_NAME, content, progress=span)
        run |= {"timings_s": rounded(clock.timings_s), "peak_memory_mib": peak_memory_mib()}
        run["total_s"] = round(sum(clock.timings_s.values()), 4)
        (folder / names.RUN_NAME).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
        written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        # The last moment at which a cancel still leaves nothing behind.
        clock.finish("Done")
    target = Path(output)
    return ExaminationResult(
        output=target,
        files={path.as_posix(): target / path for path in written},
        joint=segmentation.joint,
        detection=segmentation.detection,
        volume=volume,
        labels=segmentation.labels,
        surfaces=surfaces,
        measurements=measurements,
        run=run,
    )


def _reader_warnings(volume: Volume) -> list[str]:
    found = volume.metadata.get("warnings", [])
    return [str(sentence) for sentence in found] if isinstance(found, list) else []
