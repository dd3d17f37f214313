"""``multijointseg export``: a finished training as a model bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline.run_export import export_run


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Write the bundle, and say how to use it."""
    card = None
    if arguments.card:
        try:
            card = Path(arguments.card).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The model card '{arguments.card}' cannot be read; give a text file in UTF-8.") from error
    with terminal.progress() as progress:
        progress.report(0.0, "Writing the bundle")
        bundle = export_run(
            Path(arguments.run),
            Path(arguments.output),
            name=arguments.name,
            version=arguments.version_number,
            license=arguments.license,
            card=card,
            overwrite=arguments.overwrite,
        )
    joints = ", ".join(bundle.joints)
    lines = [
        f"Bundle: {bundle.path} ({bundle.manifest.name} {bundle.manifest.version}; {joints})",
        f"Use: multijointseg segment INPUT -o OUT --joint {bundle.joints[0]} --model {bundle.path}",
    ]
    return Outcome(lines, {"exit_code": 0, "bundle": str(bundle.path), "joints": list(bundle.joints)})
