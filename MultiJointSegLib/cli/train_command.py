"""``multijointseg train``: learn from a hospital's own examinations."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from MultiJointSegLib import anatomy
from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.stopping import stoppable
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.inference.device import choose_device
from MultiJointSegLib.inference.first_pass import coarse_bones
from MultiJointSegLib.learning.manifest_training import train_from_file
from MultiJointSegLib.learning.train_shared import RECORD_FILE
from MultiJointSegLib.progress import SilentProgress

STOPPED = "Cancelled; what was learned so far is kept: the same command goes on from there."


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Train, and say where the networks lie and how they validated; of torchrun's processes the first one does."""
    is_first = os.environ.get("RANK", "0") == "0"
    output = Path(arguments.output)
    if output.exists() and not output.is_dir():
        raise InputError(f"The output '{output}' is a file; give a folder.")
    cache = Path(arguments.cache) if arguments.cache else None
    with terminal.progress() as shown, stoppable(shown if is_first else SilentProgress(), STOPPED) as progress:
        device = choose_device(arguments.device, runtime="torch").device
        training = train_from_file(
            Path(arguments.config),
            output,
            device=device,
            cache=cache,
            first_pass=coarse_bones,
            progress=progress,
        )
    if not is_first:
        return Outcome([])
    lines = [f"Trained on {len(training.train)} examinations, validated on {len(training.validation)}."]
    runs: dict[str, object] = {}
    for done in training.runs:
        record = json.loads((done.folder / RECORD_FILE).read_text(encoding="utf-8"))
        runs[str(done.folder)] = {key: record[key] for key in ("steps", "hours", "device", "validation")}
        lines.append(f"Network: {done.folder} ({record['steps']} steps, {60 * record['hours']:.1f} min)")
        for key, values in record["validation"].get("validation_dice", {}).items():
            bones = zip(anatomy.joint(key).bones, values, strict=True)
            shown_dice = ", ".join(f"{bone.name.lower()} {dice:.3f}" for bone, dice in bones if dice is not None)
            lines.append(f"  {key}, Dice on slices of unseen subjects: {shown_dice}")
    lines.append(f"Next: multijointseg export {training.runs[0].folder} -o BUNDLE")
    return Outcome(lines, {"exit_code": 0, "output": str(output), "runs": runs})
