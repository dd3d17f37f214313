"""The training loop: learns, resumes exactly, keeps an average."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from MultiJointSegLib.learning.checkpoint import CHECKPOINT_FILE
from MultiJointSegLib.learning.sampler import SliceSampler
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.learning.trainer import Trainer
from MultiJointSegLib.learning.training_settings import TrainingSettings
from MultiJointSegLib.networks.shared_unet import SharedUNet

SETTINGS = TrainingSettings(
    steps=4, slices_per_joint=2, other_slices=3, sizes_px=(64,), warmup_steps=2, validate_every=2, bfloat16=False,
    validation_slices=4, validation_size_px=64,
)  # fmt: skip


def _trainer(bank: TissueBank, folder: Path, settings: TrainingSettings = SETTINGS) -> Trainer:
    torch.manual_seed(3)
    network = SharedUNet({"knee": 4, "shoulder": 2}, (8, 8, 8, 8, 8))
    samplers = [SliceSampler(bank, list(network.joints), torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    return Trainer(network, samplers[0], samplers[1], settings, folder)


def test_resumed_run_equals_a_straight_one(the_bank: TissueBank, tmp_path: Path) -> None:
    straight = _trainer(the_bank, tmp_path / "straight")
    straight.run()

    class _Stop(Exception):  # noqa: N818 it stands for a power cut, not for an error of ours
        pass

    class _PowerCut:
        def report(self, fraction: float, message: str) -> None:
            if fraction > 0.7:
                raise _Stop

    first = _trainer(the_bank, tmp_path / "resumed")
    with pytest.raises(_Stop):
        first.run(_PowerCut())
    torch.manual_seed(99)  # whatever the new process draws, the checkpoint decides
    second = _trainer(the_bank, tmp_path / "resumed")
    second.run()
    assert second.step == 4
    with safe_open(tmp_path / "resumed" / CHECKPOINT_FILE, "pt") as stream:
        spent = json.loads(stream.metadata()["spent"])
    third = _trainer(the_bank, tmp_path / "resumed")
    third.run()  # nothing is left to do, but the time is that of the whole training
    assert third.stopwatch.spent()["cpu_s"] >= spent["cpu_s"] > 0
    for key, value in straight.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[key]), key
    for key, value in straight.average.items():
        assert torch.equal(value, second.average[key]), key


def test_log_has_a_row_for_each_validation(the_bank: TissueBank, tmp_path: Path) -> None:
    _trainer(the_bank, tmp_path).run()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert set(rows[0]["validation_dice"]) == {"knee", "shoulder"}
    assert 0 <= rows[1]["validation_detection"] <= 1


def test_validation_leaves_the_training_untouched(the_bank: TissueBank, tmp_path: Path) -> None:
    trainer = _trainer(the_bank, tmp_path)
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    trainer.validate()
    assert all(torch.equal(v, before[k]) for k, v in trainer.network.state_dict().items())
    assert trainer.network.training


@pytest.mark.slow
def test_loss_falls(the_bank: TissueBank, tmp_path: Path) -> None:
    _trainer(the_bank, tmp_path, replace(SETTINGS, steps=60, validate_every=10, learning_rate=4e-3)).run()
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sum(losses[-2:]) < 0.9 * sum(losses[:2])
