"""``multijointseg cohort``: the main job on every examination of a folder."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.pipeline.cohort.run import COHORT_CSV_NAME, SUMMARY_HTML_NAME, run_cohort
from MultiJointSegLib.pipeline.cohort.settings import CohortSettings
from MultiJointSegLib.pipeline.cohort.state import FAILED, FINISHED, REFUSED

SCENE_WRITER = "MultiJointSegLib.cli.scene_output:write_scene"


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Run the cohort and say how many were finished and where the tables lie; exit code 1 if any failed."""
    if arguments.scheduler and arguments.engine != "dask":
        raise InputError("--scheduler goes with --engine dask; add that, or leave it out.")
    settings = CohortSettings(
        joint=arguments.joint,
        device=arguments.device,
        model=None if arguments.model is None else Path(arguments.model).resolve(),
        tta=arguments.tta,
        record_paths=arguments.record_paths,
        scene_writer=None if arguments.no_scene else SCENE_WRITER,
    )
    with terminal.progress() as progress:
        result = run_cohort(
            arguments.input,
            arguments.output,
            settings=settings,
            engine=arguments.engine,
            scheduler=arguments.scheduler,
            workers=arguments.workers,
            progress=progress,
        )
    counts = {state: result.count(state) for state in (FINISHED, REFUSED, FAILED)}
    summary = result.output / SUMMARY_HTML_NAME
    if counts[FAILED]:
        first = next(state for state in result.states if state.state == FAILED)
        raise MultiJointSegError(
            f"{counts[FAILED]} of {len(result.states)} examinations failed, the first '{first.name}': {first.sentence} "
            f"The other {counts[FINISHED]} results and all reasons: {summary}"
        )
    lines = [
        f"{len(result.states)} examinations: {counts[FINISHED]} finished, {counts[REFUSED]} refused",
        f"Kept from an earlier run: {result.skipped}",
        *(f"Left out: {sentence}" for sentence in result.left_out),
        f"Summary: {summary}",
        f"Table:   {result.output / COHORT_CSV_NAME}",
        f"Time:    {result.elapsed_s:.1f} s",
    ]
    data: dict[str, object] = {
        "exit_code": 0,
        "output": str(result.output),
        "counts": counts,
        "skipped": result.skipped,
        "left_out": result.left_out,
        "elapsed_s": round(result.elapsed_s, 2),
        "examinations": [asdict(state) for state in result.states],
    }
    return Outcome(lines, data)
