"""``multijointseg evaluate``: how good predictions are, against a truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.case import Case
from MultiJointSegLib.evaluation.run import CSV_NAME, JSON_NAME, REPORT_NAME, evaluate, mean_dice
from MultiJointSegLib.evaluation.sources import cases_from_model, cases_from_pairs, cases_from_predictions
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.manifest import Examination, read_dataset
from MultiJointSegLib.pipeline.measure_segmentation import with_catalog_labels
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.segment_examination import load_segmenter
from MultiJointSegLib.progress import Progress, ProgressSpan

PREDICTIONS_NAME = "predictions"
OWN_NAMES = frozenset({REPORT_NAME, CSV_NAME, JSON_NAME, PREDICTIONS_NAME})


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Score, and say the mean Dice and where the report lies."""
    _check(arguments)
    output = Path(arguments.output)
    with (
        terminal.progress() as progress,
        staged_folder(output, overwrite=arguments.overwrite, own_names=OWN_NAMES) as folder,
    ):
        methods, warnings = _methods(arguments, folder, ProgressSpan(progress, 0.0, 0.6 if arguments.model else 0.1))
        scoring = ProgressSpan(progress, 0.6 if arguments.model else 0.1, 1.0)
        found = evaluate(methods, folder, definition=arguments.definition, warnings=warnings, progress=scoring)
    dice = mean_dice(found)
    lines = [f"{method}: mean Dice {value:.3f} over {len(methods[method])} cases" for method, value in dice.items()]
    lines += [f"Warning: {warning}" for warning in found.warnings]
    lines += [f"Report: {output / REPORT_NAME}", f"Scores: {output / CSV_NAME}"]
    data: dict[str, object] = {
        "exit_code": 0,
        "output": str(output),
        "mean_dice": dice,
        "cases": {method: len(cases) for method, cases in methods.items()},
        "warnings": found.warnings,
    }
    return Outcome(lines, data)


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.truth is None) == (arguments.manifest is None):
        raise InputError("Give either --truth or --manifest: one of them says what is true.")
    if not arguments.prediction and not arguments.model:
        raise InputError("Nothing to evaluate: give --prediction, or --manifest with --model.")
    for option, needs in (("model", "manifest"), ("split", "manifest"), ("images", "truth")):
        if getattr(arguments, option) and getattr(arguments, needs) is None:
            raise InputError(f"--{option} goes with --{needs} only; give that, or leave it out.")


def _methods(
    arguments: argparse.Namespace, folder: Path, progress: Progress
) -> tuple[dict[str, list[Case]], list[str]]:
    """Cases of every method by its name, and sentences on what was left out."""
    methods: dict[str, list[Case]] = {}
    warnings: list[str] = []
    examinations: list[Examination] = []
    if arguments.manifest is not None:
        examinations = _examinations(arguments, ProgressSpan(progress, 0.0, 0.1))
    for text in arguments.prediction or []:
        name, path = _named(text)
        if examinations:
            cases, notes = cases_from_predictions(examinations, path, reader=_read_labels)
        else:
            images = None if arguments.images is None else Path(arguments.images)
            cases, notes = cases_from_pairs(Path(arguments.truth), path, images=images, reader=_read_labels)
        methods[_unused(name, methods)] = cases
        warnings += notes
    models = arguments.model or []
    for number, text in enumerate(models):
        name, path = _named(text)
        name = _unused(name, methods)
        segmenter = load_segmenter(path, arguments.device)
        span = ProgressSpan(progress, 0.1 + 0.9 * number / len(models), 0.1 + 0.9 * (number + 1) / len(models))
        place = folder / PREDICTIONS_NAME / f"{number + 1}"
        methods[name] = cases_from_model(examinations, segmenter, place, progress=span)
    return methods, warnings


def _examinations(arguments: argparse.Namespace, progress: Progress) -> list[Examination]:
    manifest = read_dataset(Path(arguments.manifest), progress=progress)
    chosen = manifest.select(split=arguments.split)
    if not chosen:
        raise InputError(f"{manifest.path.name} lists no examination in the split '{arguments.split}'.")
    return list(chosen)


def _read_labels(path: Path) -> Volume:
    return with_catalog_labels(read_label_map(path))


def _named(text: str) -> tuple[str, Path]:
    """Name and path of "NAME=PATH", or of a path, which is named after itself."""
    name, mark, path = text.partition("=")
    if mark and name and path and not Path(text).exists():
        return name, Path(path)
    given = Path(text)
    return (given.resolve().name.split(".")[0] or str(given)), given


def _unused(name: str, taken: dict[str, list[Case]]) -> str:
    number, unused = 2, name
    while unused in taken:
        unused, number = f"{name} ({number})", number + 1
    return unused
