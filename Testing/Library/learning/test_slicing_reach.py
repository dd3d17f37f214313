"""Windows smaller than the bones reach the ends of the bones."""

import numpy as np
import pytest
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


def _rod_in_fat(shape_kji: tuple[int, int, int], box: tuple[slice, slice, slice]) -> TissueBank:
    """A labeled bone in fat that fills the map to its edges; 2 mm voxels."""
    tissue = np.full(shape_kji, Tissue.FAT, np.uint8)
    labels = np.zeros_like(tissue)
    labels[box] = 1
    tissue[labels > 0] = Tissue.FATTY_MARROW
    geometry = Geometry(shape_kji[::-1], (2.0, 2.0, 2.0))
    return TissueBank.from_maps([TissueMap(tissue, labels, geometry, "knee", "right", 9.0)])


def _settings(**changes: object) -> SlicingSettings:
    exact = {"tilt_sd_deg": 0.0, "zoom": (1.0, 1.0), "stretch_sd": 0.0, "elastic_mm": 0.0, "pixel_mm": 2.0}
    return SlicingSettings(**{**exact, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_windows_stay_in_the_map(plane: int) -> None:
    """The bone lies in a corner of the map, and the windows would like to go 40 mm beyond it."""
    bank = _rod_in_fat((60, 50, 40), (slice(2, 20), slice(2, 20), slice(2, 20)))
    weights = tuple(float(axis == plane) for axis in range(3))
    settings = _settings(plane_weights=weights, in_plane_shift_mm=40.0, beyond_map_mm=6.0)
    slices = random_slices(bank, torch.zeros(60, dtype=torch.int64), 32, settings, torch.Generator().manual_seed(2))
    air = (slices.tissue == Tissue.AIR)[:, 2]
    for lines in (air.all(1), air.all(2)):  # columns, rows of air
        assert lines.sum(1).max() <= 4, "6 mm are three pixels, four with rounding"
        assert lines.sum(1).max() >= 2
    assert (slices.label > 0).any()


def test_beside_the_map_is_air_and_above_it_the_last_slice_goes_on() -> None:
    bank = _rod_in_fat((60, 20, 20), (slice(0, 60), slice(0, 20), slice(0, 10)))
    settings = _settings(plane_weights=(0.0, 0.0, 1.0), in_plane_shift_mm=0.0, margin_mm=30.0)
    slices = random_slices(bank, torch.zeros(40, dtype=torch.int64), 32, settings, torch.Generator().manual_seed(3))
    inside = slices.tissue[:, :, 6:26, 6:26]
    assert (inside != Tissue.AIR).all(), "slices above the map repeat its last one"
    assert (slices.label[:, 6:26, 6:26] > 0).flatten(1).any(1).all()
    border = torch.ones(32, 32, dtype=torch.bool)
    border[5:27, 5:27] = False
    assert (slices.tissue[:, :, border] == Tissue.AIR).all()
    assert (slices.label[:, border] == 0).all(), "no bone is drawn out beyond the map"
