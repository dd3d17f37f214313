"""The diagnostics tell a representation from a trick of the batch normalization."""

import math

import pytest
import torch

from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.diagnostics import averaged_affine, diagnose_contrast, linear_probe_accuracy
from MultiJointSegLib.networks.shared_unet import DETECTION, SharedUNet

WIDTHS = (8, 8, 8, 8, 8)


@pytest.fixture
def a_network() -> SharedUNet:
    torch.manual_seed(0)
    return SharedUNet({"knee": 2, "shoulder": 1}, WIDTHS, backbone="unet").eval()


def _contrast(network: SharedUNet) -> MultiScaleContrast:
    return MultiScaleContrast([network.encoder.channels[-1], *WIDTHS], [0, 5])


def _same_images() -> dict[str, torch.Tensor]:
    """The two joints look exactly alike: whatever tells them apart is no shared representation."""
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return {"knee": images, "shoulder": images.clone()}


def test_probe_finds_what_is_linearly_separable() -> None:
    x = torch.randn(120, 5, generator=torch.Generator().manual_seed(0))
    assert linear_probe_accuracy(x, (x[:, 2] > 0).long()) >= 0.9
    assert linear_probe_accuracy(torch.cat([x, x + 20]), torch.arange(2).repeat_interleave(120)) == 1.0


def test_probe_does_not_find_what_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, generator=generator)
    quadrants = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    assert linear_probe_accuracy(x, quadrants) < 0.7


def test_probe_does_not_learn_by_heart() -> None:
    """As many dimensions as samples: what it was fitted on it knows, what was held out it cannot."""
    generator = torch.Generator().manual_seed(0)
    x, classes = torch.randn(60, 60, generator=generator), torch.arange(60) % 3
    assert linear_probe_accuracy(x, classes) < 0.6


def test_probe_refuses_a_class_of_one() -> None:
    with pytest.raises(ValueError, match="2 samples of each class"):
        linear_probe_accuracy(torch.randn(3, 2), torch.tensor([0, 0, 7]))


def test_averaged_affine_is_the_mean_of_the_joints_and_comes_back(a_network: SharedUNet) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in a_network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    before = {key: value.clone() for key, value in a_network.state_dict().items()}
    norm = a_network.encoder.levels[2].first_norm.domains
    mean = (norm[0].bias + norm[1].bias).detach() / 2
    with averaged_affine(a_network):
        assert torch.allclose(norm[0].bias, mean) and torch.allclose(norm[1].bias, mean)
        assert a_network.domain_index(DETECTION) == 2
        within = a_network.state_dict()
        changed = {key for key in before if not torch.equal(within[key], before[key])}
        assert changed and all(".domains.0." in key or ".domains.1." in key for key in changed)
        assert all(key.endswith((".weight", ".bias")) for key in changed)
    assert all(torch.equal(value, before[key]) for key, value in a_network.state_dict().items())


def test_a_trick_of_gamma_and_beta_is_shown_up(a_network: SharedUNet) -> None:
    images, contrast = _same_images(), _contrast(a_network)
    honest = diagnose_contrast(a_network, contrast, images)
    assert honest.returned == {0: 0.0, 5: 0.0}  # the joints' gammas and betas are still the same
    assert honest.probe_accuracy[5] == 0.5
    least, most = math.log(5), math.log(11)  # 6 slices of each joint: all 5 like it nearest; all 11 equally near
    with torch.no_grad():
        last = a_network.decoder[4].second_norm.domains
        for domain, channels in ((0, slice(0, 4)), (1, slice(4, 8))):
            last[domain].bias[channels] = 10.0
            last[domain].weight.fill_(0.01)
    tricked = diagnose_contrast(a_network, contrast, images)
    assert tricked.loss[5] == pytest.approx(least, abs=0.02)
    assert honest.loss[5] > least + 0.5
    assert tricked.probe_accuracy[5] == 1.0
    assert tricked.returned[5] == pytest.approx(most - least, abs=0.05)
    assert tricked.returned[0] == 0.0


def test_diagnosis_leaves_the_network_as_it_is(a_network: SharedUNet) -> None:
    a_network.train()
    before = {key: value.clone() for key, value in a_network.state_dict().items()}
    contrast, images, generator = _contrast(a_network), _same_images(), torch.get_rng_state()
    diagnosis = diagnose_contrast(a_network, contrast, images)
    assert torch.equal(torch.get_rng_state(), generator)  # or training would go on differently
    assert a_network.training
    assert all(torch.equal(value, before[key]) for key, value in a_network.state_dict().items())
    assert set(diagnosis.rounded()) == {"loss", "returned", "probe_accuracy"}
