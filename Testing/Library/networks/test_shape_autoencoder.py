"""The shape auto-encoder: its sizes, what joints share, what it refuses."""

import pytest
import torch

from MultiJointSegLib.networks.shape_autoencoder import ShapeAutoencoder

JOINTS = {"knee": 3, "shoulder": 2}


@pytest.mark.parametrize("domain_layers", [True, False])
def test_code_and_reconstruction_have_the_documented_sizes(domain_layers: bool) -> None:
    autoencoder = ShapeAutoencoder(JOINTS, (4, 6, 8), 5, domain_layers=domain_layers)
    for joint, bones in JOINTS.items():
        x = torch.rand(2, bones + 1, 16, 24)
        assert autoencoder.encode(x, joint).shape == (2, 5, 2, 3)
        assert autoencoder(x, joint).shape == x.shape


def test_domain_layers_are_the_only_ones_that_joints_do_not_share() -> None:
    autoencoder = ShapeAutoencoder(JOINTS, (4, 6), 5)
    autoencoder(torch.rand(2, 4, 16, 16), "knee").square().mean().backward()
    without = {name for name, p in autoencoder.named_parameters() if p.grad is None}
    assert without
    assert all(".domains.1." in name or name.split(".")[1] == "shoulder" for name in without)


def test_padded_autoencoder_shares_every_convolution() -> None:
    autoencoder = ShapeAutoencoder(JOINTS, (4, 6), 5, domain_layers=False)
    autoencoder(torch.rand(2, 3, 16, 16), "shoulder").square().mean().backward()
    assert all(p.grad is not None for name, p in autoencoder.named_parameters() if ".domains.0." not in name)


def test_config_builds_the_same_network() -> None:
    autoencoder = ShapeAutoencoder(JOINTS, (4, 6), 5, domain_layers=False).eval()
    twin = ShapeAutoencoder(**autoencoder.config()).eval()
    twin.load_state_dict(autoencoder.state_dict())
    x = torch.rand(1, 4, 16, 16)
    assert torch.equal(twin(x, "knee"), autoencoder(x, "knee"))


def test_refuses_what_it_cannot_encode() -> None:
    autoencoder = ShapeAutoencoder(JOINTS, (4, 6), 5)
    with pytest.raises(KeyError, match="knee, shoulder"):
        autoencoder(torch.rand(1, 4, 16, 16), "hip")
    with pytest.raises(ValueError, match="4 classes, 3"):
        autoencoder(torch.rand(1, 3, 16, 16), "knee")
    with pytest.raises(ValueError, match="multiples of 4"):
        autoencoder(torch.rand(1, 4, 16, 18), "knee")
