"""`train` starts from a pretraining by one line of its configuration."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.learning.config import parse_config, read_config
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.learning.pretext.pretrained import save_pretrained
from MultiJointSegLib.learning.sampler import BankData
from MultiJointSegLib.learning.scheme_training import train_scheme
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap

WIDTHS = [8, 8, 8, 8, 8]


def bank() -> TissueBank:
    z, y, x = np.mgrid[:32, :32, :32]
    ball = (x - 16) ** 2 + (y - 16) ** 2 + (z - 16) ** 2 < 100
    tissue = np.where(ball, Tissue.FATTY_MARROW, Tissue.MUSCLE).astype(np.uint8)
    geometry = Geometry((32, 32, 32), (2.0, 2.0, 2.0))
    maps = [TissueMap(tissue, ball.astype(np.uint8) * (joint == "knee"), geometry, joint, "right", 9.0)
            for joint in ("knee", "other")]  # fmt: skip
    return TissueBank.from_maps(maps)


@pytest.mark.parametrize("parts", ["encoder", "all"])
def test_training_starts_from_the_pretraining(tmp_path: Path, parts: str) -> None:
    torch.manual_seed(5)
    pretext = PretextNetwork(["shared"], WIDTHS)
    (tmp_path / "pretraining").mkdir()
    save_pretrained(pretext, pretext.state_dict(), tmp_path / "pretraining", {})
    content = {
        "scheme": "individual",
        "joints": ["knee"],
        "network": {"decoder_channels": WIDTHS, "pretrained": "pretraining", "pretrained_parts": parts},
        "training": {"steps": 1, "slices_per_joint": 2, "other_slices": 1, "sizes_px": [32], "validate_every": 1,
                     "validation_slices": 2, "validation_size_px": 32, "bfloat16": False, "learning_rate": 1e-12},
    }  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps(content))
    config = read_config(tmp_path / "train.json")
    assert config.network.pretrained == str(tmp_path / "pretraining")
    data = BankData(bank())
    (run,) = train_scheme(config, data, data, tmp_path / "run")
    trained, source = run.network.state_dict(), pretext.trunk.state_dict()
    for name in ("encoder.stem.weight", "encoder.blocks.3.depthwise.weight"):
        torch.testing.assert_close(trained[name], source[name], atol=1e-6, rtol=0)
    same_decoder = torch.allclose(trained["decoder.2.first.weight"], source["decoder.2.first.weight"], atol=1e-6)
    assert same_decoder == (parts == "all")


def test_pretraining_of_another_network_is_refused(tmp_path: Path) -> None:
    pretext = PretextNetwork(["shared"], WIDTHS, backbone="unet")
    save_pretrained(pretext, pretext.state_dict(), tmp_path, {})
    content = {"scheme": "individual", "joints": ["knee"], "network": {"pretrained": str(tmp_path)}}
    data = BankData(bank())
    with pytest.raises(InputError, match="does not fit the network"):
        train_scheme(parse_config(content), data, data, tmp_path / "run")
