"""The hip annotation as a segmenter of the main job, so that it writes the same files as any other segmentation."""

from __future__ import annotations

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.annotation.body_grid import body_grid
from MultiJointSegLib.annotation.hip_annotator import HipCtAnnotation, annotate_hips
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.detection import OTHER, Detection
from MultiJointSegLib.inference.device import DeviceChoice
from MultiJointSegLib.inference.result import SegmentationResult
from MultiJointSegLib.progress import Progress

WEAK_FALL_HU = 90.0


class HipSegmenter:
    """Annotates hips; what it found out beyond the labels is in `record` after a segmentation.

    Parameters
    ----------
    solver : str
        "auto", "exact" or "continuous" graph cuts.
    """

    def __init__(self, solver: str = "auto") -> None:
        self._solver = solver
        self.record: dict[str, object] = {}

    def segment(self, volume: Volume, *, joint: str = "auto", progress: Progress | None = None) -> SegmentationResult:
        """Label the bones of the hips; see `hip_annotator.annotate_hips` for what is refused."""
        if joint not in ("auto", "hip"):
            raise InputError(f"Only hips are annotated from CT, not the {joint}.")
        found = annotate_hips(volume, solver=self._solver, progress=progress)
        self.record = hip_record(found)
        score = min(h.quality.score for h in found.hips.values())
        catalog = anatomy.joint("hip")
        axis = body_grid(volume).order[0]
        sides = " and ".join(found.hips)
        return SegmentationResult(
            labels=found.labels,
            joint=catalog,
            detection=Detection(
                "hip", score, {"hip": score, OTHER: 1 - score}, f"A femoral head in its socket was found ({sides})."
            ),
            probabilities={},
            bone_confidence={bone.key: score for bone in catalog.bones},
            slice_uncertainty={
                bone.key: weak_border(volume.array, found.labels.array == bone.label, axis) for bone in catalog.bones
            },
            slice_axis=axis,
            timings_s=dict(found.timings_s),
            warnings=list(found.warnings),
            device=DeviceChoice("cpu", "scipy", "graph cuts run on the processor.", 1),
        )


def hip_record(found: HipCtAnnotation) -> dict[str, object]:
    """Spheres and quality of the hips as plain values for JSON."""
    return {
        "method": "graph cut, rays and sphere",
        "solver": found.solver,
        "hips": {
            side: {
                "head_center_mm": [round(v, 3) for v in hip.center_mm],
                "head_radius_mm": round(hip.radius_mm, 3),
                "quality": hip.quality.as_dict(),
            }
            for side, hip in found.hips.items()
        },
    }


def weak_border(image: np.ndarray, mask: np.ndarray, axis: int) -> np.ndarray:
    """How weak a bone's border is in each slice: the mean of exp(-fall / 90 HU) over its border within the slice.

    Parameters
    ----------
    image : ndarray of shape (k, j, i)
        HU.
    mask : bool ndarray of shape (k, j, i)
        The bone.
    axis : int
        Array axis along which slices are counted.

    Returns
    -------
    float32 ndarray of shape (slices,)
        0 where the border is steep or the bone is absent, toward 1 where nothing can be seen.
    """
    image, mask = np.moveaxis(image, axis, 0), np.moveaxis(mask, axis, 0)
    result = np.zeros(len(mask), np.float32)
    for n in np.flatnonzero(mask.any(axis=(1, 2))):
        part, inside = image[n].astype(np.float32), mask[n]
        falls = []
        for along in (0, 1):
            p, q = np.moveaxis(part, along, 0), np.moveaxis(inside, along, 0)
            falls.append((p[:-1] - p[1:])[q[:-1] & ~q[1:]])
            falls.append((p[1:] - p[:-1])[q[1:] & ~q[:-1]])
        values = np.concatenate(falls)
        if values.size:
            result[n] = np.exp(-np.maximum(values, 0) / WEAK_FALL_HU).mean()
    return result
