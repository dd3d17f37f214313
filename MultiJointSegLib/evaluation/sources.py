"""Cases from files: pairs of label maps, or a manifest with predictions or a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.evaluation.case import Case
from MultiJointSegLib.evaluation.pairing import image_beside, image_files, label_files, pair
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.dataset_check import read_examination, read_labels
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

if TYPE_CHECKING:
    from MultiJointSegLib.inference.segmenter import SegmentationResult

LabelReader = Callable[[Path], Volume]


class _Segmenter(Protocol):
    def segment(self, volume: Volume, *, joint: str, progress: Progress | None = None) -> SegmentationResult: ...


def cases_from_pairs(
    truth: Path, prediction: Path, *, images: Path | None = None, reader: LabelReader = read_label_map
) -> tuple[list[Case], list[str]]:
    """Cases of two label maps, or of two folders of label maps whose names say what belongs together.

    Parameters
    ----------
    truth, prediction : Path
        See `pairing.label_files` and `pairing.pair`. Every case is its own subject.
    images : Path or None
        Image or folder of images for the pictures; images beside the truth are found without it.
    reader : callable
        Reads a label map with the catalog's values.

    Returns
    -------
    list of Case
    list of str
        Sentences on files that were left out.
    """
    truths = label_files(truth)
    predictions, notes = pair(truths, label_files(prediction), prediction)
    pictures = {case: beside for case, path in truths.items() if (beside := image_beside(path))}
    if images is not None:
        shown = image_files(images)
        pictures |= dict(zip(truths, shown.values(), strict=True)) if len(shown) == len(truths) == 1 else shown
    cases = [
        Case(
            name=name,
            subject=name,
            truth=partial(reader, path),
            prediction=partial(reader, predictions[name]),
            image=partial(read_volume, pictures[name]) if name in pictures else None,
        )
        for name, path in truths.items()
    ]
    return cases, notes


def cases_from_predictions(
    examinations: Sequence[Examination], prediction: Path, *, reader: LabelReader = read_label_map
) -> tuple[list[Case], list[str]]:
    """Cases of a manifest's examinations and a folder of predictions named like them; see `cases_from_pairs`."""
    found = label_files(prediction)
    predictions, notes = pair({e.name: e.label for e in examinations}, found, prediction)
    return [_case(e, partial(reader, predictions[e.name])) for e in examinations], notes


def cases_from_model(
    examinations: Sequence[Examination], segmenter: _Segmenter, folder: Path, *, progress: Progress | None = None
) -> list[Case]:
    """Cases of a manifest's examinations and what a model makes of them.

    Parameters
    ----------
    examinations : sequence of Examination
        The joint of each is told to the model.
    segmenter : inference.segmenter.Segmenter
    folder : Path
        Made; gets one label map ``NAME.nii.gz`` per examination.
    progress : Progress, optional
        Told of each examination; may cancel.
    """
    progress = progress or SilentProgress()
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for number, examination in enumerate(examinations):
        span = ProgressSpan(progress, number / len(examinations), (number + 1) / len(examinations))
        span.report(0.0, f"Segmenting: {examination.name}")
        image, _ = read_examination(examination)
        path = folder / f"{_file_name(examination.name)}.nii.gz"
        try:
            image = _with_side(image, examination)
            result = segmenter.segment(image, joint=examination.joint, **_outline(examination, segmenter))
        except MultiJointSegError as error:
            raise type(error)(f"The examination '{examination.name}' cannot be segmented: {error}") from error
        write_volume(result.labels, path)
        cases.append(_case(examination, partial(read_label_map, path)))
    progress.report(1.0, "Segmented")
    return cases


def _with_side(image: Volume, examination: Examination) -> Volume:
    """The image with the side that the manifest states, as in training; files of most formats do not tell it."""
    if examination.side not in ("left", "right") or image.metadata.get("laterality"):
        return image
    return replace(image, metadata={**image.metadata, "laterality": examination.side[0].upper()})


def _outline(examination: Examination, segmenter: _Segmenter) -> dict[str, Any]:
    """The examination's outline of the parent organ, for a model that needs one."""
    settings = getattr(getattr(getattr(segmenter, "bundle", None), "manifest", None), "mask", None)
    if settings is None or settings.source != "organ" or examination.mask is None:
        return {}
    return {"mask": read_label_map(examination.mask)}


def _case(examination: Examination, prediction: Callable[[], Volume]) -> Case:
    return Case(
        name=examination.name,
        subject=examination.subject,
        truth=partial(read_labels, examination),
        prediction=prediction,
        image=partial(read_volume, examination.image),
        bones=examination.bones,
    )


def _file_name(name: str) -> str:
    clean = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".")
    if not clean:
        raise InputError(f"The examination's name '{name}' gives no file name; use letters and digits.")
    return clean
