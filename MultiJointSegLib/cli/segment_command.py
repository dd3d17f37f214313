"""``multijointseg segment``: the main job on one examination."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.scene_output import write_scene
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.pipeline.result import REPORT_NAME, SCENE_NAME, SEGMENTATION_NAME, ExaminationResult, SceneContent
from MultiJointSegLib.pipeline.segment_examination import segment_examination


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Segment the examination and say where the result lies."""
    result = segment(arguments, terminal, arguments.input, arguments.output, overwrite=arguments.overwrite)
    return outcome_of(result)


def segment(
    arguments: argparse.Namespace, terminal: Terminal, source: str | Path, output: str | Path, *, overwrite: bool
) -> ExaminationResult:
    """Run the main job with the arguments of the command line."""
    with terminal.progress() as progress:
        return segment_examination(
            source,
            output,
            joint=arguments.joint,
            series=arguments.series,
            device=arguments.device,
            model=arguments.model,
            tta=arguments.tta,
            overwrite=overwrite,
            record_paths=arguments.record_paths,
            # The demo has no such option.
            surface_format=getattr(arguments, "format", "stl"),
            mask=getattr(arguments, "mask", None),
            progress=progress,
            # The demo has no such option: it always shows everything.
            scene_writer=_write_segmentation_only if getattr(arguments, "no_scene", False) else write_scene,
        )


def outcome_of(result: ExaminationResult, *, at: Path | None = None) -> Outcome:
    """What was found and where it lies; `at` is the result's folder if it is to be moved."""
    folder = at or result.output
    run_record = result.run
    found = [b for b in result.joint.bones if (result.labels.array == b.label).any()]
    how = (
        "as told"
        if run_record["joint_given"]
        else f"recognized with a confidence of {100 * result.detection.confidence:.0f} %"
    )
    lines = [f"{result.joint.name} ({how}): {', '.join(b.name.lower() for b in found) or 'no bone found'}"]
    warnings = run_record["warnings"]
    if isinstance(warnings, list):
        lines += [f"Warning: {warning}" for warning in warnings]
    lines.append(f"Report: {folder / REPORT_NAME}")
    if SCENE_NAME in result.files:
        lines.append(f"Scene:  {folder / SCENE_NAME}")
    lines.append(f"Time:   {float(str(run_record['total_s'])):.1f} s")
    data: dict[str, object] = {"exit_code": 0, "output": str(folder), "files": sorted(result.files), **run_record}
    return Outcome(lines, data)


def _write_segmentation_only(folder: Path, _volume: Volume, content: SceneContent) -> None:
    """Scene writer that leaves out the scene."""
    from MultiJointSegLib.pipeline.segmentation_nrrd import write_plain_segmentation

    write_plain_segmentation(folder / SEGMENTATION_NAME, content.labels, content.bones)
