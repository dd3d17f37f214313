"""Arguments of the commands that learn from unlabelled studies. Light: imports nothing that computes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Command = Callable[[str, str], argparse.ArgumentParser]


def add_pretraining_commands(command: Command) -> None:
    """Add ``pretrain``; `command` makes the parser of a command from its name and summary."""
    pretrain = command("pretrain", "learn from the imaging planes of unlabelled studies; run again, it goes on")
    pretrain.add_argument("config", metavar="CONFIG", help="configuration, .toml or .json; it names the studies' folders")
    pretrain.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder of the run: weights, record, report"
    )
