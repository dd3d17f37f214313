"""Where an examination comes from on disk."""

from __future__ import annotations

from pathlib import Path

from MultiJointSegLib.errors import InputError


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
