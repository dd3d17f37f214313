"""The second half of the main job: from bones in voxels to everything that a result folder holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.result import SceneContent, SceneWriter
from MultiJointSegLib.pipeline.result_files import write_scene, write_tables_and_surfaces
from MultiJointSegLib.pipeline.run_record import peak_memory_mib, rounded
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.report.content import side_of

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.inference.segmenter import SegmentationResult
    from MultiJointSegLib.morphology.measurement import Measurement
    from MultiJointSegLib.surface.mesh import Surface

FINISHING_STAGES = {
    "Making surfaces": 14,
    "Measuring": 4,
    "Writing images and surfaces": 6,
    "Writing the scene": 6,
    "Writing the report": 10,
}
"""Stages after the segmentation and their share of the progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedExamination:
    """What was made and written: file paths relative to the folder, and the content of run.json."""

    surfaces: Mapping[str, Surface]
    measurements: Sequence[Measurement]
    run: dict[str, object]
    files: list[Path]


def finish_examination(
    folder: Path,
    *,
    volume: Volume,
    segmentation: SegmentationResult,
    run: Mapping[str, object],
    clock: StageClock,
    scene_writer: SceneWriter | None = None,
    surfaces: Mapping[str, Surface] | None = None,
    surface_format: str = "stl",
) -> FinishedExamination:
    """Make surfaces, measure, and write all files of a result folder.

    Parameters
    ----------
    folder
        Empty folder to fill.
    volume, segmentation
        The examination and its bones.
    run
        From `run_record.run_record`, with "input"; "timings_s" of stages that another clock took are kept.
    clock
        Knows `FINISHING_STAGES`.
    scene_writer
        See `segment_examination.segment_examination`.
    surfaces
        Surfaces that exist already, by bone key; the others are made.
    surface_format
        See `result_files.write_tables_and_surfaces`.

    Raises
    ------
    CancelledError
        If the clock's progress says so.
    """
    bones = segmentation.joint.bones
    earlier = run.get("timings_s", {})
    assert isinstance(earlier, dict)
    with clock.stage("Making surfaces") as span:
        from MultiJointSegLib.report.drawings import ReportDrawings
        from MultiJointSegLib.surface.extraction import bone_surfaces

        given = dict(surfaces or {})
        missing = [bone for bone in bones if bone.key not in given]
        made = given | bone_surfaces(segmentation.labels, missing, segmentation.probabilities, progress=span)
        surfaces = {bone.key: made[bone.key] for bone in bones if bone.key in made}
        drawings = ReportDrawings(surfaces, side=side_of(volume))
    with drawings:  # drawn by other processes meanwhile
        with clock.stage("Measuring"):
            from MultiJointSegLib.morphology.label_check import side_conflict, swapped_labels
            from MultiJointSegLib.morphology.measures import measure_surfaces

            joint, side = segmentation.joint.key, side_of(volume)
            measurements = measure_surfaces(surfaces, joint=joint, labels=segmentation.labels, side=side, image=volume)
            drawings.begin_landmarks(measurements)
            doubts = [s for s in (swapped_labels(surfaces, joint), side_conflict(surfaces, joint, side)) if s]
        with clock.stage("Writing images and surfaces"):
            from MultiJointSegLib.imaging.writing import write_volume
            from MultiJointSegLib.pipeline.uncertainty_map import uncertainty_map

            write_tables_and_surfaces(folder, segmentation.labels, surfaces, measurements, surface_format)
            uncertainty = None
            if segmentation.probabilities:
                uncertainty = uncertainty_map(segmentation.labels, segmentation.probabilities)
                write_volume(uncertainty, folder / names.UNCERTAINTY_NAME)
        warnings = [*_reader_warnings(volume), *segmentation.warnings, *doubts]
        with clock.stage("Writing the scene"):
            so_far = round(sum((earlier | clock.timings_s).values()), 4)
            scene = SceneContent(
                labels=segmentation.labels,
                bones=bones,
                surfaces=surfaces,
                measurements=measurements,
                name=segmentation.joint.name,
                side=side,
                uncertainty=uncertainty,
                run={**run, "warnings": list(warnings), "total_s": so_far},
            )
            warnings += write_scene(folder, scene_writer, volume, scene)
        record = {**run, "timings_s": rounded(earlier | clock.timings_s), "warnings": warnings}
        with clock.stage("Writing the report") as span:
            from MultiJointSegLib.report.content import ReportContent
            from MultiJointSegLib.report.page import write_report

            content = ReportContent(
                volume=volume,
                segmentation=segmentation,
                joint_given=bool(run["joint_given"]),
                surfaces=surfaces,
                measurements=measurements,
                warnings=list(warnings),
                run=record,
            )
            warnings += write_report(folder / names.REPORT_NAME, content, drawings=drawings, progress=span)
    timings = earlier | clock.timings_s
    record |= {
        "timings_s": rounded(timings),
        "peak_memory_mib": peak_memory_mib(),
        "total_s": round(sum(timings.values()), 4),
    }
    (folder / names.RUN_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return FinishedExamination(surfaces=surfaces, measurements=measurements, run=record, files=written)


def _reader_warnings(volume: Volume) -> list[str]:
    found = volume.metadata.get("warnings", [])
    return [str(sentence) for sentence in found] if isinstance(found, list) else []
