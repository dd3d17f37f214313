"""``multijointseg phantom``: a synthetic examination with exact truth."""

from __future__ import annotations

import argparse

from MultiJointSegLib import anatomy
from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.pipeline.make_examination import make_examination


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Make the phantom, and say which files it consists of."""
    anatomy.joint(arguments.joint)
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
