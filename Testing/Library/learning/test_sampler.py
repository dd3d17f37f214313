"""Random slices: oriented as the canonical slices, labelled right, normalized, and fixed by the seed."""

from dataclasses import replace

import numpy as np
import torch

from MultiJointSegLib.anatomy import joint
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.learning.contrast import ContrastSettings, normalize_slices, render
from MultiJointSegLib.learning.losses import IGNORED
from MultiJointSegLib.learning.sampler import JointBatch, SliceSampler, detection_targets
from MultiJointSegLib.learning.slicing import SlicingSettings, random_slices
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap

STILL = SlicingSettings(
    tilt_sd_deg=0, zoom=(1, 1), stretch_sd=0, in_plane_shift_mm=0, elastic_mm=0, margin_mm=-1000, pixel_mm=2.0
)


def _corner_map() -> TissueMap:
    """Bone in the anterior superior half of a cube, on the patient's right."""
    labels = np.zeros((32, 32, 32), np.uint8)
    labels[16:, :16, :16] = 1  # k up is superior, j down is anterior, i down is right
    labels[0, 0, 0] = labels[-1, -1, -1] = 1  # the box of labels is the whole cube
    tissue = np.where(labels > 0, Tissue.FATTY_MARROW, Tissue.MUSCLE).astype(np.uint8)
    return TissueMap(tissue, labels, Geometry((32,) * 3, (2.0,) * 3), "knee", "right", 9.0)


def _quadrant(label: torch.Tensor) -> tuple[str, str]:
    rows, columns = torch.nonzero(label == 1, as_tuple=True)
    return ("top" if rows.float().mean() < 15.5 else "bottom", "left" if columns.float().mean() < 15.5 else "right")


def test_slices_have_the_orientation_of_canonical_slices(a_generator: torch.Generator) -> None:
    bank = TissueBank.from_maps([_corner_map()])
    member = torch.zeros(16, dtype=torch.int64)
    seen = {}
    for name, weights in {"sagittal": (1.0, 0.0, 0.0), "coronal": (0.0, 1.0, 0.0), "axial": (0.0, 0.0, 1.0)}.items():
        settings = replace(STILL, plane_weights=weights)
        for label in random_slices(bank, member, 32, settings, a_generator).label:
            if int((label == 1).sum()) > 4:
                seen.setdefault(name, set()).add(_quadrant(label))
    assert seen["sagittal"] == {("top", "left")}  # superior is up, anterior is left
    assert seen["coronal"] == {("top", "left"), ("top", "right")}  # superior is up; either side, mirrored at random
    assert seen["axial"] == {("top", "left"), ("top", "right")}  # anterior is up


def test_same_seed_same_batch_and_other_seed_another(the_bank: TissueBank) -> None:
    def batch(seed: int) -> JointBatch:
        return SliceSampler(the_bank, ["knee", "shoulder"], torch.Generator().manual_seed(seed)).joint_batch(
            "knee", 4, 64
        )

    first, second, third = batch(1), batch(1), batch(2)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.target, second.target)
    assert not torch.equal(first.images, third.images)


def test_targets_are_class_indices_of_the_joint(the_bank: TissueBank, a_generator: torch.Generator) -> None:
    sampler = SliceSampler(the_bank, ["knee", "shoulder"], a_generator)
    knee = torch.cat([sampler.joint_batch("knee", 8, 64).target for _ in range(4)])
    classes = {joint("knee").labels.index(label) + 1 for label in (1, 2)}
    assert set(knee.unique().tolist()) == {0, *classes}
    assert int(torch.cat([sampler.joint_batch("shoulder", 8, 64).target for _ in range(4)]).max()) == 2


def test_images_are_normalized_and_differ_in_contrast(the_bank: TissueBank, a_generator: torch.Generator) -> None:
    images = SliceSampler(the_bank, ["knee"], a_generator).joint_batch("knee", 16, 64).images
    assert images.shape == (16, 3, 64, 64)
    assert torch.isfinite(images).all()
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1.5 * 1.25
    assert float(images.mean((1, 2, 3)).std()) > 0.03


def test_bone_keeps_its_place_between_image_and_target(a_generator: torch.Generator) -> None:
    """Without faults the rendered marrow is exactly where the target says."""
    bank = TissueBank.from_maps([_corner_map()])
    slices = random_slices(bank, torch.zeros(4, dtype=torch.int64), 32, STILL, a_generator)
    quiet = ContrastSettings(
        random_contrast=0, tissue_jitter=0, texture=0, bias=0, falloff_probability=0, noise=0, blur_px=(0.3, 0.3),
        ghost_probability=0,
    )  # fmt: skip
    image = render(slices.tissue[:, 2:3].expand(-1, 5, -1, -1), quiet, a_generator)[:, 1]
    for picture, label in zip(image, slices.label, strict=True):
        if 0 < int((label == 1).sum()) < label.numel():
            inside, outside = picture[label == 1], picture[label == 0]
            assert float((inside.median() - outside.median()).abs()) > 0.1


def test_slices_without_bone_do_not_teach_the_detector() -> None:
    target = torch.zeros(2, 10, 10, dtype=torch.int64)
    target[1, :5] = 1
    batch = JointBatch(torch.zeros(2, 3, 10, 10), target)
    assert detection_targets(batch, 1).tolist() == [IGNORED, 1]


def test_other_batch_mixes_maps_textures_and_wrong_scales(the_bank: TissueBank, a_generator: torch.Generator) -> None:
    images = SliceSampler(the_bank, ["knee", "shoulder"], a_generator).other_batch(6, 64)
    assert images.shape == (6, 3, 64, 64)
    assert torch.isfinite(images).all()


def test_normalization_ignores_gain_and_offset(a_generator: torch.Generator) -> None:
    image = torch.rand(2, 3, 60, 60, generator=a_generator)
    assert torch.allclose(normalize_slices(image), normalize_slices(image * 700 + 35), atol=1e-4)


def test_every_map_of_a_joint_is_drawn_as_often(the_maps: list[TissueMap], a_generator: torch.Generator) -> None:
    knee, shoulder, _ = the_maps
    bank = TissueBank.from_maps([knee, shoulder, knee, knee])
    sampler = SliceSampler(bank, ["knee", "shoulder"], a_generator)
    counts = torch.bincount(sampler._draw("knee", 3000), minlength=4)
    assert counts[1] == 0  # a shoulder is no knee
    assert all(900 < int(counts[member]) < 1100 for member in (0, 2, 3))  # 1000 ± 26: four standard deviations
    assert set(sampler._draw("shoulder", 50).tolist()) == {1}
