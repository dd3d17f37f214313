"""A synthetic examination to try the module with: made on this computer, nothing is downloaded."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.job.events import Output
from MultiJointSegSlicer.job.exit_codes import sentence_of_exit

JOINT, SEED, AGE_YEARS = "knee", 7, 9
NAME = "Knee phantom"


def sample_arguments(folder: Path) -> list[str]:
    """Arguments of the command line that makes the phantom in a folder."""
    chosen = ["--joint", JOINT, "--seed", str(SEED), "--age", str(AGE_YEARS)]
    return ["phantom", "-o", str(folder / "phantom"), *chosen, "--progress-json"]


def add_sample(scene: Any, folder: Path) -> Any:
    """Add the phantom made in a folder to a scene; returns the volume node."""
    from MultiJointSegLib.imaging.reading import read_volume
    from MultiJointSegSlicer.scene.volumes import add_volume_node

    return add_volume_node(scene, read_volume(folder / "phantom" / "image.nii.gz"), name=NAME)


def make_sample(scene: Any, command: Sequence[str], environment: Mapping[str, str]) -> Any:
    """Make the phantom and wait for it, as Slicer's sample data module waits for downloads; returns the volume node.

    Raises
    ------
    RuntimeError
        With a sentence, if it could not be made.
    """
    with tempfile.TemporaryDirectory(prefix="MultiJointSeg-", ignore_cleanup_errors=True) as name:
        output = Output(Path(name) / "output.txt")
        with output.path.open("wb") as file:
            done = subprocess.run(
                [*command, *sample_arguments(Path(name))],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                check=False,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        output.read(ended=True)
        if done.returncode != 0 or output.finished is None:
            raise RuntimeError(sentence_of_exit(done.returncode, output.reason))
        return add_sample(scene, Path(name))
