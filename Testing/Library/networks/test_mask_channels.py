"""Networks that see a global mask beside the image, or alone."""

from __future__ import annotations

import pytest
import torch

from MultiJointSegLib.learning.schemes import start_from_joint
from MultiJointSegLib.learning.train_shared import load_with_new_inputs
from MultiJointSegLib.networks.efficientnet_lite import EfficientNetLite0Encoder
from MultiJointSegLib.networks.shared_unet import SharedUNet

JOINTS = {"knee": 4}


def network(seed=0, **options):
    torch.manual_seed(seed)
    return SharedUNet(JOINTS, (8, 8, 8, 8, 8), backbone="unet", **options).eval()


def test_a_mask_alone_is_one_channel_and_the_answer_knows_nothing_else():
    alone = network(sees_image=False, mask_channels=1)
    assert alone.encoder.levels[0].first.weight.shape[1] == alone.input_channels == 1
    assert alone(torch.rand(2, 1, 32, 32), "knee").shape == (2, 5, 32, 32)


def test_without_weights_for_the_mask_it_is_the_image_network():
    plain, masked = network(), network(mask_channels=1)
    load_with_new_inputs(masked, plain.state_dict())
    assert not masked.encoder.levels[0].first.weight[:, 3:].any()
    image, mask = torch.rand(2, 3, 32, 32), (torch.rand(2, 1, 32, 32) > 0.5).float()
    with torch.no_grad():
        assert torch.allclose(masked(torch.cat([image, mask], 1), "knee"), plain(image, "knee"), atol=1e-6)


def test_an_untrained_network_starts_as_that_of_the_image_and_learns_to_use_the_mask():
    for backbone in ("small_unet", "efficientnet_lite0"):
        torch.manual_seed(0)
        both = SharedUNet(JOINTS, (8, 8, 8, 8, 8), backbone=backbone, mask_channels=2).train()
        image, mask = torch.rand(2, 3, 32, 32), torch.ones(2, 2, 32, 32)
        without = torch.cat([image, torch.zeros_like(mask)], 1)
        with torch.no_grad():
            assert torch.equal(both(torch.cat([image, mask], 1), "knee"), both(without, "knee"))
        both(torch.cat([image, mask], 1), "knee").square().mean().backward()
        first = next(m for m in both.encoder.modules() if isinstance(m, torch.nn.Conv2d))
        assert first.weight.grad[:, 3:].abs().max() > 0


def test_joined_at_the_output_the_mask_adds_to_the_answer_of_the_image():
    plain, both = network(), network(mask_channels=6, mask_fusion="output")
    own = both.state_dict()
    both.load_state_dict(own | plain.state_dict())  # the image's part has the same names and shapes
    image, mask = torch.rand(2, 3, 32, 32), torch.rand(2, 6, 32, 32)
    seen = torch.cat([image, mask], 1)
    with torch.no_grad():
        untrained = both(seen, "knee")
        assert torch.equal(untrained, plain(image, "knee"))
        for parameter in both.position.heads["knee"].parameters():
            torch.nn.init.normal_(parameter)
        added = both(seen, "knee") - untrained
        assert added.abs().max() > 0.1
        # One pixel of the mask matters at that pixel alone.
        seen[:, 3:, 5, 7] += 1
        changed = (both(seen, "knee") - untrained - added).abs().amax((0, 1)) > 1e-4
        assert changed.nonzero().tolist() == [[5, 7]]
        assert torch.equal(both.detect(seen), both.detect(image))
    again = SharedUNet.from_config(both.config())
    again.load_state_dict(both.state_dict())
    assert again.input_channels == 9 and torch.equal(again.eval()(seen, "knee"), both(seen, "knee"))


def test_joined_at_the_output_with_one_output_layer_for_all_joints():
    torch.manual_seed(0)
    both = SharedUNet(
        {"knee": 4, "ankle": 3}, (8, 8, 8, 8, 8), backbone="unet", domain_norm=False, domain_output=False,
        mask_channels=1, mask_fusion="output",
    )  # fmt: skip
    images = {key: torch.rand(2, 4, 32, 32) for key in ("knee", "ankle")}
    levels = both.features_of(images)
    both.loss_logits(levels["ankle"], "ankle").square().mean().backward()
    assert both.loss_logits(levels["knee"], "knee").shape == (2, 8, 32, 32)
    assert both.position.heads["union"].weight.grad.abs().max() > 0
    assert both.eval()(images["ankle"], "ankle").shape == (2, 4, 32, 32)


def test_what_the_mask_tells_of_one_joint_starts_another_but_not_its_output():
    knee = network(mask_channels=6, mask_fusion="output")
    torch.nn.init.normal_(knee.position.heads["knee"].weight)
    torch.manual_seed(1)
    ankle = SharedUNet({"ankle": 3}, (8, 8, 8, 8, 8), backbone="unet", mask_channels=6, mask_fusion="output")
    names = start_from_joint(ankle, knee.state_dict())
    assert torch.equal(ankle.position.first.weight, knee.position.first.weight)
    assert "position.heads.ankle.weight" not in names and not ankle.position.heads["ankle"].weight.any()


def test_the_answer_changes_with_image_and_mask_but_the_detection_only_with_the_image():
    both = network(mask_channels=2)
    torch.nn.init.normal_(both.encoder.levels[0].first.weight)
    image, other = torch.rand(2, 2, 3, 32, 32)
    mask, no_mask = torch.ones(2, 2, 32, 32), torch.zeros(2, 2, 32, 32)
    with torch.no_grad():
        first = both(torch.cat([image, mask], 1), "knee")
        assert not torch.allclose(first, both(torch.cat([other, mask], 1), "knee"), atol=1e-4)
        assert not torch.allclose(first, both(torch.cat([image, no_mask], 1), "knee"), atol=1e-4)
        assert torch.equal(both.detect(torch.cat([image, mask], 1)), both.detect(image))


def test_imagenet_weights_stay_those_of_the_image():
    torch.manual_seed(0)
    donor = EfficientNetLite0Encoder(1)
    weight = donor.stem.weight.detach()

    class State(dict):
        def __missing__(self, key):
            raise KeyError(key)

    for channels in (5, 1):
        encoder = EfficientNetLite0Encoder(1, in_channels=channels)
        before = encoder.stem.weight.detach().clone()
        with pytest.raises(KeyError):  # the stem comes first, the rest of this checkpoint is missing
            encoder.load_imagenet(State({"_conv_stem.weight": weight}))
        if channels == 5:
            assert torch.equal(encoder.stem.weight[:, :3], weight) and not encoder.stem.weight[:, 3:].any()
        else:
            assert torch.equal(encoder.stem.weight, before)


def test_config_round_trip_and_refusals():
    both = network(mask_channels=6)
    assert both.config()["mask_channels"] == 6 and "sees_image" not in both.config()
    assert SharedUNet.from_config(both.config()).input_channels == 9
    assert "mask_fusion" not in both.config()
    with pytest.raises(ValueError, match="cannot meet at the 'middle'"):
        network(mask_channels=1, mask_fusion="middle")
    with pytest.raises(ValueError, match="an image, a mask, or both"):
        network(sees_image=False)
