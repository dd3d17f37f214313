"""Training in several processes: sums and collections over all of them that gradients flow through.

Alone, every function here gives back what it was given. With `torch.distributed` initialized, each process computes
the loss on its share of the batch; where a quantity belongs to the whole batch (statistics of a normalization, sums of
a Dice) it is summed over the processes, so that their number does not change what is learned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist


def process_count() -> int:
    """Number of processes that train together; 1 alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_index() -> int:
    """Index of this process, 0 alone."""
    return dist.get_rank() if process_count() > 1 else 0


def wait_for_all() -> None:
    """Go on only when every process has come here."""
    if process_count() > 1:
        dist.barrier()


class _Sum(torch.autograd.Function):
    """Sum over the processes; the gradient is that of the sum of all processes' losses."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        del ctx
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        del ctx
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def summed(value: Tensor) -> Tensor:
    """Sum of a floating-point tensor over all processes."""
    if process_count() == 1:
        return value
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


def gathered(value: Tensor) -> Tensor:
    """Tensors (n, ...) of all processes, in their order, as one (processes x n, ...)."""
    count = process_count()
    if count == 1:
        return value
    parts = [torch.zeros_like(value) for _ in range(count)]
    parts[process_index()] = value
    return summed(torch.cat(parts).float()).to(value.dtype)


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their means over the processes, in one message."""
    count = process_count()
    if count == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= count
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def batch_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch normalization of x (b, c, h, w) by the statistics of all processes' slices.

    Alone, and in evaluation mode, this is the module itself.
    """
    if process_count() == 1 or not norm.training:
        normalized: Tensor = norm(x)
        return normalized
    with torch.autocast(x.device.type, enabled=False):
        values = x.float()
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = summed(torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), count]))
        channels = values.shape[1]
        n = sums[-1]
        mean = sums[:channels] / n
        variance = (sums[channels:-1] / n - mean.square()).clamp(min=0)
        _update_statistics(norm, mean.detach(), variance.detach(), n)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        shift = norm.bias - mean * scale
        return (values * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


@torch.no_grad()
def _update_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: Tensor) -> None:
    """As `torch.nn.BatchNorm2d` does: the running variance is the unbiased one."""
    if norm.running_mean is None or norm.running_var is None or norm.momentum is None:
        return
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked += 1
