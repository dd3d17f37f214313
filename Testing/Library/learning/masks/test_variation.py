"""Coordinates of a mask vary from slice to slice, and nothing else of it does."""

from __future__ import annotations

import torch

from MultiJointSegLib.learning.augmentation import STILL, AugmentationSettings
from MultiJointSegLib.learning.config import parse_config
from MultiJointSegLib.learning.examination_data import augmentation_of
from MultiJointSegLib.learning.masks.variation import MIDDLE_SHARE, NO_SIDE_SHARE, vary_positions


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def masks(count=4000):
    values = torch.tensor([1.0, 0.5, -0.5, 0.25, 1.0, 0.8])
    whole = values[None, :, None, None].repeat(count, 1, 2, 2)
    whole[..., 1, 1] = 0  # outside the field of view
    return whole


def test_each_coordinate_moves_as_much_as_stated():
    before = masks()
    after = vary_positions(before, AugmentationSettings(mask_shift_sd=0.2, mask_stretch_sd=0.0), generator())
    assert torch.equal(after[:, [0, 5]], before[:, [0, 5]]) and not after[..., 1, 1].any()
    moved = (after - before)[:, 1:5, 0, 0]
    sided = after[:, 2, 0, 0] != 0
    assert abs(1 - sided.float().mean() - NO_SIDE_SHARE) < 0.03
    assert abs(moved[:, 0].std() - 0.2 * MIDDLE_SHARE) < 0.005
    assert all(abs(moved[sided][:, axis].std() - 0.2) < 0.01 for axis in (1, 2, 3))
    assert moved.mean(0)[[0, 2, 3]].abs().max() < 0.02
    assert (after[:, :, 0, 0] == after[:, :, 0, 1]).all()  # a slice moves as a whole


def test_magnification_keeps_zero_where_it_is():
    before = masks()
    after = vary_positions(before, AugmentationSettings(mask_shift_sd=0.0, mask_stretch_sd=0.1), generator())
    for channel in (1, 3, 4, 5):
        ratio = after[:, channel, 0, 0] / before[:, channel, 0, 0]
        assert abs(ratio.log().std() - 0.1) < 0.005 and abs(ratio.log().mean()) < 0.01


def test_an_unknown_side_stays_unknown_and_other_encodings_as_they_are():
    unknown = masks(8)
    unknown[:, 2] = 0
    assert not vary_positions(unknown, AugmentationSettings(), generator())[:, 2].any()
    binary = torch.ones(2, 1, 4, 4)
    assert vary_positions(binary, AugmentationSettings(), generator()) is binary
    assert vary_positions(unknown, STILL, generator()) is unknown


def test_coordinates_vary_where_the_mask_joins_at_the_output_or_as_stated():
    default = AugmentationSettings()
    both = {"input": "image+mask"}
    assert augmentation_of(parse_config(both)) == default
    for config in (both | {"network": {"mask_fusion": "input"}}, {"input": "mask"}):
        still = augmentation_of(parse_config(config))
        assert (still.mask_shift_sd, still.mask_stretch_sd) == (0, 0) and still.rotation_deg == default.rotation_deg
        stated = augmentation_of(parse_config(config | {"augmentation": {"mask_shift_sd": 0.3}}))
        assert (stated.mask_shift_sd, stated.mask_stretch_sd) == (0.3, 0)
