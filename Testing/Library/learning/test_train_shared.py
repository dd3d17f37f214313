"""Starting a training from an earlier one whose network had fewer input channels."""

import pytest
import torch

from MultiJointSegLib.learning.train_shared import load_with_new_inputs
from MultiJointSegLib.networks.shared_unet import SharedUNet

JOINTS = {"knee": 4, "shoulder": 2}


def _network(width: int = 8, **options: bool) -> SharedUNet:
    return SharedUNet(JOINTS, (8, 8, 8, 8, width), **options).eval()


def test_new_inputs_change_nothing_at_first() -> None:
    torch.manual_seed(2)
    old, new = _network(), _network(image_skip=True)
    load_with_new_inputs(new, old.state_dict())
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for joint in JOINTS:
            torch.testing.assert_close(new(x, joint), old(x, joint))


def test_any_other_difference_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_with_new_inputs(_network(16, image_skip=True), _network(8).state_dict())
    state = _network().state_dict()
    del state["encoder.stem.weight"]
    with pytest.raises(RuntimeError, match=r"encoder\.stem\.weight"):
        load_with_new_inputs(_network(image_skip=True), state)
