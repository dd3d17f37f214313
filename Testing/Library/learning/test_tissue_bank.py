"""The tissue bank gives back what was put in."""

from pathlib import Path

import numpy as np
import pytest
import torch

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.tissue_bank import TissueBank, pack, save_packed
from MultiJointSegLib.phantom.tissue_map import TissueMap


def test_gather_finds_the_voxel_of_the_right_map(the_maps: list[TissueMap], the_bank: TissueBank) -> None:
    rng = np.random.default_rng(0)
    index_kji = rng.integers(0, 48, (3, 100, 3))
    points = torch.from_numpy(index_kji[..., ::-1].copy() * 2.0 + rng.uniform(-0.9, 0.9, (3, 100, 3)))
    tissue, label = the_bank.gather(torch.arange(3), points)
    for m in range(3):
        at = tuple(index_kji[m].T)
        assert np.array_equal(tissue[m].numpy(), the_maps[m].tissue[at])
        assert np.array_equal(label[m].numpy(), the_maps[m].labels[at])


def test_points_outside_take_the_edge_voxel(the_maps: list[TissueMap], the_bank: TissueBank) -> None:
    tissue, _ = the_bank.gather(torch.tensor([0]), torch.tensor([[[48.0, 48.0, -500.0], [48.0, 48.0, 900.0]]]))
    assert tissue[0].tolist() == [the_maps[0].tissue[0, 24, 24], the_maps[0].tissue[-1, 24, 24]]


def test_box_encloses_the_labels_only(the_bank: TissueBank) -> None:
    assert the_bank.box_low_mm[0].tolist() == [34.0, 34.0, 10.0]
    assert the_bank.box_high_mm[0].tolist() == [62.0, 62.0, 62.0]
    assert the_bank.box_high_mm[2].tolist() == [94.0, 94.0, 94.0]  # nothing labelled: the whole map


def test_saved_maps_come_back(the_maps: list[TissueMap], tmp_path: Path) -> None:
    for index, tissue_map in enumerate(the_maps):
        save_packed(tissue_map, tmp_path / f"{index}.npz")
    bank = TissueBank.from_folder(tmp_path)
    assert bank.joints == ["knee", "shoulder", "other"]
    assert np.array_equal(bank.flat.numpy(), np.concatenate([pack(m).ravel() for m in the_maps]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.npz", "1.npz", "2.npz"]


def test_empty_bank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        TissueBank.from_folder(tmp_path)


def test_values_that_do_not_fit_are_refused(the_maps: list[TissueMap]) -> None:
    too_high = np.full_like(the_maps[0].labels, 16)
    m = the_maps[0]
    with pytest.raises(InputError, match="16"):
        pack(TissueMap(m.tissue, too_high, m.geometry, m.joint, m.side, m.age_years))
