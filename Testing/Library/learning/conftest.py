"""Tiny tissue maps for the tests of the training."""

import numpy as np
import pytest
import torch

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap


def _map(joint: str, labels: tuple[int, ...]) -> TissueMap:
    n = 48
    z, y, x = np.mgrid[:n, :n, :n]
    tissue = np.where((x - 24) ** 2 + (y - 24) ** 2 < 22**2, Tissue.MUSCLE, Tissue.AIR).astype(np.uint8)
    label_map = np.zeros_like(tissue)
    for index, label in enumerate(labels):
        ball = (x - 24) ** 2 + (y - 24) ** 2 + (z - 12 - 12 * index) ** 2 < 8**2
        tissue[ball] = Tissue.FATTY_MARROW
        label_map[ball] = label
    return TissueMap(tissue, label_map, Geometry((n, n, n), (2.0, 2.0, 2.0)), joint, "right", 9.0)


@pytest.fixture(scope="package")
def the_maps() -> list[TissueMap]:
    return [_map("knee", (1, 2)), _map("shoulder", (7, 8)), _map("other", ())]


@pytest.fixture(scope="package")
def the_bank(the_maps: list[TissueMap]) -> TissueBank:
    return TissueBank.from_maps(the_maps)


@pytest.fixture
def a_generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


@pytest.fixture(autouse=True, scope="package")
def _fast_arithmetic() -> None:
    torch.set_flush_denormal(True)  # as train_shared does
    torch.set_num_threads(1)  # threads that wait for each other cost more than these small images
