"""The option that shows the image to the last decoder level."""

import torch

from MultiJointSegLib.networks.efficientnet_lite import SamePadConv2d
from MultiJointSegLib.networks.shared_unet import SharedUNet

JOINTS = {"knee": 4, "shoulder": 2}
WIDTHS = (8, 8, 8, 8, 8)


def test_last_decoder_level_takes_three_more_channels() -> None:
    plain, seeing = SharedUNet(JOINTS, WIDTHS), SharedUNet(JOINTS, WIDTHS, image_skip=True)
    shapes = [{k: tuple(v.shape) for k, v in network.state_dict().items()} for network in (plain, seeing)]
    changed = {key: (shapes[0][key], shapes[1][key]) for key in shapes[0] if shapes[0][key] != shapes[1][key]}
    assert changed == {"decoder.4.first.weight": ((8, 8, 3, 3), (8, 11, 3, 3))}


def test_detail_of_one_pixel_passes_to_the_output() -> None:
    """A pixel that the encoder cannot see, its stem being zero, changes the output only through the skip."""
    image = torch.zeros(1, 3, 64, 64)
    dotted = image.clone()
    dotted[0, :, 20, 20] = 1.0
    for image_skip in (False, True):
        torch.manual_seed(0)
        network = SharedUNet(JOINTS, WIDTHS, image_skip=image_skip).eval()
        torch.nn.init.zeros_(network.encoder.stem.weight)
        with torch.no_grad():
            change = (network(dotted, "knee") - network(image, "knee")).abs().amax((0, 1))
        rows, columns = torch.nonzero(change > 0, as_tuple=True)
        if not image_skip:
            assert rows.numel() == 0
            continue
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (18, 22, 18, 22)  # two 3x3 convolutions


def test_configuration_keeps_the_option() -> None:
    network = SharedUNet(JOINTS, WIDTHS, image_skip=True)
    assert network.config()["image_skip"] is True
    assert SharedUNet.from_config(network.config()).config() == network.config()
    assert "image_skip" not in SharedUNet(JOINTS, WIDTHS).config()


def test_backbone_with_full_resolution_ignores_the_option() -> None:
    with_option, without = (SharedUNet(JOINTS, WIDTHS, backbone="unet", image_skip=option) for option in (True, False))
    assert with_option.state_dict().keys() == without.state_dict().keys()
    assert with_option.decoder[4].first.weight.shape == without.decoder[4].first.weight.shape


def test_depthwise_convolution_gives_bfloat16_back_with_float32_gradients() -> None:
    """Under CPU autocast the depthwise convolution is computed in float32, then rounded once."""
    torch.manual_seed(1)
    depthwise = SamePadConv2d(16, 16, 5, groups=16, bias=False)
    x = torch.randn(2, 16, 12, 12).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, depthwise(x.float()).bfloat16())
    y.float().sum().backward()
    gradient = depthwise.weight.grad.clone()
    depthwise.weight.grad = None
    depthwise(x.float()).sum().backward()
    torch.testing.assert_close(gradient, depthwise.weight.grad)
