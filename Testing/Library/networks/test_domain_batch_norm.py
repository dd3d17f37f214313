"""Domain-specific batch normalization keeps the domains apart."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d


def test_one_domain_equals_plain_batch_norm_bit_for_bit() -> None:
    x = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    plain = nn.BatchNorm2d(3, eps=1e-3, momentum=0.03)
    norm = DomainBatchNorm2d(3, 1)
    assert torch.equal(norm(x, 0), plain(x))
    assert torch.equal(norm.domains[0].running_mean, plain.running_mean)
    assert torch.equal(norm.domains[0].running_var, plain.running_var)


def test_forward_changes_the_statistics_of_its_own_domain_only() -> None:
    norm = DomainBatchNorm2d(2, 3)
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    norm(torch.randn(4, 2, 6, 6) + 5, 1)
    for key, value in norm.state_dict().items():
        is_statistic = "running" in key or "num_batches" in key
        changed = not torch.equal(value, before[key])
        assert changed == (key.startswith("domains.1.") and is_statistic), key


def test_gradient_reaches_the_affine_parameters_of_its_own_domain_only() -> None:
    norm = DomainBatchNorm2d(2, 2)
    norm(torch.randn(4, 2, 6, 6), 0).square().sum().backward()
    assert norm.domains[0].weight.grad.abs().sum() > 0
    assert norm.domains[1].weight.grad is None


def test_different_intensities_end_with_different_statistics_and_outputs() -> None:
    norm = DomainBatchNorm2d(1, 2, momentum=0.5)
    for _ in range(10):
        norm(torch.randn(8, 1, 4, 4), 0)
        norm(torch.randn(8, 1, 4, 4) * 3 + 10, 1)
    norm.eval()
    x = torch.full((1, 1, 2, 2), 10.0)
    assert float(norm.domains[1].running_mean - norm.domains[0].running_mean) > 8
    assert float((norm(x, 0) - norm(x, 1)).detach().min()) > 5


@pytest.mark.parametrize("domain", [-1, 2])
def test_unknown_domain_raises(domain: int) -> None:
    with pytest.raises(IndexError, match="there are 2"):
        DomainBatchNorm2d(1, 2)(torch.zeros(1, 1, 2, 2), domain)


def test_no_domain_at_all_raises() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        DomainBatchNorm2d(1, 0)


@pytest.mark.parametrize(
    ("bug", "caught_by"),
    [
        ("shared instead of separate", test_forward_changes_the_statistics_of_its_own_domain_only),
        ("shared instead of separate", test_different_intensities_end_with_different_statistics_and_outputs),
        ("all updated", test_forward_changes_the_statistics_of_its_own_domain_only),
        ("affine of all", test_gradient_reaches_the_affine_parameters_of_its_own_domain_only),
    ],
)
def test_planted_bugs_are_caught(bug: str, caught_by: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(norm: DomainBatchNorm2d, x: torch.Tensor, domain: int) -> torch.Tensor:
        results = [one(x) for one in (norm.domains if bug != "shared instead of separate" else norm.domains[:1])]
        return torch.stack(results).mean(0) if bug == "affine of all" else results[min(domain, len(results) - 1)]

    monkeypatch.setattr(DomainBatchNorm2d, "forward", forward)
    with pytest.raises(AssertionError):
        caught_by()
