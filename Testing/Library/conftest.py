"""An examination of a few thousand voxels that looks enough like a knee, and a segmenter that knows its truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import RefusalError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume

# Sagittal slices as scanners store them: i to the back, j to the feet, k to the right.
_GEOMETRY = Geometry(
    (48, 64, 14), (2.0, 2.0, 5.0), (32.5, -48.0, 62.0), ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
)
_ELLIPSOIDS = {  # center and half axes, LPS mm
    "femur": ((0, 0, 32), (26, 24, 26)),
    "tibia": ((0, 4, -32), (24, 20, 26)),
    "patella": ((0, -36, 24), (14, 6, 14)),
    "fibula": ((-22, 32, -34), (6, 6, 24)),
}


def _points_mm(geometry: Geometry) -> np.ndarray:
    k, j, i = np.indices(geometry.array_shape)
    return geometry.index_to_point(np.stack([i, j, k], axis=-1))


@pytest.fixture(scope="session")
def a_small_knee() -> tuple[Volume, Volume]:
    """Image (int16, MR) and label map on the same grid."""
    points = _points_mm(_GEOMETRY)
    labels = np.zeros(_GEOMETRY.array_shape, np.uint8)
    for key, (center, half) in _ELLIPSOIDS.items():
        labels[(((points - center) / half) ** 2).sum(axis=-1) <= 1] = anatomy.bone(key).label
    rng = np.random.default_rng(5)
    image = np.where(((points / (40, 46, 70)) ** 2).sum(axis=-1) <= 1, 250, 10) + 350 * (labels > 0)
    image = (image + rng.normal(0, 8, image.shape)).astype(np.int16)
    return Volume(image, _GEOMETRY, "MR", {"series_description": "sag test", "laterality": "R"}), Volume(
        labels, _GEOMETRY
    )


@pytest.fixture(scope="session")
def a_small_knee_file(a_small_knee, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("examination") / "knee.nii.gz"
    write_volume(a_small_knee[0], path)
    return path


class TruthSegmenter:
    """Answers with the truth, like a network that is always right."""

    def __init__(self, labels: Volume, *, refuse: bool = False, before: Callable[[], None] = lambda: None) -> None:
        self.labels = labels
        self._refuse = refuse
        self._before = before

    def detect(self, volume, *, progress=None):
        from MultiJointSegLib.inference.detection import Detection

        if self._refuse:
            return Detection(None, 0.9, {"knee": 0.1, "other": 0.9}, "The images show none of the joints.")
        return Detection("knee", 0.97, {"knee": 0.97, "other": 0.03}, "The images show a knee.")

    def segment(self, volume, *, joint="auto", progress=None):
        from MultiJointSegLib.inference.device import DeviceChoice
        from MultiJointSegLib.inference.segmenter import SegmentationResult

        detection = self.detect(volume)
        self._before()
        if detection.joint is None:
            raise RefusalError(detection.reason)
        knee = anatomy.joint("knee")
        slices = volume.array.shape[0]
        doubt = np.linspace(0, 0.5, slices, dtype=np.float32)
        return SegmentationResult(
            labels=volume.with_array(self.labels.array.copy()),
            joint=knee,
            detection=detection,
            probabilities={},
            bone_confidence={bone.key: 0.9 for bone in knee.bones},
            slice_uncertainty={bone.key: np.roll(doubt, n) for n, bone in enumerate(knee.bones)},
            slice_axis=0,
            timings_s={"network": 0.1},
            warnings=["A warning from the segmenter."],
            device=DeviceChoice("cpu", "torch", "no faster one was found.", 1),
        )


@pytest.fixture(scope="session")
def a_truth_segmenter(a_small_knee) -> Callable[..., TruthSegmenter]:
    """Makes a segmenter; keyword `refuse` to refuse, `before` to be called before it answers."""
    return lambda **keywords: TruthSegmenter(a_small_knee[1], **keywords)
