"""The picture of the embeddings is written, with a panel for each scale, and the network stays as it is."""

from pathlib import Path

import torch
from PIL import Image

from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.embedding_picture import draw_embeddings
from MultiJointSegLib.networks.shared_unet import SharedUNet


def test_picture_has_a_panel_for_each_scale(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SharedUNet({"knee": 2, "shoulder": 1}, (8, 8, 8, 8, 8), backbone="unet")
    contrast = MultiScaleContrast([network.encoder.channels[-1], *network.decoder_channels], [0, 3])
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images = {"knee": torch.rand(8, 3, 32, 32), "shoulder": 3 * torch.rand(9, 3, 32, 32)}
    accuracy = draw_embeddings(network, contrast, images, tmp_path / "embeddings.png")
    assert set(accuracy) == {0, 3}
    assert accuracy[3] > 0.9  # three times as bright
    with Image.open(tmp_path / "embeddings.png") as picture:
        assert picture.width > 1.5 * picture.height
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 2
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings.png"]
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
