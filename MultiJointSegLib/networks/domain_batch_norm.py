"""Batch normalization with statistics and affine parameters of its own for every domain."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from MultiJointSegLib.networks.processes import batch_norm


class DomainBatchNorm2d(nn.Module):
    """Domain-specific batch normalization: ``gamma_k (a - mu_k) / sqrt(var_k + eps) + beta_k`` for domain k.

    A forward pass normalizes with, and in training mode updates, the statistics of one domain only; every image of
    the batch must therefore come from that domain. Processes that train together normalize their slices together.

    Parameters
    ----------
    channels : int
        Channels of the input.
    domains : int
        Number of domains K. With K = 1 this is plain batch normalization.
    eps, momentum : float
        As in `torch.nn.BatchNorm2d`.

    References
    ----------
    Chang et al., "Domain-Specific Batch Normalization for Unsupervised Domain Adaptation", CVPR 2019,
    DOI 10.1109/CVPR.2019.00753; used for joints in Boutillon et al. 2022, DOI 10.1016/j.media.2022.102556.
    """

    def __init__(self, channels: int, domains: int, *, eps: float = 1e-3, momentum: float = 0.03) -> None:
        super().__init__()
        if domains < 1:
            raise ValueError(f"The number of domains is {domains}; at least 1 is needed.")
        self.domains = nn.ModuleList(nn.BatchNorm2d(channels, eps=eps, momentum=momentum) for _ in range(domains))

    def forward(self, x: Tensor, domain: int) -> Tensor:
        """Normalize x of shape (b, channels, h, w) with the statistics of the domain's index.

        Raises
        ------
        IndexError
            If there is no such domain.
        """
        if not 0 <= domain < len(self.domains):
            raise IndexError(
                f"Domain {domain} does not exist; there are {len(self.domains)} (0 to {len(self.domains) - 1})."
            )
        return batch_norm(cast("nn.BatchNorm2d", self.domains[domain]), x)

    @torch.no_grad()
    def copy_to_all(self, state: dict[str, Tensor]) -> None:
        """Start every domain from one set of statistics and affine parameters, for example ImageNet's."""
        for norm in self.domains:
            norm.load_state_dict(state)
