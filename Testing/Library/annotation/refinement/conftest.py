"""Small cases to refine: knees of a few voxels with a ball for each bone."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib.annotation.refinement.store import CaseStore
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume

N = 40


def _balls(shift: int, radius: float) -> np.ndarray:
    z, y, x = np.mgrid[:N, :N, :N]
    labels = np.zeros((N, N, N), np.uint8)
    for label, center in ((1, 10), (2, 29)):
        labels[(x - 20 - shift) ** 2 + (y - 20) ** 2 + (z - center) ** 2 < radius**2] = label
    return labels


@pytest.fixture
def make_labels() -> Callable[..., Volume]:
    """Label map of femur and tibia as balls, shifted along x."""

    def make(shift: int = 0, radius: float = 7.0) -> Volume:
        return Volume(_balls(shift, radius), Geometry((N, N, N), (2.0, 2.0, 2.0)))

    return make


@pytest.fixture
def a_case(tmp_path: Path, make_labels: Callable[..., Volume]) -> CaseStore:
    """A case with one proposal."""
    case = CaseStore(tmp_path / "cases" / "knee_1")
    case.propose(make_labels(), note="first proposal")
    return case


@pytest.fixture
def make_dataset(tmp_path: Path, make_labels: Callable[..., Volume]) -> Callable[..., Path]:
    """Writes a refinement's configuration over so many knees, the last one (or so many) wrongly labeled."""

    def make(count: int, *, wrong: int = 1) -> Path:
        rng = np.random.default_rng(0)
        entries = []
        for index in range(count):
            truth = make_labels(index % 3)
            image = np.where(truth.array > 0, 200, 60) + rng.normal(0, 8, truth.array.shape)
            write_volume(truth.with_array(image.astype(np.float32)), tmp_path / f"image_{index}.nii.gz")
            labels = make_labels(index % 3 + (12 if index >= count - wrong else 0))
            write_volume(labels, tmp_path / f"label_{index}.nii.gz")
            entries.append(
                {"name": f"knee_{index}", "image": f"image_{index}.nii.gz", "label": f"label_{index}.nii.gz"}
                | {"joint": "knee", "subject": f"s{index}", "label_values": {"femur": 1, "tibia": 2}}
            )
        (tmp_path / "dataset.json").write_text(json.dumps({"name": "balls", "examinations": entries}))
        content = {
            "refine": {"folds": 2, "budget": 2, "total_budget": 3, "seed": 3},
            "learning": {
                "scheme": "individual",
                "network": {"backbone": "unet", "decoder_channels": [8, 8, 8, 8, 8]},
                "data": {"manifest": "dataset.json", "pixel_mm": 2.0, "minimum_pitch_mm": 4.0, "other_maps": 0},
                "training": {
                    "steps": 3, "slices_per_joint": 2, "sizes_px": [32], "detection_weight": 0.0,
                    "warmup_steps": 1, "validate_every": 3, "bfloat16": False,
                },
            },
        }  # fmt: skip
        path = tmp_path / "refine.json"
        path.write_text(json.dumps(content))
        return path

    return make
