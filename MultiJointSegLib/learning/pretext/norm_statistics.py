"""Statistics of batch normalization that fit the final weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


@torch.no_grad()
def settle_norms(network: nn.Module, forward: Callable[[], object], batches: int = 20) -> None:
    """Replace running means and variances by those of the final weights over some batches.

    During training they trail behind the weights, which in short trainings is far.

    Parameters
    ----------
    network : nn.Module
        Left in evaluation mode. Normalization layers that no batch passes keep what they have.
    forward : callable
        Draws a batch and passes it through the network.
    batches : int
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    kept = [(m.momentum, {k: v.clone() for k, v in m.state_dict().items()}) for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # plain average over the batches
    network.train()
    for _ in range(batches):
        forward()
    for norm, (momentum, before) in zip(norms, kept, strict=True):
        norm.momentum = momentum
        if int(norm.num_batches_tracked or 0) == 0:
            norm.load_state_dict(before)
    network.eval()
