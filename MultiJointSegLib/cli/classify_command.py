"""``multijointseg classify``: train a classifier of studies, or ask one."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.pretext.classification import classify_study, read_classifier, train_classifier
from MultiJointSegLib.learning.pretext.classification_config import read_classification_config
from MultiJointSegLib.learning.pretext.prepared import PreparedStudy, prepare_study
from MultiJointSegLib.learning.pretext.study_reading import read_study


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Train and say how well it does on studies held back; or say the class of a study."""
    return _ask(arguments, terminal) if arguments.model is not None else _train(arguments, terminal)


def _train(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    config = read_classification_config(Path(arguments.input))
    output = Path(arguments.output)
    with terminal.progress() as progress:
        record = train_classifier(config, output, progress)
    studies = record["studies"]
    lines = [
        f"Trained on {len(studies['train'])} studies; classes: {', '.join(record['classes'])}",
        f"{len(studies['held_back'])} studies held back, balanced accuracy {record['balanced_accuracy']:.3f}:",
    ]
    for true, row in record["confusion"].items():
        lines.append(f"  {true}: " + ", ".join(f"{count} called {answer}" for answer, count in row.items() if count))
    if record["not_found"]:
        lines.append(f"Note: not in the folders: {', '.join(record['not_found'])}")
    lines.append(f"Next: multijointseg classify STUDY --model {output}")
    return Outcome(lines, {"exit_code": 0, "output": str(output), **record})


def _ask(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    network, record = read_classifier(Path(arguments.model))
    data = record["config"]["data"]
    with terminal.progress() as progress:
        progress.report(0.0, "Reading the study")
        prepared = prepare_study(read_study(Path(arguments.input)), pixel_mm=data["pixel_mm"], phases=1)
        kept = tuple(s for s in prepared.series if s.channel in data["views"])
        if not kept:
            raise InputError(f"The study {prepared.name} has no series of the views {', '.join(data['views'])}.")
        study = PreparedStudy(prepared.name, prepared.joint, prepared.side, kept, prepared.notes)
        progress.report(0.5, "Looking at the slices")
        answer = classify_study(network, study, record["classes"])
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    lines = [f"{answer.study}: {answer.label}", *(f"  {label}: {value:.3f}" for label, value in ranked)]
    lines += [f"Note: {note}" for note in study.notes]
    return Outcome(
        lines,
        {
            "exit_code": 0,
            "study": answer.study,
            "label": answer.label,
            "probabilities": answer.probabilities,
            "notes": list(study.notes),
        },
    )
