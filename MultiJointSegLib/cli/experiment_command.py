"""``multijointseg experiment``: learning schemes on the same examinations."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.stopping import stoppable
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.run import JSON_NAME, REPORT_NAME, Evaluation, mean_dice
from MultiJointSegLib.evaluation.studies.nnunet import find_nnunet
from MultiJointSegLib.evaluation.studies.run import DATA, TABLE_NAME, prepare_study, report_study, run_study
from MultiJointSegLib.evaluation.studies.verdicts import verdicts
from MultiJointSegLib.inference.device import choose_device
from MultiJointSegLib.progress import Progress

STOPPED = "Cancelled; what is done is kept: the same command goes on from there."


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Do one step of a study, and say where its result lies."""
    output = Path(arguments.output)
    if output.exists() and not output.is_dir():
        raise InputError(f"The output '{output}' is a file; give a folder.")
    with terminal.progress() as shown, stoppable(shown, STOPPED) as progress:
        return _STEPS[arguments.step](arguments, output, progress)


def _schemes(arguments: argparse.Namespace, output: Path, progress: Progress) -> Outcome:
    device = choose_device(arguments.device, runtime="torch").device
    part = _part(arguments.part)
    if part[1] > 1 and arguments.nnunet is not None:
        raise InputError("--nnunet needs the time of a whole scheme; give it to the last command, without --part.")
    peer = None if arguments.nnunet is None else find_nnunet(arguments.nnunet)
    found = run_study(
        Path(arguments.config), output, data=_data(arguments), device=device, part=part, peer=peer, progress=progress
    )
    if found is None:
        line = f"Part {part[0]} of {part[1]} is trained; the same command without --part writes the report."
        return Outcome([line], {"exit_code": 0, "output": str(output)})
    return _reported(found, output)


def _reported(found: Evaluation, output: Path) -> Outcome:
    dice = mean_dice(found)
    lines = [f"{method}: mean Dice {value:.3f}" for method, value in dice.items()]
    lines += [
        f"{v.reference} against {v.method}: {v.word} ({v.gain:+.3f}, p = {v.p_corrected:.3g})"
        for v in verdicts(found.comparisons)
    ]
    lines += [f"Report: {output / REPORT_NAME}", f"Table: {output / TABLE_NAME}", f"Numbers: {output / JSON_NAME}"]
    return Outcome(lines, {"exit_code": 0, "output": str(output), "mean_dice": dice})


def _make_data(arguments: argparse.Namespace, output: Path, progress: Progress) -> Outcome:
    _, manifest, found = prepare_study(Path(arguments.config), output, _data(arguments), progress)
    lines = [f"{len(manifest.examinations)} examinations, {len(found)} conditions.", f"Manifests: {output / DATA}"]
    return Outcome(lines, {"exit_code": 0, "output": str(output / DATA), "examinations": len(manifest.examinations)})


def _report(arguments: argparse.Namespace, output: Path, progress: Progress) -> Outcome:
    found = report_study(Path(arguments.config), output, data=_data(arguments), progress=progress)
    return _reported(found, output)


def _part(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise InputError(f"--part is '{text}'; give a part and the number of parts, such as 1/2.")
    return int(number), int(count)


def _data(arguments: argparse.Namespace) -> Path | None:
    if arguments.data is None:
        return None
    folder = Path(arguments.data)
    if not folder.is_dir():
        raise InputError(f"The data folder '{folder}' does not exist; check its spelling.")
    return folder


_STEPS = {"schemes": _schemes, "data": _make_data, "report": _report}
