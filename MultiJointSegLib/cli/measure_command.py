"""``multijointseg measure``: surfaces and measurements of a segmentation."""

from __future__ import annotations

import argparse

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.scene_output import read_slicer_segmentation
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.pipeline.measure_segmentation import measure_segmentation
from MultiJointSegLib.pipeline.result import (
    DICOM_REPORT_NAME,
    MEASURE_PICTURES_NAME,
    MEASUREMENTS_CSV_NAME,
    SURFACES_NAME,
)


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Measure, and say where the tables lie."""
    with terminal.progress() as progress:
        result = measure_segmentation(
            arguments.input,
            arguments.output,
            joint=arguments.joint,
            side=arguments.side,
            surface_format=arguments.format,
            maximum_deviation_mm=arguments.deviation,
            pictures=not arguments.no_pictures,
            pixel_error=arguments.pixel_error,
            image=arguments.image,
            dicom_source=arguments.dicom,
            overwrite=arguments.overwrite,
            progress=progress,
            reader=read_slicer_segmentation,
        )
    lines = [f"{result.joint.name}: {len(result.measurements)} measurements"]
    lines += [
        f"  {m.bone:10s} {m.name}: " + (m.reason if m.value is None else f"{m.value:.2f} {m.unit}")
        for m in result.measurements
    ]
    warnings = result.run["warnings"]
    lines += [f"Warning: {sentence}" for sentence in warnings] if isinstance(warnings, list) else []
    lines += [
        f"Measurements: {result.output / MEASUREMENTS_CSV_NAME}",
        f"Surfaces:     {result.output / SURFACES_NAME}",
    ]
    if arguments.dicom:
        lines.append(f"DICOM report: {result.output / DICOM_REPORT_NAME}")
    if (result.output / MEASURE_PICTURES_NAME).is_dir():
        lines.append(f"Pictures:     {result.output / MEASURE_PICTURES_NAME}")
    values = [{"key": m.key, "bone": m.bone, "value": m.value, "unit": m.unit} for m in result.measurements]
    return Outcome(lines, {"exit_code": 0, "output": str(result.output), "measurements": values, **result.run})
