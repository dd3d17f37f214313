"""``multijointseg refine``: judge labels by networks that never saw them, and say which a person should look at."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path

import torch

from MultiJointSegLib.annotation.refinement.config import read_refine_config
from MultiJointSegLib.annotation.refinement.project import Project
from MultiJointSegLib.annotation.refinement.rounds import LEAST_AGREEMENT, run_round
from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.stopping import stoppable
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.inference.device import choose_device

STOPPED = "Cancelled; trainings that ended are kept: the same command goes on from there."


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Run a round and show its queue."""
    output = Path(arguments.output)
    if output.exists() and not output.is_dir():
        raise InputError(f"The output '{output}' is a file; give a folder.")
    config = read_refine_config(Path(arguments.config))
    with terminal.progress() as shown, stoppable(shown, STOPPED) as progress:
        device = torch.device(choose_device(arguments.device, runtime="torch").device)
        result = run_round(Project(output), config, device, progress, anyway=arguments.anyway)
    data: dict[str, object] = {"exit_code": 0, "output": str(output), "round": result.number, "stopped": result.stopped}
    if result.stopped:
        return Outcome([f"No more cases are asked for: {result.stopped}"], data)
    lines = [f"Round {result.number}: {len(result.queue.entries)} cases to look at, worst first."]
    for entry in result.queue.entries:
        worst = max(entry.bones, key=lambda key: entry.bones[key], default="")
        said = f", most of it in the {worst.replace('_', ' ')}" if worst else ""
        lines.append(f"  {entry.case}: disagreement {entry.disagreement:.3f}{said}")
    warnings = []
    if result.agreement < LEAST_AGREEMENT:
        warnings.append(
            f"The networks agree with half of the labels by a Dice of {result.agreement:.2f} or less: they have "
            "learned too little, so this order means little and nothing was proposed again. Train longer "
            "(learning.training.steps)."
        )
        lines.insert(0, f"Warning: {warnings[0]}")
    lines.append(f"Next: {shlex.join(('multijointseg', 'review', str(output), 'next'))} --reader YOU")
    data |= {"agreement": round(result.agreement, 4), "warnings": warnings}
    return Outcome(lines, {**data, "queue": [asdict(entry) for entry in result.queue.entries]})
