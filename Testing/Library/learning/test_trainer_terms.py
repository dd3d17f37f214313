"""The contrastive and the shape term in the training loop."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.prior import AnatomicalPrior
from MultiJointSegLib.learning.sampler import SliceSampler
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.learning.trainer import Trainer
from MultiJointSegLib.learning.training_settings import TrainingSettings
from MultiJointSegLib.networks.shape_autoencoder import ShapeAutoencoder
from MultiJointSegLib.networks.shared_unet import SharedUNet

SETTINGS = TrainingSettings(
    steps=4,
    slices_per_joint=2,
    other_slices=3,
    sizes_px=(32,),
    warmup_steps=2,
    validate_every=2,
    validation_slices=4,
    validation_size_px=32,
    bfloat16=False,
    contrast_weight=0.3,
    prior_weight=0.3,
)
JOINTS = {"knee": 4, "shoulder": 2}
WIDTHS = (8, 8, 8, 8, 8)


def _trainer(
    bank: TissueBank,
    folder: Path,
    settings: TrainingSettings = SETTINGS,
    *,
    terms: bool = True,
    projection: str = "identity",
    **options: bool,
) -> Trainer:
    torch.manual_seed(3)
    network = SharedUNet(JOINTS, WIDTHS, backbone="unet", **options)
    torch.manual_seed(4)
    channels = [network.encoder.channels[-1], *WIDTHS]
    contrast = MultiScaleContrast(channels, projection=projection, projection_channels=8) if terms else None
    prior = AnatomicalPrior(ShapeAutoencoder(JOINTS, (4, 4), 4)) if terms else None
    samplers = [SliceSampler(bank, list(JOINTS), torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    torch.manual_seed(5)
    return Trainer(network, samplers[0], samplers[1], settings, folder, contrast, prior)


def _weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in trainer.network.state_dict().items()}


def test_every_term_is_logged_per_scale_with_its_diagnosis(the_bank: TissueBank, tmp_path: Path) -> None:
    _trainer(the_bank, tmp_path).run()
    row = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    scales = [row[f"contrast_scale_{scale}"] for scale in range(6)]
    assert row["contrast"] == pytest.approx(sum(scales) / 6, abs=2e-4)
    parts = row["knee"] + row["shoulder"] + SETTINGS.detection_weight * row["detection"]
    assert row["loss"] == pytest.approx(parts + 0.3 * row["contrast"] + 0.3 * row["prior"], abs=5e-4)
    assert row["prior"] > 0
    diagnosis = row["validation_contrast"]
    assert set(diagnosis) == {"loss", "returned", "probe_accuracy"}
    assert all(set(values) == set("012345") for values in diagnosis.values())


def test_terms_of_weight_zero_are_measured_and_change_nothing(the_bank: TissueBank, tmp_path: Path) -> None:
    settings = replace(SETTINGS, contrast_weight=0.0, prior_weight=0.0)
    without = _trainer(the_bank, tmp_path / "without", settings, terms=False)
    measured = _trainer(the_bank, tmp_path / "measured", settings)
    weighed = _trainer(the_bank, tmp_path / "weighed")
    for trainer in (without, measured, weighed):
        torch.manual_seed(5)  # the same dropout
        trainer.run()
    expected = _weights(without)
    assert all(torch.equal(value, expected[key]) for key, value in _weights(measured).items())
    assert not all(torch.equal(value, expected[key]) for key, value in _weights(weighed).items())


def test_resumed_run_with_a_projection_head_equals_a_straight_one(the_bank: TissueBank, tmp_path: Path) -> None:
    straight = _trainer(the_bank, tmp_path / "straight", projection="mlp")
    untrained = {key: value.clone() for key, value in straight.contrast.state_dict().items()}
    straight.run()

    class _Stop(Exception):  # noqa: N818 it stands for a power cut, not for an error of ours
        pass

    class _PowerCut:
        def report(self, fraction: float, message: str) -> None:
            if fraction > 0.7:
                raise _Stop

    with pytest.raises(_Stop):
        _trainer(the_bank, tmp_path / "resumed", projection="mlp").run(_PowerCut())
    second = _trainer(the_bank, tmp_path / "resumed", projection="mlp")
    second.run()
    expected = _weights(straight)
    assert all(torch.equal(value, expected[key]) for key, value in _weights(second).items())
    for key, value in straight.contrast.state_dict().items():
        assert torch.equal(value, second.contrast.state_dict()[key])
        assert not torch.equal(value, untrained[key])


def test_shared_layers_train_with_every_term(the_bank: TissueBank, tmp_path: Path) -> None:
    trainer = _trainer(the_bank, tmp_path, domain_norm=False, domain_output=False)
    before = _weights(trainer)
    trainer.run()
    assert not torch.equal(before["heads.union.weight"], trainer.network.heads["union"].weight)
    assert trainer.step == 4


def test_the_frozen_prior_is_not_trained(the_bank: TissueBank, tmp_path: Path) -> None:
    trainer = _trainer(the_bank, tmp_path)
    before = {key: value.clone() for key, value in trainer.prior.state_dict().items()}
    trainer.run()
    assert all(torch.equal(value, before[key]) for key, value in trainer.prior.state_dict().items())
