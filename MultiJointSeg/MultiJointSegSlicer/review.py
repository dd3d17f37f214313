"""What a result says about its own certainty; kept in the scene with the segmentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from MultiJointSegSlicer.strings import tr as _

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume

REVIEW_ATTRIBUTE = "MultiJointSeg.review"
"""Attribute of the segmentation node that holds the review as JSON."""

RUN_ATTRIBUTE = "MultiJointSeg.run"
"""Attribute of the segmentation node that holds run.json, from which a report can be made again."""

SLICE_COUNT = 12
"""Slices listed: as many as a reader looks at."""


@dataclass(frozen=True, slots=True)
class DoubtfulSlice:
    """A slice in need of a look.

    Parameters
    ----------
    bone
        Key of the bone.
    number
        Of the slice, counted from 1 along the axis along which the network saw slices.
    doubt
        0 (none) to 1.
    position_ras_mm
        Middle of the bone in the slice (of the slice, where the bone is not in it), without the volume's transform.
    """

    bone: str
    number: int
    doubt: float
    position_ras_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Review:
    """The joint, how sure the network is, and where to look first.

    Parameters
    ----------
    joint
        Key of the joint.
    joint_given
        Whether the user named it.
    joint_confidence
        0 to 1, of the detection.
    bone_confidence
        0 to 1 by bone key: the Dice coefficient that the network itself expects.
    slices
        Most doubtful first.
    warnings
        Sentences for the user.
    device, seconds
        Where and how long it was computed.
    """

    joint: str
    joint_given: bool
    joint_confidence: float
    bone_confidence: dict[str, float]
    slices: tuple[DoubtfulSlice, ...]
    warnings: tuple[str, ...]
    device: str
    seconds: float

    def to_json(self) -> str:
        """Text for a node attribute."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Review | None:
        """The review in a node attribute; None where there is none that can be read."""
        try:
            data = json.loads(text or "")
            slices = tuple(
                DoubtfulSlice(**{**each, "position_ras_mm": tuple(each["position_ras_mm"])}) for each in data["slices"]
            )
            return cls(**{**data, "slices": slices, "warnings": tuple(data["warnings"])})
        except (ValueError, TypeError, KeyError):
            return None


def keep_run(segmentation_node: Any, run: Mapping[str, Any], labels: Volume) -> None:
    """Keep run.json and the review that follows from it with the segmentation it made."""
    segmentation_node.SetAttribute(RUN_ATTRIBUTE, json.dumps(run))
    segmentation_node.SetAttribute(REVIEW_ATTRIBUTE, make_review(run, labels).to_json())


def make_review(run: Mapping[str, Any], labels: Volume) -> Review:
    """Review of a run.

    Parameters
    ----------
    run
        Content of run.json.
    labels
        Label map (k, j, i) of the result, LPS.
    """
    from MultiJointSegLib import anatomy
    from MultiJointSegLib.inference.uncertainty import slices_to_review

    axis = int(run["slice_axis"])
    doubts = {key: np.asarray(values, float) for key, values in run["slice_uncertainty"].items()}
    slices = tuple(
        DoubtfulSlice(key, index + 1, doubt, _position_ras_mm(labels, anatomy.bone(key).label, axis, index))
        for key, index, doubt in slices_to_review(doubts, count=SLICE_COUNT)
    )
    return Review(
        joint=str(run["joint"]),
        joint_given=bool(run["joint_given"]),
        joint_confidence=float(run["detection"]["confidence"]),
        bone_confidence={str(key): float(value) for key, value in run["bone_confidence"].items()},
        slices=slices,
        warnings=(*map(str, run["warnings"]), *_words_on_mask(run)),
        device=f"{run['device']['device']}, {run['device']['runtime']}",
        seconds=float(run["total_s"]),
    )


def _words_on_mask(run: Mapping[str, Any]) -> list[str]:
    """What a model that reads a mask beside the image, or alone, saw."""
    mask = run.get("input_mask")
    if not isinstance(mask, dict):
        return []
    percent = 100 * float(mask.get("share", 0.0))
    sentence = _("The model read a mask made from the examination ({source}, {percent:.0f} % of the image).")
    return [sentence.format(source=mask.get("source", "?"), percent=percent)]


def _position_ras_mm(labels: Volume, label: int, axis: int, index: int) -> tuple[float, float, float]:
    within = np.argwhere(np.take(labels.array, index, axis=axis) == label)
    others = [size for a, size in enumerate(labels.array.shape) if a != axis]
    middle = within.mean(axis=0) if len(within) else (np.asarray(others) - 1) / 2
    kji = np.insert(middle, axis, index)
    x, y, z = labels.geometry.index_to_point(kji[::-1])
    return (-float(x), -float(y), float(z))
