"""``multijointseg demo``: the main job on a phantom made on the spot, or on the user's own examination."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.segment_command import outcome_of, segment
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.pipeline.make_examination import make_examination
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.source import check_source

PHANTOM_JOINT = "knee"
PHANTOM_SEED = 7
PHANTOM_AGE_YEARS = 9.0

_EXAMINATION, _RESULT = "examination", "result"


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Make an examination unless one is given, segment it, and say where report and scene lie."""
    begin = time.perf_counter()
    given = check_source(arguments.input, output=arguments.output) if arguments.input else None
    output = Path(arguments.output)
    with staged_folder(output, overwrite=True, own_names=frozenset({_EXAMINATION, _RESULT})) as folder:
        source = given
        if source is None:
            terminal.note(f"Making a {PHANTOM_JOINT} phantom (seed {PHANTOM_SEED}, {PHANTOM_AGE_YEARS:.0f} years) ...")
            made = make_examination(
                folder / _EXAMINATION, joint=PHANTOM_JOINT, seed=PHANTOM_SEED, age_years=PHANTOM_AGE_YEARS
            )
            source = made.files["image"]
        result = segment(arguments, terminal, source, folder / _RESULT, overwrite=False)
    outcome = outcome_of(result, at=output / _RESULT)
    elapsed = time.perf_counter() - begin
    outcome.lines[-1] = f"Time:   {elapsed:.1f} s"
    return Outcome(outcome.lines, {**outcome.data, "output": str(output / _RESULT), "elapsed_s": round(elapsed, 3)})
