"""Arguments of the commands that refine labels. Light: imports nothing that computes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Command = Callable[[str, str], argparse.ArgumentParser]

REVIEW_ACTIONS = ("status", "next", "accept", "correct", "reject", "skip", "return", "agreement")


def add_refining_commands(command: Command, devices: tuple[str, ...]) -> None:
    """Add ``refine`` and ``review``.

    Parameters
    ----------
    command : callable
        Makes the parser of a command from its name and summary.
    devices : tuple of str
        Choices of ``--device``.
    """
    refine = command("refine", "find the labels most in need of a person; run again after the review")
    refine.add_argument("config", metavar="CONFIG", help="configuration, .toml or .json, with [refine] and [learning]")
    refine.add_argument("-o", "--output", required=True, metavar="WORK", help="folder of the refinement; it is kept")
    refine.add_argument("--device", choices=devices, default="auto", help="where to compute (default: auto)")
    refine.add_argument("--anyway", action="store_true", help="begin a new round though cases still wait")

    review = command("review", "take, accept, correct or reject the cases that 'refine' asks for")
    review.add_argument("work", metavar="WORK", help="folder of the refinement")
    review.add_argument("action", choices=REVIEW_ACTIONS, help="what to do")
    review.add_argument("--reader", help="your name or initials, for the history")
    review.add_argument("--case", help="name of the case that you have open; with 'next': open this one, also again")
    review.add_argument("--labels", metavar="FILE", help="corrected label map, with 'correct'")
    review.add_argument("--note", default="", help="for the history")
    review.add_argument("--version", type=int, default=0, help="version that you saw, with 'accept' and the others")
    review.add_argument(
        "--second",
        action="store_true",
        help="a second reading: 'next' gives a case that another reader decided on, as it was proposed; the first "
        "decision still counts",
    )
    review.add_argument(
        "--into", metavar="FOLDER", help="with 'next': write image.nii and labels.nii there, with your draft if any"
    )
