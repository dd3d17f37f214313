"""Truth and predictions of small knees on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from MultiJointSegLib import anatomy
from MultiJointSegLib.imaging.writing import write_volume


@pytest.fixture(autouse=True)
def _whole_arithmetic() -> None:
    """Training flushes the smallest numbers to zero for its whole process; hypothesis needs them."""
    torch.set_flush_denormal(False)


@pytest.fixture
def some_knees(tmp_path, a_small_knee) -> Path:
    """Folders `images`, `truth`, `good` (one voxel off in one case) and `bad` (moved, a patella missed); a manifest."""
    image, labels = a_small_knee
    patella = anatomy.bone("patella").label
    for name in ("images", "truth", "good", "bad"):
        (tmp_path / name).mkdir()
    for n in range(6):
        write_volume(image, tmp_path / "images" / f"case{n}_0000.nii.gz")
        write_volume(labels, tmp_path / "truth" / f"case{n}_seg.nii.gz")
        good = labels.array.copy()
        if n == 2:
            good[0, 0, 0] = patella
        write_volume(labels.with_array(good), tmp_path / "good" / f"case{n}.nii.gz")
        bad = np.roll(labels.array, 1 + n % 3, axis=1)
        if n == 4:
            bad[bad == patella] = 0
        write_volume(labels.with_array(bad), tmp_path / "bad" / f"case{n}.mha")
    entries = [
        {
            "name": f"case{n}",
            "image": f"images/case{n}_0000.nii.gz",
            "label": f"truth/case{n}_seg.nii.gz",
            "subject": f"s{n // 2}",
            "split": "test" if n < 4 else "train",
        }
        for n in range(6)
    ]
    content = {"defaults": {"joint": "knee"}, "examinations": entries}
    (tmp_path / "knees.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


@pytest.fixture
def a_score() -> Callable:
    """Makes the score of a case from Dice by bone; the other metrics follow from it."""
    from MultiJointSegLib.evaluation.case import CaseScore
    from MultiJointSegLib.evaluation.metrics import BoneMetrics

    def make(method: str, case: str, subject: str, **dice: float) -> CaseScore:
        bones = {k: BoneMetrics(d, d, 1.0, 30 - d, 20 - d, 10 - d, -100 * (1 - d), 1.0, d) for k, d in dice.items()}
        return CaseScore(method=method, case=case, subject=subject, bones=bones)

    return make


@pytest.fixture(scope="module")
def a_study_file(a_small_knee, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    image, labels = a_small_knee
    entries = []
    for n in range(3):
        noisy = image.array + np.random.default_rng(n).normal(0, 10, image.array.shape)
        write_volume(image.with_array(noisy.astype(np.int16)), folder / f"knee{n}.nii.gz")
        write_volume(labels, folder / f"knee{n}_labels.nii.gz")
        entry = {"image": f"knee{n}.nii.gz", "label": f"knee{n}_labels.nii.gz", "joint": "knee", "subject": f"s{n}"}
        entries.append(entry)
    (folder / "dataset.json").write_text(json.dumps({"name": "knees", "examinations": entries}))
    content = {
        "name": "Tiny study",
        "schemes": ["shared_norm", "individual"],
        "joints": ["knee"],
        "scored": ["knee"],
        "manifest": "dataset.json",
        "design": {"kind": "folds", "folds": 3},
        "learning": {
            "network": {"backbone": "unet", "decoder_channels": [8, 8, 8, 8, 8]},
            "data": {"pixel_mm": 4.0},
            "training": {
                "steps": 1, "slices_per_joint": 2, "sizes_px": [32], "warmup_steps": 1, "detection_weight": 0,
                "bfloat16": False,
            },
        },
    }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(content))
    return folder / "study.json"
