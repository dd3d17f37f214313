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
from MultiJointSegLib.pipeline.result import ExaminationResult
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
    agreement: dict[str, float] = {}
    with staged_folder(output, overwrite=True, own_names=frozenset({_EXAMINATION, _RESULT})) as folder:
        if given is not None:
            result = segment(arguments, terminal, given, folder / _RESULT, overwrite=False)
        else:
            terminal.note(f"Making a {PHANTOM_JOINT} phantom (seed {PHANTOM_SEED}, {PHANTOM_AGE_YEARS:.0f} years) ...")
            made = make_examination(
                folder / _EXAMINATION, joint=PHANTOM_JOINT, seed=PHANTOM_SEED, age_years=PHANTOM_AGE_YEARS
            )
            result = segment(arguments, terminal, made.files["image"], folder / _RESULT, overwrite=False)
            agreement = _dice(result, made.files["labels"])
    outcome = outcome_of(result, at=output / _RESULT)
    elapsed = time.perf_counter() - begin
    lines = [*outcome.lines[:-1], f"Time:   {elapsed:.1f} s"]
    if agreement:
        text = ", ".join(f"{name} {value:.3f}" for name, value in agreement.items())
        lines.insert(1, f"Agreement with the phantom's truth (Dice): {text}")
    data = {**outcome.data, "output": str(output / _RESULT), "elapsed_s": round(elapsed, 3)}
    return Outcome(lines, {**data, "dice": agreement} if agreement else data)


def _dice(result: ExaminationResult, truth_path: Path) -> dict[str, float]:
    """Dice coefficient of each bone that the truth or the result holds, 2 |A and B| / (|A| + |B|)."""
    from MultiJointSegLib.imaging.reading import read_label_map

    truth, found = read_label_map(truth_path).array, result.labels.array
    agreement = {}
    for bone in result.joint.bones:
        wanted, got = truth == bone.label, found == bone.label
        if total := int(wanted.sum()) + int(got.sum()):
            agreement[bone.key] = round(2 * int((wanted & got).sum()) / total, 4)
    return agreement
