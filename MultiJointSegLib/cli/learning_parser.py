"""Arguments of the commands that learn. Light: imports nothing that computes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Command = Callable[[str, str], argparse.ArgumentParser]
Output = Callable[[argparse.ArgumentParser, str], None]

EXPERIMENT_STEPS = ("schemes", "data", "report")


def add_learning_commands(command: Command, output: Output, devices: tuple[str, ...]) -> None:
    """Add ``train``, ``export`` and ``experiment``.

    Parameters
    ----------
    command : callable
        Makes the parser of a command from its name and summary.
    output : callable
        Adds ``--output`` and ``--overwrite``, given what it is.
    devices : tuple of str
        Choices of ``--device``.
    """
    train = command("train", "train a network on your own examinations; run again, it goes on")
    train.add_argument("config", metavar="CONFIG", help="configuration, .toml or .json; it names the examinations")
    train.add_argument("-o", "--output", required=True, metavar="RUN", help="folder of the training")
    train.add_argument("--device", choices=devices, default="auto", help="where to compute (default: auto)")
    train.add_argument("--cache", metavar="DIR", help="folder of the cut examinations (default: in RUN)")

    export = command("export", "make a model bundle of a finished training")
    export.add_argument("run", metavar="RUN", help="folder of the training")
    output(export, "bundle folder")
    export.add_argument("--name", help="of the model (default: the run's)")
    export.add_argument("--model-version", dest="version_number", default="0.1.0", help="default: 0.1.0")
    export.add_argument("--license", default="not stated", help="under which the weights may be used")
    export.add_argument("--card", metavar="FILE", help="model card, markdown (default: one made of the record)")

    experiment = command("experiment", "compare learning schemes on the same examinations; run again, it goes on")
    experiment.add_argument(
        "step",
        choices=EXPERIMENT_STEPS,
        help="schemes: train, test and report; data: only make the examinations; report: on what is done so far",
    )
    experiment.add_argument("config", metavar="CONFIG", help="study, .toml or .json; see Resources/Experiments")
    experiment.add_argument("-o", "--output", required=True, metavar="OUT", help="folder of the study")
    experiment.add_argument("--data", metavar="DIR", help="folder of the development data, where the study needs it")
    experiment.add_argument("--part", metavar="K/N", help="train only every N-th network from the K-th on, no report")
    experiment.add_argument(
        "--nnunet", metavar="PYTHON", help="compare with nnU-Net too: the Python of an environment that has nnunetv2"
    )
    experiment.add_argument("--device", choices=devices, default="auto", help="where to compute (default: auto)")
