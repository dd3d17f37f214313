"""Small untrained models for the tests of the inference room."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
import torch

from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.bundle import save_bundle
from MultiJointSegLib.networks.shared_unet import SharedUNet

JOINTS = {"ankle": 3, "knee": 4, "shoulder": 2}


@pytest.fixture(scope="session")
def network():
    """Untrained, but with outputs brought to mean 0 and deviation 1, so that every class occurs; says knee."""
    torch.manual_seed(1)
    net = SharedUNet(JOINTS, decoder_channels=(8, 8, 8, 8, 8)).eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_var.uniform_(0.2, 0.5)
        images = torch.rand(2, 3, 64, 64) * torch.linspace(0, 1.2, 64)
        for joint, head in net.heads.items():
            logits = net(images, joint)
            deviation, mean = torch.std_mean(logits, dim=(0, 2, 3))
            head.bias.sub_(mean).div_(deviation)
            head.weight.div_(deviation[:, None, None, None])
        net.detector[1].bias.copy_(torch.tensor([0.0, 6.0, 0.0, 0.0]))
        net.detector[1].weight.mul_(0.01)
    return net


@pytest.fixture(scope="session")
def bundle(network, tmp_path_factory):
    return save_bundle(
        tmp_path_factory.mktemp("models") / "tiny",
        network,
        name="tiny",
        version="0.1.0",
        license="Apache-2.0",
        card="# tiny\nUntrained; for tests.\n",
        created=datetime.date(2026, 1, 2),
        half=False,
    )


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """One cache folder for all tests, so that each network is converted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(shared_cache, monkeypatch):
    monkeypatch.setenv("MULTIJOINTSEG_CACHE", str(shared_cache))


@pytest.fixture
def ball_volume():
    """MR-like volume with a bright ball of 12 mm in dim tissue in air; sagittal slices 3 mm apart."""
    size, spacing = (16, 56, 60), (3.0, 0.9, 0.8)  # i runs left-right
    geometry = Geometry(size, spacing, (-22.5, -24.75, -23.6))
    k, j, i = np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij")
    point = geometry.index_to_point(np.stack([i, j, k], axis=-1))
    radius = np.linalg.norm(point, axis=-1)
    array = np.where(radius < 12, 1000.0, np.where(radius < 21, 300.0, 10.0))
    array += np.random.default_rng(0).normal(0, 5, array.shape)
    return Volume(array.astype(np.float32), geometry, "MR")


class BallRuntime:
    """Stands for a trained network: the middle slice's bright pixels are class 1, everything says knee."""

    name = "torch"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def detect(self, images):
        self.batches.append(len(images))
        return np.tile(np.array([0.0, 5.0, 0.0, 0.0], np.float32), (len(images), 1))

    def segment(self, images, joint):
        self.batches.append(len(images))
        answer = np.zeros((len(images), JOINTS[joint] + 1, *images.shape[2:]), np.float32)
        answer[:, 1] = np.clip((images[:, 1] - 0.3) / 0.7, 0.02, 0.98)
        answer[:, 0] = 1 - answer[:, 1]
        return answer


@pytest.fixture
def ball_runtime():
    return BallRuntime()
