"""Where an examination comes from on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib.errors import InputError

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume


def check_source(input_path: str | Path, *, output: str | Path | None = None) -> Path:
    """The path if something lies there that an output would not replace; costs no heavy import.

    Raises
    ------
    InputError
        If nothing lies there, or it lies inside `output`.
    """
    path = Path(input_path).expanduser()
    if not path.exists():
        raise InputError(
            f"There is no file or folder '{path}'; give a DICOM folder, a DICOM file, NIfTI, NRRD or MetaImage."
        )
    if output is not None:
        target = Path(output).expanduser().resolve()
        if target == path.resolve() or target in path.resolve().parents:
            raise InputError(f"The output '{output}' would replace the input '{path}'; choose another folder.")
    return path


def source_files(path: Path, volume: Volume) -> list[Path]:
    """The files an examination was read from: those the reader names, else the file, else all of the folder."""
    named = volume.metadata.get("source_files")
    if isinstance(named, Sequence) and not isinstance(named, str) and named:
        return [Path(str(name)) for name in named]
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
