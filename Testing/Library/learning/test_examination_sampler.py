"""Batches of real examinations: balanced, where the bones are, and honest about bones that nobody labeled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.augmentation import STILL, AugmentationSettings
from MultiJointSegLib.learning.dataset_cache import ExaminationSlices
from MultiJointSegLib.learning.examination_sampler import ExaminationData
from MultiJointSegLib.learning.manifest import Examination

CPU = torch.device("cpu")
FEMUR, TIBIA = anatomy.bone("femur").label, anatomy.bone("tibia").label


def _slices(name: str, level: float, *, count: int = 6, bones: tuple[int, ...] = (FEMUR, TIBIA)) -> ExaminationSlices:
    """Slices of one gray level, bone in the middle of slice 2 only; labeled bones may be fewer than the knee has."""
    labels = np.zeros((count, 50, 60), np.uint8)
    labels[2, 20:30, 25:40] = bones[0]
    images = np.full((count, 3, 50, 60), level, np.float16)
    examination = Examination(
        name=name,
        image=Path("image.nii.gz"),
        label=Path("labels.nii.gz"),
        joint="knee",
        subject=name,
        label_values=tuple((b, b) for b in bones),
    )
    return ExaminationSlices(examination, images, labels, "sagittal", 3.0)


def _data(*slices: ExaminationSlices, settings: AugmentationSettings = STILL) -> ExaminationData:
    return ExaminationData(slices, 1.0, settings, CPU)


def test_crops_show_what_the_slices_hold() -> None:
    source = _data(_slices("a", 0.5)).source(["knee"], 1)
    batch = source.joint_batch("knee", 40, 32)
    assert batch.images.shape == (40, 3, 32, 32) and batch.images.dtype == torch.float32
    inside = batch.images[:, 1] > 0.4
    assert set(batch.target.unique().tolist()) == {0, 1}  # the femur is the knee's first class
    assert bool(inside[batch.target == 1].all())
    with_bone = (batch.target > 0).flatten(1).any(1).float().mean()
    assert 0.6 < float(with_bone) <= 1  # `bone_share` of 0.8


def test_every_examination_is_drawn_as_often_however_many_slices_it_has() -> None:
    few, many = _slices("few", 0.25, count=4), _slices("many", 0.75, count=40)
    images = _data(few, many).source(["knee"], 2).joint_batch("knee", 200, 8).images
    counts = Counter(round(float(v), 2) for v in images.amax((1, 2, 3)) if v > 0)
    assert 60 < counts[0.25] < 140 and 60 < counts[0.75] < 140


def test_bones_that_nobody_labeled_are_named() -> None:
    source = _data(_slices("part", 0.5, bones=(FEMUR,))).source(["knee"], 1)
    labeled = source.joint_batch("knee", 3, 16).labeled
    names = [bone.key for bone in anatomy.joint("knee").bones]
    assert labeled.tolist() == [[True, *(name == "femur" for name in names)]] * 3


def test_the_seed_decides_what_is_drawn() -> None:
    data = _data(_slices("a", 0.3), _slices("b", 0.9), settings=AugmentationSettings())
    first, again, other = (data.source(["knee"], s).joint_batch("knee", 6, 16).images for s in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_slices_of_other_things(count: int) -> None:
    source = _data(_slices("a", 0.5)).source(["knee"], 1)
    other = source.other_batch(count, 32)
    assert other.shape == (count, 3, 32, 32) and bool(torch.isfinite(other).all())


def test_a_joint_without_examinations_is_named() -> None:
    with pytest.raises(InputError, match="no examination of the shoulder"):
        _data(_slices("a", 0.5)).source(["shoulder"], 1).joint_batch("shoulder", 2, 16)
