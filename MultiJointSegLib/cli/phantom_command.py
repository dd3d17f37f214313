"""``multijointseg phantom``: a synthetic examination with exact truth."""

from __future__ import annotations

import argparse
import json

from MultiJointSegLib import anatomy
from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline.make_examination import make_examination
from MultiJointSegLib.pipeline.output_folder import staged_folder

_FIXED = ("side", "age", "plane", "sequence", "spacing", "noise")
"""What a study of several planes draws from its seed."""


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Make the phantom, and say which files it consists of."""
    anatomy.joint(arguments.joint)
    if arguments.study:
        return _study(arguments, terminal)
    spacing = arguments.spacing
    sequence = arguments.sequence.strip().lower().replace("-", "_") if arguments.sequence else None
    with terminal.progress() as progress:
        progress.report(0.0, "Making the phantom")
        made = make_examination(
            arguments.output,
            joint=arguments.joint,
            seed=arguments.seed,
            side=arguments.side,
            age_years=arguments.age,
            plane=arguments.plane,
            sequence=sequence,
            spacing_mm=(spacing[0], spacing[1], spacing[2]) if spacing else None,
            noise=arguments.noise,
            overwrite=arguments.overwrite,
        )
        progress.report(1.0, "Done")
    lines = [f"{name}: {path}" for name, path in made.files.items()]
    files = {name: str(path) for name, path in made.files.items()}
    return Outcome(lines, {"exit_code": 0, "files": files, "settings": made.settings})


def _study(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """One joint in several planes, placed by its anatomy with a technologist's scatter; see `phantom_studies`."""
    from MultiJointSegLib.learning.pretext.phantom_studies import (
        LABEL_FOLDER,
        STUDY_VIEWS,
        make_phantom_study,
        write_phantom_study,
    )
    from MultiJointSegLib.learning.pretext.study_reading import STUDY_FILE

    given = [f"--{name}" for name in _FIXED if getattr(arguments, name) is not None]
    if given:
        raise InputError(f"--study draws everything but the joint from the seed; leave out {', '.join(given)}.")
    names = frozenset({LABEL_FOLDER, STUDY_FILE, *(f"{view}.nii.gz" for view in STUDY_VIEWS)})
    with (
        terminal.progress() as progress,
        staged_folder(arguments.output, overwrite=arguments.overwrite, own_names=names) as folder,
    ):
        progress.report(0.0, "Making the phantom")
        write_phantom_study(make_phantom_study(arguments.joint, arguments.seed), folder)
        content = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))
        progress.report(1.0, "Done")
    shown = {key: content[key] for key in ("joint", "side", "age_years", "growth_plates")}
    lines = [
        f"study: {arguments.output} ({', '.join(STUDY_VIEWS)}; labels in {LABEL_FOLDER})",
        f"{shown['side']} {shown['joint']}, {shown['age_years']:.1f} years, growth plates {shown['growth_plates']}",
    ]
    return Outcome(lines, {"exit_code": 0, "output": str(arguments.output), **shown})
