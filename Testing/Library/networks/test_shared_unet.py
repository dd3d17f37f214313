"""The shared network: what is shared is one object, what is not stays apart."""

import pytest
import torch

from MultiJointSegLib.networks.shared_unet import SharedUNet

JOINTS = {"ankle": 3, "knee": 4, "shoulder": 2}


@pytest.fixture(scope="module")
def a_network() -> SharedUNet:
    torch.manual_seed(0)
    return SharedUNet(JOINTS, (16, 16, 8, 8, 8))


@pytest.mark.parametrize(("joint", "bones"), JOINTS.items())
def test_each_joint_has_its_own_number_of_classes(a_network: SharedUNet, joint: str, bones: int) -> None:
    assert a_network.eval()(torch.zeros(2, 3, 64, 96), joint).shape == (2, bones + 1, 64, 96)


def test_detection_has_one_class_more_than_joints(a_network: SharedUNet) -> None:
    assert a_network.eval().detect(torch.zeros(2, 3, 64, 64)).shape == (2, len(JOINTS) + 1)


def test_every_convolution_is_shared_and_learns_from_every_joint(a_network: SharedUNet) -> None:
    a_network.train()
    x = torch.randn(2, 3, 64, 64)
    for joint in JOINTS:
        a_network.zero_grad(set_to_none=True)
        a_network(x, joint).square().mean().backward()
        convolutions = {
            name: p for name, p in a_network.named_parameters() if p.dim() == 4 and not name.startswith("heads")
        }
        without = [name for name, p in convolutions.items() if p.grad is None or p.grad.abs().sum() == 0]
        assert without == []
        assert all(a_network.heads[other].weight.grad is None for other in JOINTS if other != joint)


def test_parameters_are_shared_ones_plus_norms_and_heads_per_joint() -> None:
    def count(joints: dict[str, int]) -> int:
        return sum(p.numel() for p in SharedUNet(joints, (16, 16, 8, 8, 8)).parameters())

    network = SharedUNet({"knee": 4}, (16, 16, 8, 8, 8))
    norms = sum(m.domains[0].weight.numel() * 2 for m in network.modules() if hasattr(m, "domains"))
    head = sum(p.numel() for p in network.heads["knee"].parameters())
    detection_row = network.detector[1].in_features + 1
    assert count({"knee": 4, "hip": 4}) - count({"knee": 4}) == norms + head + detection_row


def test_detection_uses_statistics_of_its_own(a_network: SharedUNet) -> None:
    a_network.train()
    before = {k: v.clone() for k, v in a_network.state_dict().items() if "running_mean" in k}
    a_network.detect(torch.randn(4, 3, 64, 64))
    index = len(JOINTS)
    changed = {k for k, v in a_network.state_dict().items() if k in before and not torch.equal(v, before[k])}
    assert changed
    assert all(f".domains.{index}." in key for key in changed)


def test_unknown_joint_raises_with_the_known_ones(a_network: SharedUNet) -> None:
    with pytest.raises(KeyError, match="ankle, knee, shoulder"):
        a_network(torch.zeros(1, 3, 64, 64), "elbow")


def test_config_builds_the_same_network(a_network: SharedUNet) -> None:
    twin = SharedUNet.from_config(a_network.config())
    twin.load_state_dict(a_network.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(twin.eval()(x, "knee"), a_network.eval()(x, "knee"))


def test_output_depends_on_the_domain_in_evaluation() -> None:
    torch.manual_seed(0)
    network = SharedUNet({"left": 1, "right": 1}, (16, 16, 8, 8, 8))
    network.heads["right"].load_state_dict(network.heads["left"].state_dict())
    for _ in range(3):
        network(torch.randn(2, 3, 64, 64), "left")
        network(torch.rand(2, 3, 64, 64) * 9, "right")
    network.eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert float((network(x, "left") - network(x, "right")).abs().max()) > 1e-3
