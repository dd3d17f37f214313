"""Comparators of the experiment on imaging planes: they see the same slices, and train what they say they train."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from MultiJointSegLib.learning.pretext.prepared import PreparedSeries, PreparedStudy
from MultiJointSegLib.learning.pretext.sampling import AugmentationSettings
from MultiJointSegLib.learning.pretext.slice_grid import SliceGrid
from MultiJointSegLib.networks.shared_unet import SharedUNet

pytest.importorskip("monai", reason="The loss of SimCLR is MONAI's; install the extra 'peers'.")
STILL = AugmentationSettings(
    turn_deg=0, zoom=(1, 1), shift_mm=0, mirror=0, gamma=0, gain=(1, 1), bias=0, noise=0, border=0
)
WIDTHS = (8, 8, 8, 8, 8)


@pytest.fixture(scope="module")
def rivals():
    folder = str(Path(__file__).resolve().parents[2] / "Benchmarks")
    sys.path.insert(0, folder)
    try:
        import pretraining_rivals

        yield pretraining_rivals
    finally:
        sys.path.remove(folder)


def studies() -> list[PreparedStudy]:
    rng = np.random.default_rng(4)
    grids = tuple(SliceGrid((-31, -31, 4.0 * s), (2, 0, 0), (0, 2, 0), (32, 32)) for s in range(4))
    images = rng.random((4, 1, 32, 32)).astype(np.float16)
    return [PreparedStudy("one", "knee", "left", (PreparedSeries("1", "axial", images, grids, None, 1, {}),))]


def test_two_views_are_of_one_slice(rivals) -> None:
    first, second = rivals.Slices(studies(), 32, 1).batch(5, STILL, times=2).chunk(2)
    assert torch.equal(first, second)
    assert len({float(x.sum()) for x in first}) > 1
    first, second = rivals.Slices(studies(), 32, 1).batch(5, AugmentationSettings(), times=2).chunk(2)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", ["rotation prediction", "SimCLR", "masked auto-encoding"])
def test_what_is_trained(rivals, name: str) -> None:
    from pretraining_cases import Size

    torch.manual_seed(2)
    trunk = SharedUNet({"shared": 1}, WIDTHS)
    before = {k: v.detach().clone() for k, v in trunk.named_parameters()}
    size = Size(1, 1, 1, 2.0, 2.0, 32, 2, 4, 1, 2, 1, WIDTHS)
    measures = rivals.train_rival(name, trunk, size, studies(), studies(), "cpu")
    assert all(np.isfinite(v) and v >= 0 for v in measures.values())
    changed = {k.split(".")[0] for k, v in trunk.named_parameters() if not torch.equal(v, before[k])}
    assert changed == ({"encoder", "decoder"} if name == "masked auto-encoding" else {"encoder"})


def test_only_hidden_pixels_count(rivals) -> None:
    class Echo(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = x
            return x

    echo = Echo()
    loss, share = rivals._fill_in(echo, rivals.Slices(studies(), 32, 1), 3, "cpu")
    hidden = (echo.seen == 0).all(1, keepdim=True)
    assert 0.2 < hidden.float().mean() < 0.95
    assert float(loss) > 0.1  # what is seen comes back exactly, and still does not count
    assert share > 1
