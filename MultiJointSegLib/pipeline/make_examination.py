"""A phantom examination on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MultiJointSegLib.pipeline.output_folder import staged_folder

PHANTOM_NAMES = frozenset({"image.nii.gz", "labels.nii.gz", "truth.json", "settings.json"})
"""All that a phantom's folder holds; see `phantom.writing.write_phantom`."""


@dataclass(frozen=True, slots=True)
class MadeExamination:
    """Files by what they are ("image", "labels", ...), and the settings that make the same phantom again."""

    files: dict[str, Path]
    settings: dict[str, object]


def make_examination(
    output: str | Path,
    *,
    joint: str,
    seed: int,
    side: str | None = None,
    age_years: float | None = None,
    plane: str | None = None,
    sequence: str | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    noise: float | None = None,
    overwrite: bool = False,
) -> MadeExamination:
    """Make a phantom and write it, whole or not at all.

    Parameters
    ----------
    output
        Folder to make.
    joint, seed, side, age_years, plane, sequence, spacing_mm, noise
        See `phantom.phantom.make_phantom`; what is None is drawn from the seed.
    overwrite
        Replace an earlier phantom in `output`, after success.

    Raises
    ------
    InputError
        If a setting or the output cannot be used.
    """
    with staged_folder(output, overwrite=overwrite, own_names=PHANTOM_NAMES) as folder:
        from MultiJointSegLib.phantom.phantom import make_phantom
        from MultiJointSegLib.phantom.writing import write_phantom

        phantom = make_phantom(
            joint,
            seed=seed,
            side=side,
            age_years=age_years,
            plane=plane,
            sequence=sequence,
            spacing_mm=spacing_mm,
            noise=noise,
        )
        files = {name: path.relative_to(folder) for name, path in write_phantom(phantom, folder).items()}
    return MadeExamination({name: Path(output) / path for name, path in files.items()}, dict(phantom.settings))
