"""One examination with its truth and a prediction, read when needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.metrics import BoneMetrics, label_metrics
from MultiJointSegLib.evaluation.surface_distances import Definition
from MultiJointSegLib.imaging.volume import Volume

Reader = Callable[[], Volume]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is to be scored. The readers give volumes with the catalog's label values, all on one grid.

    Parameters
    ----------
    name, subject : str
        Which examination, of whom; statistics are over subjects.
    truth, prediction : callable
        Read the label maps.
    image : callable or None
        Reads the image for the pictures of the worst cases.
    bones : tuple of Bone
        The bones that are labeled in the truth; empty to score every bone that either label map holds.
    """

    name: str
    subject: str
    truth: Reader
    prediction: Reader
    image: Reader | None = None
    bones: tuple[Bone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScore:
    """Metrics of every bone of a case, by bone key."""

    method: str
    case: str
    subject: str
    bones: dict[str, BoneMetrics]


def score_case(case: Case, method: str, definition: Definition) -> CaseScore:
    """Read a case and score it.

    Raises
    ------
    InputError
        Naming the case: if a label map cannot be read, holds a value that is no bone, or the grids differ.
    """
    try:
        truth, prediction = case.truth(), case.prediction()
        for volume, kind in ((truth, "truth"), (prediction, "prediction")):
            _check_values(volume, kind)
        found = label_metrics(truth, prediction, case.bones or anatomy.all_bones(), definition=definition)
    except InputError as error:
        raise InputError(f"The case '{case.name}' of {method} cannot be scored: {error}") from error
    return CaseScore(method=method, case=case.name, subject=case.subject, bones=found)


def _check_values(volume: Volume, kind: str) -> None:
    known = {bone.label for bone in anatomy.all_bones()}
    present = np.flatnonzero(np.bincount(volume.array.ravel(), minlength=1))
    unknown = [int(value) for value in present if value and int(value) not in known]
    if unknown:
        listing = ", ".join(f"{bone.label} {bone.name.lower()}" for bone in anatomy.all_bones())
        raise InputError(
            f"the {kind} holds the label value {unknown[0]}; known are {listing}. "
            "A manifest with 'label_values' says what other values mean."
        )
