"""Metrics of one bone, with their definitions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects

from MultiJointSegLib.anatomy.catalog import Bone
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.surface_distances import Definition, surface_distances
from MultiJointSegLib.imaging.volume import Volume

Box = tuple[slice, slice, slice]

NOT_THERE = "in neither"
MISSED = "missed"
INVENTED = "not in the truth"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What a metric is, and how to print it."""

    key: str
    name: str
    unit: str
    decimals: int
    higher_is_better: bool | None
    definition: str


METRICS: dict[str, MetricDefinition] = {
    m.key: m
    for m in (
        MetricDefinition(
            "dice", "Dice", "", 3, True, "2 |T ∩ P| / (|T| + |P|) of the voxels of truth T and prediction P."
        ),
        MetricDefinition(
            "sensitivity", "Sensitivity", "", 3, True, "|T ∩ P| / |T|: the share of the bone that was found."
        ),
        MetricDefinition(
            "specificity",
            "Specificity",
            "",
            4,
            True,
            "Share of the voxels outside T that are outside P too; it depends on how much of the image is background.",
        ),
        MetricDefinition(
            "mssd_mm",
            "MSSD",
            "mm",
            2,
            False,
            "Maximum symmetric surface distance (Hausdorff distance): the largest distance from an element of either "
            "surface to the nearest of the other.",
        ),
        MetricDefinition(
            "hd95_mm",
            "HD95",
            "mm",
            2,
            False,
            "95th percentile of the distances from truth to prediction, and of those from prediction to truth: the "
            "larger of the two.",
        ),
        MetricDefinition(
            "assd_mm",
            "ASSD",
            "mm",
            2,
            False,
            "Average symmetric surface distance: the mean distance over the elements of both surfaces together.",
        ),
        MetricDefinition(
            "ravd_percent",
            "RAVD",
            "%",
            1,
            None,
            "Relative volume difference 100 (|P| - |T|) / |T|, with its sign in the table of every bone; means and "
            "comparisons are of its absolute value.",
        ),
    )
}
"""The metrics in the order of tables."""

EMPTY_RULES = (
    "A bone that is in the truth but was not predicted has Dice 0, sensitivity 0, RAVD -100 %; one predicted but "
    "not in the truth has Dice 0, and sensitivity and RAVD are undefined. In both cases the distances are set to the "
    "diagonal of the image, the largest distance there can be, so that a failure counts and is never left out of a "
    "mean. A bone in neither is not scored."
)


@dataclass(frozen=True, slots=True)
class BoneMetrics:
    """How well one bone was segmented; NaN where a metric is undefined.

    Parameters
    ----------
    dice, sensitivity, specificity : float
        0 to 1.
    mssd_mm, hd95_mm, assd_mm : float
        Surface distances.
    ravd_percent : float
        Signed relative volume difference.
    truth_ml, prediction_ml : float
        Volumes.
    remark : str
        "" or one of `NOT_THERE`, `MISSED`, `INVENTED`; see `EMPTY_RULES`.
    """

    dice: float
    sensitivity: float
    specificity: float
    mssd_mm: float
    hd95_mm: float
    assd_mm: float
    ravd_percent: float
    truth_ml: float
    prediction_ml: float
    remark: str = ""

    def value(self, key: str) -> float:
        """Value of a metric for means and comparisons: the absolute one for RAVD."""
        number = float(getattr(self, key))
        return abs(number) if key == "ravd_percent" else number


def mask_metrics(
    truth: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    definition: Definition = "border",
) -> BoneMetrics:
    """Metrics of one mask.

    Parameters
    ----------
    truth, prediction : bool ndarray of shape (k, j, i)
        The whole image: specificity and the distances of a missed bone depend on it.
    spacing_mm : tuple of 3 float
        Voxel spacing along (i, j, k), as `Volume.spacing_mm`.
    definition : "border" or "surfel"
        What a surface is; see `surface_distances.DEFINITIONS`.

    Raises
    ------
    InputError
        If the shapes differ or are not bool.

    Examples
    --------
    >>> truth = np.zeros((10, 10, 10), bool); truth[2:6, 2:6, 2:6] = True
    >>> moved = np.roll(truth, 1, axis=2)
    >>> found = mask_metrics(truth, moved, (2.0, 1.0, 1.0))
    >>> found.dice, found.mssd_mm
    (0.75, 2.0)
    """
    if truth.dtype != bool or prediction.dtype != bool:
        raise InputError(f"The masks are {truth.dtype} and {prediction.dtype}; bool is needed.")
    if truth.shape != prediction.shape:
        raise InputError(f"Truth has shape {truth.shape} and prediction {prediction.shape}; they have to be the same.")
    box = _union([find_objects(mask.view(np.uint8), 1)[0] for mask in (truth, prediction)])
    return _metrics(truth[box], prediction[box], truth.shape, spacing_mm, definition)


def label_metrics(
    truth: Volume, prediction: Volume, bones: Iterable[Bone], *, definition: Definition = "border"
) -> dict[str, BoneMetrics]:
    """Metrics of every bone of a label map.

    Parameters
    ----------
    truth, prediction : Volume
        Label maps with the catalog's values, on the same grid.
    bones : iterable of Bone
        Which bones are scored. One that is in neither label map is left out.
    definition : "border" or "surfel"
        See `surface_distances.DEFINITIONS`.

    Returns
    -------
    dict of str to BoneMetrics
        By bone key, in the order given.

    Raises
    ------
    InputError
        If the grids differ.
    """
    if not truth.geometry.same_grid(prediction.geometry):
        raise InputError(
            f"Truth ({_grid_text(truth)}) and prediction ({_grid_text(prediction)}) lie on different grids; "
            "resample the prediction to the grid of the truth."
        )
    boxes = [find_objects(v.array) for v in (truth, prediction)]
    scored = {}
    for bone in bones:
        found = [b[bone.label - 1] if bone.label <= len(b) else None for b in boxes]
        if any(found):
            box = _union(found)
            scored[bone.key] = _metrics(
                truth.array[box] == bone.label,
                prediction.array[box] == bone.label,
                truth.array.shape,
                truth.spacing_mm,
                definition,
            )
    return scored


def _union(boxes: Iterable[Box | None]) -> Box:
    """Smallest box that holds all boxes; an empty one if there is none."""
    present = [box for box in boxes if box is not None]
    if not present:
        return slice(0, 0), slice(0, 0), slice(0, 0)
    first, *others = (
        slice(min(s.start for s in sides), max(s.stop for s in sides)) for sides in zip(*present, strict=True)
    )
    return first, others[0], others[1]


def _metrics(
    truth: np.ndarray,
    prediction: np.ndarray,
    image_shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    definition: Definition,
) -> BoneMetrics:
    """Metrics of two masks that are cropped to a box that holds both."""
    steps_mm = (spacing_mm[2], spacing_mm[1], spacing_mm[0])
    in_truth, in_prediction = int(np.count_nonzero(truth)), int(np.count_nonzero(prediction))
    both = int(np.count_nonzero(truth & prediction))
    outside = math.prod(image_shape) - in_truth
    undefined = math.nan
    if in_truth and in_prediction:
        found = surface_distances(truth, prediction, steps_mm, definition)
        distances = found.maximum_mm, found.percentile_mm(95), found.average_mm
        remark = ""
    elif in_truth or in_prediction:
        distances = (math.hypot(*(n * step for n, step in zip(image_shape, steps_mm, strict=True))),) * 3
        remark = MISSED if in_truth else INVENTED
    else:
        distances = (undefined,) * 3
        remark = NOT_THERE
    voxel_ml = math.prod(spacing_mm) / 1000
    return BoneMetrics(
        dice=2 * both / (in_truth + in_prediction) if in_truth + in_prediction else undefined,
        sensitivity=both / in_truth if in_truth else undefined,
        specificity=1 - (in_prediction - both) / outside if outside else undefined,
        mssd_mm=distances[0],
        hd95_mm=distances[1],
        assd_mm=distances[2],
        ravd_percent=100 * (in_prediction - in_truth) / in_truth if in_truth else undefined,
        truth_ml=in_truth * voxel_ml,
        prediction_ml=in_prediction * voxel_ml,
        remark=remark,
    )


def _grid_text(volume: Volume) -> str:
    size = " x ".join(str(n) for n in volume.geometry.size)
    return f"{size} voxels of {' x '.join(f'{s:.4g}' for s in volume.spacing_mm)} mm"
