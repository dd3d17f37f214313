"""Which prediction belongs to which truth."""

from __future__ import annotations

from pathlib import Path

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.manifest import nearest

_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_LABEL_FILES = ("segmentation.seg.nrrd", "labels.nii.gz")
_IMAGE_FILES = ("image.nii.gz",)
_LABEL_WORDS = ("seg", "segmentation", "label", "labels", "mask", "truth", "gt", "pred", "prediction")
_IMAGE_WORDS = ("img", "image", "0000")
_SHOWN = 3

NAMING = (
    "Files belong together when their names are equal without extension and without a last word such as _seg, _labels, "
    "_gt, _pred, _img or _0000; a sub-folder that holds labels.nii.gz or segmentation.seg.nrrd counts as one case."
)


def label_files(path: Path) -> dict[str, Path]:
    """Label maps in a folder by the name of their case; see `NAMING`. A file is one case, whatever its name.

    Raises
    ------
    InputError
        If the path does not exist, holds no label map, or two of its files have the same case.
    """
    return _files(Path(path), _LABEL_FILES, _IMAGE_WORDS, _LABEL_WORDS, "label map")


def image_files(path: Path) -> dict[str, Path]:
    """Images in a folder by the name of their case; see `label_files`."""
    return _files(Path(path), _IMAGE_FILES, _LABEL_WORDS, _IMAGE_WORDS, "image")


def image_beside(truth: Path) -> Path | None:
    """The image that lies in the same case folder as a label map, as phantoms are written; None if there is none."""
    image = truth.with_name(_IMAGE_FILES[0])
    return image if truth.name in _LABEL_FILES and image.exists() else None


def pair(truths: dict[str, Path], predictions: dict[str, Path], where: Path) -> tuple[dict[str, Path], list[str]]:
    """Prediction of every truth.

    Parameters
    ----------
    truths, predictions : dict of str to Path
        By case. One truth and one prediction belong together whatever their names.
    where : Path
        Place of the predictions, for messages.

    Returns
    -------
    dict of str to Path
        Prediction by the truth's case.
    list of str
        Sentences on predictions that have no truth; they are left out.

    Raises
    ------
    InputError
        If a truth has no prediction: leaving it out would hide a failure.
    """
    if len(truths) == len(predictions) == 1:
        return dict(zip(truths, predictions.values(), strict=True)), []
    missing = [case for case in truths if case not in predictions]
    if missing:
        raise InputError(
            f"{where} has no prediction for {_listed(missing)} of {len(truths)} cases; every case of the truth needs "
            f"one.{nearest(missing[0], predictions)} {NAMING}"
        )
    extra = [case for case in predictions if case not in truths]
    notes = [f"{where.name}: no truth for {_listed(extra)}, so not scored."] if extra else []
    return {case: predictions[case] for case in truths}, notes


def _listed(cases: list[str]) -> str:
    shown = ", ".join(f"'{case}'" for case in cases[:_SHOWN])
    return shown if len(cases) <= _SHOWN else f"{shown} and {len(cases) - _SHOWN} more"


def _files(
    path: Path, case_files: tuple[str, ...], foreign: tuple[str, ...], own: tuple[str, ...], kind: str
) -> dict[str, Path]:
    if not path.exists():
        raise InputError(f"The path {path} does not exist; check its spelling.")
    if path.is_file():
        return {_case(path.name, own): path}
    whole = _first(path, case_files)
    if whole is not None:
        return {path.name: whole}
    found: dict[str, Path] = {}
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            file, case = _first(entry, case_files), entry.name
        elif entry.name.lower().endswith(_SUFFIXES) and _last_word(entry.name) not in foreign:
            file, case = entry, _case(entry.name, own)
        else:
            continue
        if file is None:
            continue
        if case in found:
            raise InputError(f"{path} holds two files of the case '{case}': {found[case].name} and {file.name}.")
        found[case] = file
    if not found:
        raise InputError(f"{path} holds no {kind}; NIfTI, NRRD and MetaImage files are read. {NAMING}")
    return found


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _stem(name: str) -> str:
    return next((name[: -len(suffix)] for suffix in _SUFFIXES if name.lower().endswith(suffix)), name)


def _last_word(name: str) -> str:
    return _stem(name).replace("-", "_").rpartition("_")[2].lower()


def _case(name: str, own: tuple[str, ...]) -> str:
    stem = _stem(name)
    word = _last_word(name)
    if word in own and len(stem) > len(word):
        return stem[: -len(word) - 1]
    return stem
