"""``multijointseg compare``: what changed between two examinations of one joint."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.scene_output import read_slicer_segmentation
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.pipeline.compare_examinations import CHANGES_CSV_NAME, PAGE_NAME, compare_examinations


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Compare, and say what changed for certain and where the page lies."""
    with terminal.progress() as progress:
        result = compare_examinations(
            arguments.first,
            arguments.second,
            arguments.output,
            joint=arguments.joint,
            mirror=arguments.mirror,
            overwrite=arguments.overwrite,
            progress=progress,
            reader=read_slicer_segmentation,
        )
    certain = [c for c in result.changes if c.certain]
    lines = [f"{result.joint.name}: {len(result.changes)} measures, {len(certain)} changed by more than their error"]
    lines += [f"  {c.bone:10s} {c.name}: {c.change:+.2f} {c.unit} (± {c.error:.2f})" for c in certain]
    lines += [
        f"  {s.bone:10s} surface: median {s.median_mm:+.2f}, nine tenths from {s.low_mm:+.2f} to {s.high_mm:+.2f} mm"
        for s in result.shapes
    ]
    warnings = result.run["warnings"]
    lines += [f"Warning: {sentence}" for sentence in warnings] if isinstance(warnings, list) else []
    lines += [f"Page:  {result.output / PAGE_NAME}", f"Table: {result.output / CHANGES_CSV_NAME}"]
    data = {
        "exit_code": 0,
        "output": str(result.output),
        "changes": [asdict(c) for c in result.changes],
        "shapes": [asdict(s) for s in result.shapes],
        **result.run,
    }
    return Outcome(lines, data)
