"""``multijointseg revise``: surfaces, measurements and report of a corrected segmentation."""

from __future__ import annotations

import argparse

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.scene_output import write_scene
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline.result import REPORT_NAME
from MultiJointSegLib.pipeline.revise_examination import measure_again, revise_examination


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Measure the corrected segmentation; with the record of the first result, write the whole folder and report."""
    if arguments.run is not None and arguments.examination is None:
        raise InputError("--run needs --examination too: a report shows the examination.")
    if arguments.run is None and arguments.dicom_source is not None:
        raise InputError("--dicom-source needs --run and --examination too: DICOM is written with the whole result.")
    with terminal.progress() as progress:
        if arguments.run is None:
            result = measure_again(
                arguments.input,
                arguments.output,
                joint=arguments.joint,
                surfaces=arguments.surfaces,
                examination=arguments.examination,
                overwrite=arguments.overwrite,
                progress=progress,
            )
        else:
            result = revise_examination(
                arguments.examination,
                arguments.input,
                arguments.output,
                run=arguments.run,
                surfaces=arguments.surfaces,
                review=arguments.review,
                dicom_source=arguments.dicom_source,
                dicom_objects=arguments.dicom_objects,
                overwrite=arguments.overwrite,
                progress=progress,
                scene_writer=None if arguments.no_scene else write_scene,
            )
    lines = [f"{result.joint.name}: {len(result.measurements)} measurements"]
    if arguments.run is not None:
        lines.append(f"Report: {result.output / REPORT_NAME}")
    data: dict[str, object] = {
        "exit_code": 0,
        "output": str(result.output),
        "joint": result.joint.key,
        "remade": list(result.remade),
    }
    return Outcome(lines, data)
