"""``multijointseg pretrain``: learn from the planes of unlabelled studies."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.stopping import stoppable
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.learning.pretext.config import read_pretrain_config
from MultiJointSegLib.learning.pretext.pretrained import WEIGHTS_FILE
from MultiJointSegLib.learning.pretext.pretraining import pretrain
from MultiJointSegLib.learning.pretext.report import write_report
from MultiJointSegLib.progress import ProgressSpan

_SHOWN_NOTES = 5
STOPPED = "Cancelled; what was learned so far is kept: the same command goes on from there."


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Pretrain, and say the errors on the studies held back and where the weights lie."""
    config = read_pretrain_config(Path(arguments.config))
    with terminal.progress() as shown, stoppable(shown, STOPPED) as progress:
        result = pretrain(config, Path(arguments.output), ProgressSpan(progress, 0.0, 0.97))
        report = write_report(result, ProgressSpan(progress, 0.97, 1.0))
    studies = result.record["studies"]
    lines = [f"Learned from {len(studies['train'])} studies, {len(studies['held_back'])} held back"]
    overall = result.record["errors"].get("all", {})
    for key, name, unit, digits in (
        ("line_mm", "Line position error", " mm", 2),
        ("line_deg", "Line angle error", " degrees", 2),
        ("location", "Location error", "", 3),
    ):
        if key in overall and overall[key]["count"]:
            found = overall[key]
            lines.append(f"{name}: mean {found['mean']:.{digits}f}{unit} ({found['count']} of {found['total']} found)")
    notes = result.record["notes"]
    lines += [f"Note: {note}" for note in notes[:_SHOWN_NOTES]]
    if len(notes) > _SHOWN_NOTES:
        lines.append(f"... and {len(notes) - _SHOWN_NOTES} more notes on the studies, all in the report")
    lines += [f"Weights: {result.folder / WEIGHTS_FILE}", f"Report:  {report}"]
    data: dict[str, object] = {
        "exit_code": 0,
        "output": str(result.folder),
        "errors": result.record["errors"],
        "studies": studies,
        "notes": result.record["notes"],
    }
    return Outcome(lines, data)
