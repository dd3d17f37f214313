"""``multijointseg annotate``: bones by classical algorithms, without a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.scene_output import write_scene
from MultiJointSegLib.cli.segment_command import outcome_of
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.pipeline.result import SEGMENTATION_NAME, SceneContent
from MultiJointSegLib.pipeline.segment_examination import segment_examination


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Annotate the hips of a CT and say where the result lies."""
    from MultiJointSegLib.annotation.hip_segmenter import HipSegmenter

    with terminal.progress() as progress:
        result = segment_examination(
            arguments.input,
            arguments.output,
            joint="hip",
            series=arguments.series,
            overwrite=arguments.overwrite,
            record_paths=arguments.record_paths,
            progress=progress,
            scene_writer=_write_segmentation_only if arguments.no_scene else write_scene,
            segmenter=HipSegmenter(arguments.solver),
        )
    outcome = outcome_of(result)
    record = result.run.get("annotation")
    hips = record.get("hips", {}) if isinstance(record, dict) else {}
    lines = [
        f"{side.capitalize()} head: radius {hip['head_radius_mm']:.1f} mm, quality {hip['quality']['score']:.2f}"
        for side, hip in hips.items()
    ]
    return Outcome([outcome.lines[0], *lines, *outcome.lines[1:]], outcome.data)


def _write_segmentation_only(folder: Path, _volume: Volume, content: SceneContent) -> None:
    from MultiJointSegLib.pipeline.segmentation_nrrd import write_plain_segmentation

    write_plain_segmentation(folder / SEGMENTATION_NAME, content.labels, content.bones)
