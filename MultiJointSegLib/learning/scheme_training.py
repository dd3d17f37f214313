"""Carries out the trainings of a scheme, one after the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from MultiJointSegLib.anatomy import joint
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.config import LearningConfig, PriorConfig
from MultiJointSegLib.learning.pretext.pretrained import load_pretrained
from MultiJointSegLib.learning.prior import (
    AnatomicalPrior,
    AutoencoderSettings,
    load_shape_autoencoder,
    reconstruction_dice,
    save_shape_autoencoder,
    train_shape_autoencoder,
)
from MultiJointSegLib.learning.sampler import BankData, BatchSource, TrainingData
from MultiJointSegLib.learning.schemes import RunPlan, build_contrast, build_network, plan_runs, start_from_joint
from MultiJointSegLib.learning.stopwatch import Stopwatch
from MultiJointSegLib.learning.temperature_sample import SAMPLE_FILE, temperature_sample
from MultiJointSegLib.learning.train_shared import AVERAGE_FILE, RECORD_FILE, imagenet_weights
from MultiJointSegLib.learning.trainer import Trainer
from MultiJointSegLib.learning.training_settings import check_settings
from MultiJointSegLib.networks.processes import process_count, process_index, wait_for_all
from MultiJointSegLib.networks.shape_autoencoder import ShapeAutoencoder
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

CONFIG_FILE = "config.json"
_PRIOR_RECORD = "prior.json"
_PRIOR_SEED = 1000
_PRIOR_SLICES = 32
"""Slices of each joint on which a shape auto-encoder's reconstruction is judged."""


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A training that has ended: its plan, its folder, and the network with the averaged weights."""

    plan: RunPlan
    folder: Path
    network: SharedUNet


@dataclass(frozen=True, slots=True)
class _Data:
    train: TrainingData
    validation: TrainingData | None

    @property
    def device(self) -> torch.device:
        return self.train.device

    def sources(self, joints: Sequence[str], seed: int) -> tuple[BatchSource, BatchSource | None]:
        second = None if self.validation is None else self.validation.source(joints, seed + 1)
        return self.train.source(joints, seed), second


def train_scheme(
    config: LearningConfig,
    train: TrainingData,
    validation: TrainingData | None,
    folder: Path,
    progress: Progress = SilentProgress(),  # noqa: B008
    *,
    targets: Sequence[str] | None = None,
) -> list[TrainedRun]:
    """Train everything that a configuration asks for.

    Each run gets a folder below `folder`, as `train_shared` writes it. What is there already is not trained again;
    an interrupted run goes on from its checkpoint. Processes that train together all call this; the first one writes.

    Parameters
    ----------
    config : LearningConfig
    train, validation : TrainingData
        Share no subject. Without a validation nothing is measured on the way.
    folder : Path
    progress : Progress
    targets : sequence of str, optional
        Joints that a result is needed for; all by default.

    Returns
    -------
    list of TrainedRun
        The results only: one network for all joints, or one for each joint in the order of `config.joints`.

    Raises
    ------
    InputError
        If the parts of the configuration do not fit together (`schemes.plan_runs`), or the folder holds trainings of
        another configuration.
    """
    if config.input_mask is not None and isinstance(train, BankData):
        raise InputError(
            f'Tissue maps have no masks, but the input is "{config.input}"; train on a manifest of examinations, or '
            'set input to "image".'
        )
    plans = plan_runs(config, targets)
    for plan in plans:
        check_settings(plan.settings, has_validation=validation is not None)
    data = _Data(train, validation)
    _claim(folder, config)
    torch.set_flush_denormal(True)  # activations near zero are many times slower on CPUs otherwise
    done: dict[str, TrainedRun] = {}
    for index, plan in enumerate(plans):
        span = ProgressSpan(progress, index / len(plans), (index + 1) / len(plans))
        start = None if plan.start_from is None else done[plan.start_from].network.state_dict()
        done[plan.name] = _train_run(plan, config, data, folder, start, span)
    return [run for run in done.values() if run.plan.is_result]


def _claim(folder: Path, config: LearningConfig) -> None:
    path = folder / CONFIG_FILE
    content = config.model_dump(mode="json")
    exists = path.exists()
    wait_for_all()
    if exists:
        if json.loads(path.read_text(encoding="utf-8")) != content:
            raise InputError(f"'{folder}' holds trainings of another configuration; choose another folder.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(content, path)


def _train_run(
    plan: RunPlan,
    config: LearningConfig,
    data: _Data,
    folder: Path,
    start: dict[str, Tensor] | None,
    progress: Progress,
) -> TrainedRun:
    run_folder = folder / plan.name
    run_folder.mkdir(parents=True, exist_ok=True)
    network = build_network(plan)
    exists = (run_folder / RECORD_FILE).exists()
    wait_for_all()
    if exists:
        network.load_state_dict(load_file(run_folder / AVERAGE_FILE))
        return TrainedRun(plan, run_folder, network.eval())
    if start is not None:
        start_from_joint(network, start)
    elif plan.network.pretrained is not None:
        load_pretrained(network, Path(plan.network.pretrained), plan.network.pretrained_parts)
    elif plan.initialization == "imagenet":
        network.encoder.load_imagenet(imagenet_weights())
    anything: Any = network  # torch's own types know no memory format
    anything.to(data.device, memory_format=torch.channels_last)
    sources = data.sources(plan.joints, plan.settings.seed)
    stopwatch = Stopwatch()  # learning the shapes is part of the training
    prior = _prior(plan, config, data, folder, ProgressSpan(progress, 0.0, 0.2))
    torch.manual_seed(plan.settings.seed)  # the same whether the prior was trained just now or read
    contrast = build_contrast(plan, network)
    if contrast is not None:
        contrast.to(data.device)
    trainer = Trainer(network, *sources, plan.settings, run_folder, contrast, prior, stopwatch)
    trainer.run(ProgressSpan(progress, 0.2 if prior else 0.0, 1.0))
    network.load_state_dict(trainer.result)
    if process_index() == 0:
        _write_run(run_folder, plan, config, data, trainer)
    wait_for_all()
    return TrainedRun(plan, run_folder, network.eval().cpu())


def _write_run(folder: Path, plan: RunPlan, config: LearningConfig, data: _Data, trainer: Trainer) -> None:
    """Write the weights, what their temperatures are fitted to, and last the record that says that all is there."""
    spent = trainer.stopwatch.spent()
    network = trainer.network
    save_file({key: value.cpu().contiguous() for key, value in trainer.result.items()}, folder / AVERAGE_FILE)
    detection = plan.settings.detection_weight > 0
    if trainer.validation is not None:
        save_file(temperature_sample(network, trainer.validation, detection=detection), folder / SAMPLE_FILE)
    record = {
        "network": network.config(),
        "settings": asdict(plan.settings),
        "scheme": config.scheme,
        "start_from": plan.start_from,
        "imagenet": plan.initialization == "imagenet" and plan.network.pretrained is None,
        "data": {
            "train": data.train.names,
            "validation": [] if data.validation is None else data.validation.names,
        },
        "input": config.input,
        "mask": None if config.input_mask is None else config.input_mask.model_dump(mode="json"),
        "preprocessing": {key: getattr(config.data, key) for key in ("pixel_mm", "minimum_pitch_mm", "neighbor_mm")},
        "steps": trainer.step,
        "hours": round(spent["clock_s"] / 3600, 5),
        "cpu_hours": round(spent["cpu_s"] / 3600, 5),
        "device": str(data.device),
        "processes": process_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "validation": trainer.validate_result(),
    }
    _write_json(record, folder / RECORD_FILE)


def _prior(
    plan: RunPlan, config: LearningConfig, data: _Data, folder: Path, progress: Progress
) -> AnatomicalPrior | None:
    if plan.prior == "none":
        return None
    if plan.prior == "all_joints":
        everyone = _autoencoder(config.joints, plan, config.prior, data, folder / "prior", progress)
        return AnatomicalPrior(dict.fromkeys(plan.joints, everyone))
    autoencoders = {}
    for index, key in enumerate(plan.joints):
        span = ProgressSpan(progress, index / len(plan.joints), (index + 1) / len(plan.joints))
        autoencoders[key] = _autoencoder((key,), plan, config.prior, data, folder / f"prior_{key}", span)
    return AnatomicalPrior(autoencoders)


def _autoencoder(
    joints: Sequence[str],
    plan: RunPlan,
    settings: PriorConfig,
    data: _Data,
    folder: Path,
    progress: Progress,
) -> ShapeAutoencoder:
    """Train a shape auto-encoder and report its reconstruction of unseen maps, or read what an earlier run made."""
    path = folder / "prior.safetensors"
    exists = path.exists()
    wait_for_all()
    if exists:
        return load_shape_autoencoder(path, data.device)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.settings.seed)
    autoencoder = ShapeAutoencoder(
        {key: len(joint(key).bones) for key in joints},
        settings.channels,
        settings.code_channels,
        domain_layers=settings.domain_layers,
    ).to(data.device)
    size = min(plan.settings.sizes_px)
    # Seeds of their own: the segmenter's draws must not depend on whether the prior is trained or read.
    train, validation = data.sources(joints, _PRIOR_SEED)
    losses = train_shape_autoencoder(
        autoencoder,
        lambda key: train.joint_batch(key, max(plan.settings.slices_per_joint, 4), size).target,
        AutoencoderSettings(steps=settings.steps, learning_rate=settings.learning_rate),
        progress,
    )
    dice: dict[str, list[float]] = {}
    if validation is not None:
        unseen = {key: validation.joint_batch(key, _PRIOR_SLICES, size).target for key in joints}
        dice = reconstruction_dice(autoencoder, unseen)
    record = {
        "autoencoder": autoencoder.config(),
        "steps": settings.steps,
        "last_loss": losses[-1],
        "validation_dice": {
            key: {
                bone.key: None if value != value else round(value, 4)
                for bone, value in zip(joint(key).bones, values, strict=True)
            }
            for key, values in dice.items()
        },
    }
    if process_index() == 0:
        _write_json(record, folder / _PRIOR_RECORD)
        save_shape_autoencoder(autoencoder, path)
    return autoencoder


def _write_json(content: dict[str, Any], path: Path) -> None:
    if process_index() > 0:
        return
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    temporary.replace(path)
