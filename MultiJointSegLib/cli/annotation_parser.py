"""Arguments of ``annotate``. Light: imports nothing that computes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Command = Callable[[str, str], argparse.ArgumentParser]


def add_annotate_command(command: Command, output: Callable[[argparse.ArgumentParser, str], None]) -> None:
    """Add ``annotate``.

    Parameters
    ----------
    command : callable
        Makes the parser of a command from its name and summary.
    output : callable
        Adds ``--output`` and ``--overwrite``.
    """
    annotate = command("annotate", "label bones without a trained model, and measure them")
    annotate.add_argument("joint", choices=("hip",), help="which joint: hip, from CT")
    annotate.add_argument("input", metavar="INPUT", help="DICOM folder, DICOM file, NIfTI, NRRD or MetaImage")
    output(annotate, "folder for the result")
    annotate.add_argument("--series", help="which series of a DICOM folder: its number or UID, as an error lists them")
    annotate.add_argument(
        "--solver",
        choices=("auto", "exact", "continuous"),
        default="auto",
        help="graph cut: exact, continuous, or by the size of the problem (default: auto)",
    )
    annotate.add_argument(
        "--record-paths", action="store_true", help="note file paths in run.json, which may name the patient"
    )
    annotate.add_argument("--no-scene", action="store_true", help="leave out scene.mrb, for a program that has a scene")
