"""Statistics of normalization after a short training."""

import torch
from torch import nn

from MultiJointSegLib.learning.pretext.norm_statistics import settle_norms


def test_statistics_are_those_of_the_batches() -> None:
    seen, unseen = nn.BatchNorm2d(2, momentum=0.03), nn.BatchNorm2d(2, momentum=0.03)
    unseen.running_mean += 7
    network = nn.ModuleList([seen, unseen])
    batches = iter(torch.randn(5, 4, 2, 3, 3) * 3 + 10)
    expected = [b.clone() for b in torch.randn(0, 4, 2, 3, 3)]

    def forward() -> None:
        batch = next(batches)
        expected.append(batch)
        seen(batch)

    settle_norms(network, forward, 5)
    assert not network.training and not seen.training
    torch.testing.assert_close(seen.running_mean, torch.stack([b.mean((0, 2, 3)) for b in expected]).mean(0))
    assert (unseen.running_mean == 7).all()
    assert seen.momentum == unseen.momentum == 0.03
