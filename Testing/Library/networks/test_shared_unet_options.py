"""What a configuration may change in the shared network, and that the default one stays what was shipped."""

import hashlib

import pytest
import torch

from MultiJointSegLib.networks.attention_gate import AttentionGate
from MultiJointSegLib.networks.backbones import BACKBONES
from MultiJointSegLib.networks.domain_batch_norm import DomainBatchNorm2d
from MultiJointSegLib.networks.plain_encoder import PlainEncoder
from MultiJointSegLib.networks.shared_unet import DETECTION, SharedUNet

JOINTS = {"ankle": 3, "knee": 4, "shoulder": 2}
WIDTHS = (8, 8, 8, 8, 8)


def _network(**options: object) -> SharedUNet:
    torch.manual_seed(0)
    return SharedUNet(JOINTS, WIDTHS, **{"backbone": "unet", **options})


def test_default_network_has_the_weights_format_of_the_shipped_bundle() -> None:
    """Names, shapes and types of all tensors, taken before backbones became a parameter."""
    network = SharedUNet(JOINTS)
    lines = [f"{key} {tuple(value.shape)} {value.dtype}" for key, value in network.state_dict().items()]
    assert len(lines) == 1176
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "63ac127b51de19d4920894fb0cd5780923b8cbb34872199d08f818f6c47fdbf3"
    assert network.config() == {"joints": JOINTS, "decoder_channels": [128, 96, 64, 32, 16]}


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_every_backbone_gives_the_same_levels(backbone: str) -> None:
    network = _network(backbone=backbone).eval()
    levels = network.features(torch.zeros(2, 3, 64, 32), "knee")
    assert [(f.shape[2], f.shape[3]) for f in levels] == [(2, 1), (4, 2), (8, 4), (16, 8), (32, 16), (64, 32)]
    assert [f.shape[1] for f in levels] == [network.encoder.channels[-1], *WIDTHS]
    assert network(torch.zeros(2, 3, 64, 32), "knee").shape == (2, 5, 64, 32)
    assert network.detect(torch.zeros(2, 3, 64, 32)).shape == (2, 4)


@pytest.mark.parametrize("backbone", ["unet", "attention_unet"])
def test_plain_backbones_share_every_convolution(backbone: str) -> None:
    network = _network(backbone=backbone)
    for joint in JOINTS:
        network.zero_grad(set_to_none=True)
        network(torch.randn(2, 3, 32, 32), joint).square().mean().backward()
        without = [
            name
            for name, p in network.named_parameters()
            if p.dim() == 4 and not name.startswith("heads") and (p.grad is None or not p.grad.any())
        ]
        assert without == []


@pytest.mark.parametrize("options", [{}, {"backbone": "attention_unet", "domain_norm": False, "domain_output": False}])
def test_config_builds_the_same_network(options: dict) -> None:
    network = _network(**options).eval()
    twin = SharedUNet.from_config(network.config()).eval()
    twin.load_state_dict(network.state_dict())
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(twin(x, "knee"), network(x, "knee"))


def test_unknown_backbone_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="efficientnet_lite0, unet, attention_unet"):
        SharedUNet(JOINTS, backbone="vgg16")


def test_plain_encoder_needs_six_widths() -> None:
    with pytest.raises(ValueError, match="6 levels, 2"):
        PlainEncoder(1, (4, 4))


def test_attention_by_hand() -> None:
    gate = AttentionGate(2, 1)
    with torch.no_grad():
        gate.skip.weight.copy_(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))
        gate.gating.weight.fill_(2.0)
        gate.gating.bias.fill_(0.5)
        gate.psi.weight.fill_(1.0)
        gate.psi.bias.fill_(-1.0)
    skip = torch.tensor([3.0, 1.0]).view(1, 2, 1, 1)
    for gating, inside in ((0.25, 3.0), (-5.0, 0.0)):  # 3 - 1 + 2 x 0.25 + 0.5; the rectified 3 - 1 - 10 + 0.5
        result = gate(skip, torch.full((1, 1, 1, 1), gating)).flatten()
        torch.testing.assert_close(result, skip.flatten() * torch.sigmoid(torch.tensor(inside - 1.0)))


def test_closed_gates_leave_the_skip_connections_out() -> None:
    network = _network(backbone="attention_unet").eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = network(x, "knee")
        for block in network.decoder:
            block.gate.psi.bias.fill_(-100.0)
        closed = network(x, "knee")
        pyramid = [torch.zeros_like(f) for f in network.encoder(network._to_imagenet_range(x), 1)]
        bottleneck = network.features(x, "knee")[0]
        network.encoder.forward = lambda x, domain: [*pyramid[:-1], bottleneck]
        torch.testing.assert_close(closed, network(x, "knee"))
    assert not torch.allclose(before, closed)


@pytest.mark.parametrize("training", [True, False])
def test_domains_pass_apart_and_come_back_in_order(training: bool) -> None:
    """The features of a mixed step equal those of each joint by itself."""
    network, twin = _network().train(training), _network().train(training)
    images = {"knee": torch.rand(2, 3, 32, 32), "ankle": torch.rand(3, 3, 32, 32) * 2}
    together = network.features_of(images)
    for joint, x in images.items():
        for a, b in zip(together[joint], twin.features(x, joint), strict=True):
            assert torch.equal(a, b)


def test_without_domain_norm_all_are_normalized_together() -> None:
    network, twin = _network(domain_norm=False), _network(domain_norm=False)
    images = {"knee": torch.rand(2, 3, 32, 32), "ankle": torch.rand(3, 3, 32, 32) * 9}
    together = network.features_of(images)
    whole = twin.features(torch.cat(list(images.values())), "shoulder")
    for level, f in enumerate(whole):
        assert torch.equal(torch.cat([together["knee"][level], together["ankle"][level]]), f)
    norms = [module for module in network.modules() if isinstance(module, DomainBatchNorm2d)]
    assert {len(norm.domains) for norm in norms} == {1, 2}  # the decoder's; the encoder's with detection
    assert {network.domain_index(joint) for joint in JOINTS} == {0}
    assert network.domain_index(DETECTION) == 1
    network.eval()
    assert torch.equal(network.features(images["knee"], "knee")[-1], network.features(images["knee"], "ankle")[-1])


def test_union_output_is_one_layer_for_all_bones() -> None:
    network = _network(domain_output=False)
    assert [name for name, _ in network.heads.named_parameters()] == ["union.weight", "union.bias"]
    assert network.heads["union"].weight.shape[0] == 1 + sum(JOINTS.values())
    target = torch.tensor([0, 1, 2])
    assert network.loss_target(target, "ankle").tolist() == [0, 1, 2]
    assert network.loss_target(target, "knee").tolist() == [0, 4, 5]
    assert network.loss_target(target, "shoulder").tolist() == [0, 8, 9]
    assert torch.equal(_network().loss_target(target, "knee"), target)


def test_union_output_counts_other_joints_bones_as_background() -> None:
    network = _network(domain_output=False).eval()
    x = torch.randn(1, 3, 32, 32)
    levels = network.features(x, "knee")
    union = network.loss_logits(levels, "knee").softmax(1)
    knee = network(x, "knee").softmax(1)
    assert knee.shape[1] == 5
    torch.testing.assert_close(knee[:, 1:], union[:, 4:8])
    torch.testing.assert_close(knee[:, 0], union[:, 0] + union[:, 1:4].sum(1) + union[:, 8:].sum(1))
