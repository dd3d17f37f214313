"""Telling studies apart: a head on the shared encoder, trained on whole studies with one class each."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import MultiJointSegLib
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.pretext.classification_config import ClassificationConfig, parse_classification_config
from MultiJointSegLib.learning.pretext.norm_statistics import settle_norms
from MultiJointSegLib.learning.pretext.prepared import PreparedSeries, PreparedStudy, prepare_study
from MultiJointSegLib.learning.pretext.pretrained import load_pretrained
from MultiJointSegLib.learning.pretext.pretraining import choose_torch_device, load_imagenet_encoder
from MultiJointSegLib.learning.pretext.sampling import (
    AugmentationSettings,
    cut_borders,
    random_grid,
    sample_on,
    vary_contrast,
)
from MultiJointSegLib.learning.pretext.study_reading import read_studies
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

WEIGHTS_FILE = "classifier.safetensors"
RECORD_FILE = "classifier.json"
_DOMAIN = "all"
_DROPOUT = 0.2
_MULTIPLE = 32
_BATCH = 8


class SliceClassifier(nn.Module):
    """Class logits of single slices: mean and maximum of the encoder's last features, one linear layer.

    Parameters
    ----------
    classes : int
    backbone : str
        See `networks.shared_unet.SharedUNet`, of which only the encoder is used here.
    """

    def __init__(self, classes: int, backbone: str) -> None:
        super().__init__()
        # The smallest decoder: it comes with the shared network and is not used.
        self.shared = SharedUNet({_DOMAIN: 1}, (1, 1, 1, 1, 1), backbone=backbone)
        self.head = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(2 * self.shared.encoder.channels[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (b, classes) of slices (b, 3, h, w); h and w multiples of 32."""
        bottleneck = self.shared.features(x, _DOMAIN)[0]
        logits: Tensor = self.head(torch.cat([bottleneck.mean((2, 3)), bottleneck.amax((2, 3))], dim=1))
        return logits


@dataclass(frozen=True, slots=True)
class Answer:
    """What a classifier says of a study: its class, and the probability of every class."""

    study: str
    label: str
    probabilities: dict[str, float]


def read_labels(path: Path) -> dict[str, str]:
    """Class of every study by its name, from a CSV table with the columns "study" and "label".

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or names a study twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table of classes '{path}' cannot be read: {error}.") from error
    if not rows or not {"study", "label"} <= set(rows[0]):
        raise InputError(f"The table of classes '{path}' needs the columns 'study' and 'label', and at least one row.")
    labels: dict[str, str] = {}
    for row in rows:
        study, label = (row["study"] or "").strip(), (row["label"] or "").strip()
        if not study or not label:
            raise InputError(f"The table of classes '{path}' has a row without study or label.")
        if study in labels:
            raise InputError(f"The table of classes '{path}' names the study '{study}' twice; keep one row.")
        labels[study] = label
    return labels


def train_classifier(
    config: ClassificationConfig,
    folder: Path,
    progress: Progress = SilentProgress(),  # noqa: B008
) -> dict[str, Any]:
    """Train, judge on studies held back, and save.

    Parameters
    ----------
    config : ClassificationConfig
    folder : Path
        Gets classifier.safetensors and classifier.json.

    Returns
    -------
    dict
        The record: classes, accuracy, balanced accuracy and confusion (true class, then answer) on studies held back.

    Raises
    ------
    InputError
        If the labels name no study of the folders, or a class has fewer than two studies.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"'{folder}' exists already; choose another folder.")
    studies, labels, missing = _labelled_studies(config, ProgressSpan(progress, 0.0, 0.2))
    classes = sorted(set(labels.values()))
    train, held = _split(studies, labels, config.data.validation_share, config.seed)
    started = time.monotonic()
    network = fit_classifier(config, train, labels, classes, ProgressSpan(progress, 0.2, 0.95))
    answers = [classify_study(network, study, classes) for study in held]
    record: dict[str, Any] = {
        "version": MultiJointSegLib.__version__,
        "classes": classes,
        "config": config.model_dump(mode="json"),
        "studies": {"train": [s.name for s in train], "held_back": [s.name for s in held]},
        "not_found": missing,
        "seconds": round(time.monotonic() - started, 1),
        **_judge(answers, labels, classes),
    }
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with atomic_write(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary)
    with atomic_write(folder / RECORD_FILE) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return record


def _labelled_studies(
    config: ClassificationConfig, progress: Progress
) -> tuple[list[PreparedStudy], dict[str, str], list[str]]:
    labels = read_labels(Path(config.data.labels))
    unusable: list[str] = []  # a study that cannot be read is told as not found
    found = [
        study
        for folder in config.data.folders
        for study in read_studies(
            Path(folder), pattern=config.data.pattern, each_file=config.data.each_file_is_a_study, problems=unusable
        )
        if study.name in labels
    ]
    if not found:
        raise InputError(f"None of the studies that '{config.data.labels}' names is in the folders.")
    prepared = []
    for index, study in enumerate(found):
        progress.report(index / len(found), f"Preparing studies: {study.name}")
        one = prepare_study(study, pixel_mm=config.data.pixel_mm, phases=1)
        kept = tuple(s for s in one.series if s.channel in config.data.views)
        if kept:
            prepared.append(PreparedStudy(one.name, one.joint, one.side, kept, one.notes))
    names = {s.name for s in prepared}
    return prepared, {n: v for n, v in labels.items() if n in names}, sorted(set(labels) - names)


def _split(
    studies: Sequence[PreparedStudy], labels: dict[str, str], share: float, seed: int
) -> tuple[list[PreparedStudy], list[PreparedStudy]]:
    """Hold back a share of every class, at least one study each."""
    rng = np.random.default_rng(seed)
    train: list[PreparedStudy] = []
    held: list[PreparedStudy] = []
    counts = {label: sum(labels[s.name] == label for s in studies) for label in sorted(set(labels.values()))}
    if len(counts) < 2 or min(counts.values()) < 2:
        shown = ", ".join(f"{label}: {count}" for label, count in counts.items())
        raise InputError(f"At least two classes with two studies each are needed; there are {shown or 'none'}.")
    for label in counts:
        own = [s for s in studies if labels[s.name] == label]
        order = rng.permutation(len(own))
        count = min(max(1, round(share * len(own))), len(own) - 1)
        held += [own[i] for i in sorted(order[:count])]
        train += [own[i] for i in sorted(order[count:])]
    return train, held


def fit_classifier(
    config: ClassificationConfig,
    studies: Sequence[PreparedStudy],
    labels: dict[str, str],
    classes: Sequence[str],
    progress: Progress = SilentProgress(),  # noqa: B008
) -> SliceClassifier:
    """Train on prepared studies whose class `labels` gives by name; every class needs at least one."""
    torch.manual_seed(config.seed)
    torch.set_flush_denormal(True)
    network = SliceClassifier(len(classes), config.network.backbone)
    if config.network.pretrained is not None:
        load_pretrained(network.shared, Path(config.network.pretrained), "encoder")
    elif config.network.initialization == "imagenet":
        load_imagenet_encoder(network.shared.encoder)
    device = choose_torch_device(config.device)
    anything: Any = network.to(device)
    anything.to(memory_format=torch.channels_last)  # faster on CPUs by a third
    settings = config.training
    used = [p for name, p in network.named_parameters() if name.startswith(("shared.encoder.", "head."))]
    optimizer = torch.optim.AdamW(used, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rng, generator = np.random.default_rng(config.seed), torch.Generator().manual_seed(config.seed)
    augmentation = AugmentationSettings(**config.augmentation.model_dump())
    by_class = [[s for s in studies if labels[s.name] == label] for label in classes]

    def batch() -> tuple[Tensor, Tensor]:
        # Every class is drawn as often, whatever its number of studies.
        target = rng.integers(len(classes), size=settings.batch)
        images = torch.stack([_random_slice(by_class[c], settings.size_px, augmentation, rng) for c in target])
        return vary_contrast(images, augmentation, generator).to(device), torch.from_numpy(target).to(device)

    network.train()
    for step in range(settings.steps):
        warm = min(1.0, (step + 1) / settings.warmup_steps)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
        images, target = batch()
        loss = F.cross_entropy(network(images), target, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progress.report((step + 1) / settings.steps, f"Training: step {step + 1}, loss {float(loss.detach()):.3f}")
    settle_norms(network, lambda: network(batch()[0]))
    return network


def _random_slice(
    studies: Sequence[PreparedStudy], size: int, settings: AugmentationSettings, rng: np.random.Generator
) -> Tensor:
    study = studies[int(rng.integers(len(studies)))]
    series: PreparedSeries = study.series[int(rng.integers(len(study.series)))]
    index = int(rng.integers(len(series.images)))
    grid = random_grid(series, index, size, settings, rng)
    image = cut_borders(series.network_image(index), settings.border, rng)
    return sample_on(image, series.grids[index], grid)


@torch.no_grad()
def classify_study(network: SliceClassifier, study: PreparedStudy, classes: Sequence[str]) -> Answer:
    """Class of a study: the mean of the probabilities of its slices, every series counting the same."""
    device = next(network.parameters()).device
    by_series = []
    for series in study.series:
        rows, columns = series.images.shape[-2:]
        found = []
        for first in range(0, len(series.images), _BATCH):
            some = range(first, min(first + _BATCH, len(series.images)))
            images = torch.from_numpy(np.stack([series.network_image(i) for i in some]))
            padded = F.pad(images, (0, -columns % _MULTIPLE, 0, -rows % _MULTIPLE))
            found.append(network(padded.to(device)).float().softmax(1).cpu())
        by_series.append(torch.cat(found).mean(0))
    probability = torch.stack(by_series).mean(0)
    best = int(probability.argmax())
    return Answer(study.name, classes[best], {c: round(float(p), 4) for c, p in zip(classes, probability, strict=True)})


def _judge(answers: Sequence[Answer], labels: dict[str, str], classes: Sequence[str]) -> dict[str, Any]:
    confusion = {true: dict.fromkeys(classes, 0) for true in classes}
    for answer in answers:
        confusion[labels[answer.study]][answer.label] += 1
    hits = sum(confusion[c][c] for c in classes)
    shares = [confusion[c][c] / sum(confusion[c].values()) for c in classes if sum(confusion[c].values())]
    return {
        "accuracy": round(hits / len(answers), 4),
        "balanced_accuracy": round(float(np.mean(shares)), 4),
        "confusion": confusion,
        "answers": {a.study: {"true": labels[a.study], "answer": a.label, **a.probabilities} for a in answers},
    }


def read_classifier(folder: Path) -> tuple[SliceClassifier, dict[str, Any]]:
    """A trained classifier, ready to answer, and its record.

    Raises
    ------
    InputError
        If the folder holds none.
    """
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS_FILE)
        config = parse_classification_config(record["config"])
        network = SliceClassifier(len(record["classes"]), config.network.backbone)
        network.load_state_dict(weights)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"'{folder}' is not a trained classifier: {WEIGHTS_FILE} and {RECORD_FILE} of one training are needed."
        ) from error
    return network.eval(), record
