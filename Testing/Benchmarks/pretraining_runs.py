"""Trainings of the experiment `pretraining`: the pretext tasks, segmentation and classification."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pretraining_cases import Cases, Labelled, Size
from pretraining_rivals import RIVALS, ROTATION, SIMCLR, set_rate, train_rival
from torch import Tensor

from MultiJointSegLib.learning.losses import segmentation_loss
from MultiJointSegLib.learning.pretext.classification import classify_study, fit_classifier
from MultiJointSegLib.learning.pretext.classification_config import parse_classification_config
from MultiJointSegLib.learning.pretext.config import PretrainConfig, parse_pretrain_config
from MultiJointSegLib.learning.pretext.norm_statistics import settle_norms
from MultiJointSegLib.learning.pretext.prediction import error_table, evaluate_studies
from MultiJointSegLib.learning.pretext.prepared import PreparedStudy
from MultiJointSegLib.learning.pretext.pretrained import RECORD_FILE, load_pretrained, save_pretrained
from MultiJointSegLib.learning.pretext.pretraining import build_trainer
from MultiJointSegLib.learning.pretext.sampling import AugmentationSettings, random_grid, sample_on
from MultiJointSegLib.learning.train_shared import imagenet_weights
from MultiJointSegLib.networks.shared_unet import SharedUNet

PRETRAININGS = {
    "both tasks": {"line_weight": 1.0, "location_weight": 1.0},
    "lines alone": {"line_weight": 1.0, "location_weight": 0.0},
    "location alone": {"line_weight": 0.0, "location_weight": 1.0},
    "both tasks, from ImageNet": {"line_weight": 1.0, "location_weight": 1.0},
}
STARTS = ("none", "ImageNet", *RIVALS, *PRETRAININGS)
_ENCODER_ALONE = (ROTATION, SIMCLR, "location alone")
"""Pretrainings that leave the decoder untrained."""


def pretrained_folder(folder: Path, start: str) -> Path | None:
    """Where the pretraining of a start lies; None for starts without one."""
    if start in ("none", "ImageNet"):
        return None
    return folder / "pretrained" / start.replace(", ", "_").replace(" ", "_").replace("-", "_")


def pretrain(name: str, folder: Path, size: Size, cases: Cases, device: str) -> None:
    """One pretraining, unless it is there."""
    if (folder / RECORD_FILE).exists():
        return
    torch.manual_seed(1)
    network, trainer = build_trainer(_config(name, size, device), cases.unlabelled, cases.held_back, folder)
    started = time.monotonic()
    record: dict[str, object] = {}
    if name in RIVALS:
        record["errors"] = train_rival(name, network.trunk, size, cases.unlabelled, cases.held_back, device)
    else:
        trainer.run()
        trainer.finish()
        record["errors"] = error_table(*evaluate_studies(network, cases.held_back, "shared"))
        if cases.anatomical and name.startswith("both"):
            record["errors_to_anatomy"] = error_table(*evaluate_studies(network, cases.anatomical, "shared"))
    record["seconds"] = round(time.monotonic() - started, 1)
    save_pretrained(network, network.state_dict(), folder, record)
    print(f"pretrained: {name}, {time.monotonic() - started:.0f} s", flush=True)


def _config(name: str, size: Size, device: str) -> PretrainConfig:
    return parse_pretrain_config(
        {
            "data": {"folders": ["-"]},
            "targets": PRETRAININGS.get(name, {}),
            "network": {
                "decoder_channels": list(size.decoder_channels),
                "initialization": "imagenet" if name.endswith("ImageNet") else "scratch",
            },
            "training": {
                "steps": size.pretrain_steps, "batch": size.pretrain_batch, "size_px": size.size_px,
                "warmup_steps": max(1, size.pretrain_steps // 20), "validate_every": max(1, size.pretrain_steps // 4),
                "average_decay": 0.98 if size.pretrain_steps < 2000 else 0.998, "validation_slices": 24,
            },
            "device": device,
        }
    )  # fmt: skip


def segment(
    start: str, pretraining: Path | None, stacks: list[Labelled], cases: Cases, size: Size, seed: int, device: str
) -> dict[str, float]:
    """Train on labelled stacks from a start; mean Dice of every test subject."""
    torch.manual_seed(seed)
    network = SharedUNet({cases.joint: cases.bones}, size.decoder_channels)
    if start == "ImageNet":
        network.encoder.load_imagenet(imagenet_weights())
    elif pretraining is not None:
        load_pretrained(network, pretraining, "encoder" if start in _ENCODER_ALONE else "all")
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    settings = AugmentationSettings()

    def batch() -> tuple[Tensor, Tensor]:
        images, targets = [], []
        for _ in range(size.batch):
            stack = stacks[int(rng.integers(len(stacks)))]
            index = int(rng.integers(len(stack.classes)))
            grid = random_grid(stack.series, index, size.size_px, settings, rng)
            gain, noise = rng.uniform(0.8, 1.2), rng.uniform(0, 0.04)
            image = sample_on(stack.series.network_image(index), stack.series.grids[index], grid)
            image = image * gain + noise * torch.from_numpy(rng.standard_normal(image.shape).astype(np.float32))
            images.append(image.clamp(0, 1.5))
            own = stack.classes[index].astype(np.float32)[None]
            targets.append(sample_on(own, stack.series.grids[index], grid, mode="nearest")[0].long())
        return torch.stack(images).to(device), torch.stack(targets).to(device)

    network.train()
    for step in range(size.steps):
        set_rate(optimizer, 1e-3, step, size.steps)
        images, targets = batch()
        loss = segmentation_loss(network(images, cases.joint), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    settle_norms(network, lambda: network(batch()[0], cases.joint), min(20, size.steps))
    return {test.name: _dice(network, test, cases, device) for test in cases.test}


@torch.no_grad()
def _dice(network: SharedUNet, test: Labelled, cases: Cases, device: str) -> float:
    """Mean Dice over the bones that the stack shows."""
    rows, columns = test.classes.shape[1:]
    found = []
    for first in range(0, len(test.classes), 8):
        some = range(first, min(first + 8, len(test.classes)))
        images = torch.from_numpy(np.stack([test.series.network_image(i) for i in some]))
        logits = network(F.pad(images, (0, -columns % 32, 0, -rows % 32)).to(device), cases.joint)
        found.append(logits.argmax(1)[:, :rows, :columns].cpu().numpy())
    answer = np.concatenate(found)
    scores = []
    for bone in range(1, cases.bones + 1):
        truth, mine = test.classes == bone, answer == bone
        if truth.any():
            scores.append(2 * np.count_nonzero(truth & mine) / (np.count_nonzero(truth) + np.count_nonzero(mine)))
    return float(np.mean(scores))


def classify(
    start: str, pretraining: Path | None, share: float, cases: Cases, size: Size, seed: int, device: str
) -> dict[str, float]:
    """Train on a share of the studies whose growth plates are known; probability of the true class of every other."""
    rng = np.random.default_rng(seed)
    chosen: list[PreparedStudy] = []
    classes = sorted(set(cases.growth_plates.values()))
    for label in classes:
        own = [s for s in cases.known if cases.growth_plates[s.name] == label]
        chosen += [own[i] for i in rng.permutation(len(own))[: max(1, round(share * len(own)))]]
    config = parse_classification_config(
        {
            "data": {"folders": ["-"], "labels": "-", "pixel_mm": size.pixel_mm},
            "network": {
                "initialization": "imagenet" if start == "ImageNet" else "scratch",
                "pretrained": None if pretraining is None else str(pretraining),
            },
            "augmentation": {"mirror": 0.5},
            "training": {"steps": size.steps, "batch": size.batch, "size_px": size.size_px, "warmup_steps": 5},
            "device": device,
            "seed": seed,
        }
    )
    network = fit_classifier(config, chosen, cases.growth_plates, classes)
    answers = [classify_study(network, study, classes) for study in cases.asked]
    return {a.study: a.probabilities[cases.growth_plates[a.study]] for a in answers}
