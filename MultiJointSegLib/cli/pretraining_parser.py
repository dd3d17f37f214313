"""Arguments of the commands that learn from unlabelled studies. Light: imports nothing that computes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Command = Callable[[str, str], argparse.ArgumentParser]


def add_pretraining_commands(command: Command) -> None:
    """Add ``pretrain``, ``prescribe`` and ``classify``; `command` makes a parser from a name and a summary."""
    pretrain = command("pretrain", "learn from the imaging planes of unlabelled studies; run again, it goes on")
    pretrain.add_argument(
        "config", metavar="CONFIG", help="configuration, .toml or .json; it names the studies' folders"
    )
    pretrain.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder of the run: weights, record, report"
    )

    prescribe = command("prescribe", "propose the standard planes of a study, such as a localizer, for 3D Slicer")
    prescribe.add_argument("study", metavar="STUDY", help="DICOM folder of one study, or folder of its volumes")
    prescribe.add_argument("--model", required=True, metavar="RUN", help="folder of a pretraining that learned lines")
    prescribe.add_argument("-o", "--output", required=True, metavar="FILE", help="planes as markups, ending .mrk.json")
    prescribe.add_argument("--overwrite", action="store_true", help="replace the file")

    classify = command("classify", "train a classifier of studies, or ask one about a study")
    classify.add_argument("input", metavar="INPUT", help="configuration (.toml or .json) to train from, or a study")
    either = classify.add_mutually_exclusive_group(required=True)
    either.add_argument("-o", "--output", metavar="OUT", help="train: folder for the classifier")
    either.add_argument("--model", metavar="RUN", help="ask: folder of a trained classifier")
