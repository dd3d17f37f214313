"""Windows smaller than the bones reach the ends of the bones."""

import numpy as np
import torch

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.learning.slicing import SlicingSettings, random_slices
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap


def test_ends_of_a_long_bone_are_seen_as_often_as_its_middle() -> None:
    """A rod of 200 mm, its ends labeled apart, in windows of 51 mm: without reaching out they would never be seen."""
    tissue = np.full((104, 24, 24), Tissue.MUSCLE, np.uint8)
    labels = np.zeros_like(tissue)
    labels[2:102, 8:16, 8:16] = 1
    labels[2:12, 8:16, 8:16] = labels[92:102, 8:16, 8:16] = 2
    tissue[labels > 0] = Tissue.FATTY_MARROW
    rod = TissueMap(tissue, labels, Geometry((24, 24, 104), (2.0, 2.0, 2.0)), "knee", "right", 9.0)
    bank = TissueBank.from_maps([rod])
    settings = SlicingSettings(plane_weights=(1.0, 0.0, 0.0), tilt_sd_deg=0.0, margin_mm=0.0, in_plane_shift_mm=10.0)
    slices = random_slices(bank, torch.zeros(120, dtype=torch.int64), 64, settings, torch.Generator().manual_seed(1))
    ends = (slices.label == 2).flatten(1).any(1).float().mean()
    middle = (slices.label == 1).flatten(1).any(1).float().mean()
    assert ends > 0.3
    assert middle > 0.7
