"""Two processes that train together learn what one learns alone.

Run as a program, this file is one of the processes: ``torchrun`` starts processes with the same environment variables.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.distributed import joined_processes
from MultiJointSegLib.learning.prior import AnatomicalPrior
from MultiJointSegLib.learning.sampler import SliceSampler
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.learning.trainer import Trainer
from MultiJointSegLib.learning.training_settings import TrainingSettings, check_settings
from MultiJointSegLib.networks import processes
from MultiJointSegLib.networks.processes import process_index
from MultiJointSegLib.networks.shape_autoencoder import ShapeAutoencoder
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.phantom.tissue_map import Tissue, TissueMap

JOINTS = {"knee": 4, "shoulder": 2}
WIDTHS = (8, 8, 8, 8, 8)
SETTINGS = TrainingSettings(
    steps=3, slices_per_joint=4, other_slices=4, sizes_px=(32,), warmup_steps=1, validate_every=1, bfloat16=False,
    contrast_weight=0.3, prior_weight=0.3, learning_rate=1e-3,
)  # fmt: skip


def _map(joint: str, labels: tuple[int, ...]) -> TissueMap:
    n = 32
    z, y, x = np.mgrid[:n, :n, :n]
    tissue = np.where((x - 16) ** 2 + (y - 16) ** 2 < 15**2, Tissue.MUSCLE, Tissue.AIR).astype(np.uint8)
    label_map = np.zeros_like(tissue)
    for index, label in enumerate(labels):
        ball = (x - 16) ** 2 + (y - 16) ** 2 + (z - 8 - 14 * index) ** 2 < 7**2
        tissue[ball], label_map[ball] = Tissue.FATTY_MARROW, label
    return TissueMap(tissue, label_map, Geometry((n, n, n), (2.0, 2.0, 2.0)), joint, "right", 9.0)


def _train(folder: Path) -> None:
    """Every term of the loss; the dropout of the detection is off, since processes draw its masks on their own."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    network = SharedUNet(JOINTS, WIDTHS, backbone="unet")
    network.detector[0].p = 0.0
    torch.manual_seed(4)
    contrast = MultiScaleContrast([network.encoder.channels[-1], *WIDTHS])
    prior = AnatomicalPrior(ShapeAutoencoder(JOINTS, (4, 4), 4))
    bank = TissueBank.from_maps([_map("knee", (1, 2)), _map("shoulder", (7, 8)), _map("other", ())])
    source = SliceSampler(bank, list(JOINTS), torch.Generator().manual_seed(1))
    trainer = Trainer(network, source, None, SETTINGS, folder, contrast, prior)
    trainer.run()
    if process_index() == 0:
        save_file({k: v.contiguous() for k, v in trainer.network.state_dict().items()}, folder / "last.safetensors")


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    two, one = tmp_path / "two", tmp_path / "one"
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, str(two)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    _train(one)
    for worker in workers:
        _, errors = worker.communicate(timeout=600)
        assert worker.returncode == 0, errors
    logs = [[json.loads(line) for line in (f / "log.jsonl").read_text().splitlines()] for f in (one, two)]
    assert len(logs[1]) == 3  # one log, though two processes trained
    for alone, together in zip(*logs, strict=True):
        for key in ("loss", "knee", "shoulder", "detection", "contrast", "prior"):
            # Sums in another order; each step of the training magnifies the difference.
            assert together[key] == pytest.approx(alone[key], rel=2e-3, abs=2e-3), (alone["step"], key)
    weights, others = load_file(one / "last.safetensors"), load_file(two / "last.safetensors")
    running = [key for key in weights if "running" in key]
    assert running
    for key in running:  # statistics of all slices, not of a process's half
        torch.testing.assert_close(others[key], weights[key], rtol=1e-2, atol=1e-3)
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(7))
    answers = []
    for state in (weights, others):
        network = SharedUNet(JOINTS, WIDTHS, backbone="unet")
        network.load_state_dict(state)
        with torch.no_grad():
            answers.append(network.eval()(image, "knee"))
    torch.testing.assert_close(answers[1], answers[0], rtol=0, atol=5e-3)
    assert float((answers[0] - answers[0].mean()).abs().max()) > 0.05  # or the comparison would say nothing


def test_alone_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_processes("cpu") as device:
        assert device == torch.device("cpu")
        assert processes.process_count() == 1
        value = torch.ones(2)
        assert processes.summed(value) is value and processes.gathered(value) is value


def test_slices_that_cannot_be_shared_evenly_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("MultiJointSegLib.learning.training_settings.process_count", lambda: 3)
    with pytest.raises(InputError, match="slices_per_joint is 4; with 3 processes a multiple of 3"):
        check_settings(SETTINGS, has_validation=False)


def test_patience_needs_a_validation() -> None:
    with pytest.raises(InputError, match="no examination is set aside"):
        check_settings(TrainingSettings(patience=2), has_validation=False)


if __name__ == "__main__":
    with joined_processes("cpu"):
        _train(Path(sys.argv[1]))
