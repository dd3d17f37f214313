"""Whether pretraining on imaging planes saves labels: segmentation of knees from n = 1, 2, 4, 8 labelled examinations.

``python Testing/Benchmarks/pretraining.py FOLDER -o FILE [--size tiny|cpu|full] [--device cpu] [--processes 2]``

1. Synthetic knees are imaged as a technologist would: sagittal, coronal and axial stacks placed by the joint's anatomy,
   with scatter. Some are unlabelled (pretraining), some labelled, some for testing; no knee is in two of these.
2. Pretraining, equal data and steps: both tasks, lines alone, location alone, and prediction of quarter turns
   (Gidaris et al. 2018, arXiv 1803.07728) as comparator. All start from random weights; one more starts from ImageNet.
3. Each start, and random and ImageNet weights without any pretraining, is trained to segment the sagittal stacks of n
   labelled knees: same steps, same order of slices, several seeds. Encoder and decoder are transferred where both were
   pretrained; normalization and output layers as `load_pretrained` does it.
4. Mean Dice over the bones on the test knees, at the network's pixel; paired tests over the knees (mean over seeds).

Started again on the same folder it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from MultiJointSegLib import anatomy
from MultiJointSegLib.evaluation.statistics import PairedComparison, compare_paired, corrected
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.learning.losses import segmentation_loss
from MultiJointSegLib.learning.pretext.config import PretrainConfig, parse_pretrain_config
from MultiJointSegLib.learning.pretext.norm_statistics import settle_norms
from MultiJointSegLib.learning.pretext.phantom_studies import (
    LABEL_FOLDER,
    ScatterSettings,
    make_phantom_study,
    write_phantom_study,
)
from MultiJointSegLib.learning.pretext.prediction import error_table, evaluate_studies
from MultiJointSegLib.learning.pretext.prepared import PreparedSeries, PreparedStudy, prepare_study
from MultiJointSegLib.learning.pretext.pretrained import RECORD_FILE, load_pretrained, save_pretrained
from MultiJointSegLib.learning.pretext.pretraining import build_trainer
from MultiJointSegLib.learning.pretext.sampling import (
    AugmentationSettings,
    PretextSampler,
    random_grid,
    sample_on,
)
from MultiJointSegLib.learning.pretext.study import FileSlice, Study
from MultiJointSegLib.learning.pretext.study_reading import read_study
from MultiJointSegLib.learning.train_shared import imagenet_weights
from MultiJointSegLib.networks.shared_unet import SharedUNet

JOINT = "knee"
VIEWS = ("sagittal", "coronal", "axial")
SEGMENTED_VIEW = "sagittal"
LABELLED = (1, 2, 4, 8)
PRETRAININGS = {
    "both tasks": {"line_weight": 1.0, "location_weight": 1.0},
    "lines alone": {"line_weight": 1.0, "location_weight": 0.0},
    "location alone": {"line_weight": 0.0, "location_weight": 1.0},
    "both tasks, from ImageNet": {"line_weight": 1.0, "location_weight": 1.0},
}
ROTATION = "rotation prediction"
STARTS = ("none", "ImageNet", ROTATION, *PRETRAININGS)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    unlabelled: int
    held_back: int
    test: int
    pixel_mm: float
    map_spacing_mm: float
    size_px: int
    pretrain_steps: int
    pretrain_batch: int
    steps: int
    batch: int
    seeds: int
    decoder_channels: tuple[int, ...]
    labelled: tuple[int, ...] = LABELLED


SIZES = {
    "tiny": Size(2, 2, 2, 2.5, 2.4, 64, 2, 2, 2, 2, 1, (8, 8, 8, 8, 8), (1, 2)),
    "cpu": Size(20, 4, 8, 1.2, 1.4, 96, 400, 8, 100, 6, 2, (64, 48, 32, 24, 16)),
    "full": Size(400, 40, 60, 0.8, 0.8, 160, 20000, 24, 4000, 12, 5, (128, 96, 64, 32, 16)),
}


def make_studies(folder: Path, size: Size, processes: int) -> dict[str, list[Path]]:
    """Write the synthetic knees that are not there yet; returns the folders of each part."""
    parts, first = {}, 500_000
    for part, count in (
        ("unlabelled", size.unlabelled), ("held_back", size.held_back),
        ("labelled", max(size.labelled)), ("test", size.test),
    ):  # fmt: skip
        parts[part] = [(folder / part / f"{JOINT}_{seed:06d}", seed) for seed in range(first, first + count)]
        first += 100_000
    missing = [
        (str(path), seed, size.map_spacing_mm, size.pixel_mm)
        for places in parts.values()
        for path, seed in places
        if not (path / "study.json").exists()
    ]
    with ProcessPoolExecutor(processes) as pool:
        for done, _ in enumerate(pool.map(_make, missing), start=1):
            print(f"study {done} of {len(missing)}", flush=True)
    return {part: [path for path, _ in places] for part, places in parts.items()}


def _make(job: tuple[str, int, float, float]) -> None:
    path, seed, map_spacing_mm, pixel_mm = job
    scatter = ScatterSettings(map_spacing_mm=map_spacing_mm, pixel_mm=(0.75 * pixel_mm, 1.1 * pixel_mm))
    write_phantom_study(make_phantom_study(JOINT, seed, views=VIEWS, scatter=scatter), Path(path))


class RotationNetwork(nn.Module):
    """The encoder with a head that tells by how many quarter turns an image was turned."""

    def __init__(self, trunk: SharedUNet) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(2 * trunk.encoder.channels[-1], 4)

    def forward(self, x: Tensor) -> Tensor:
        bottleneck = self.trunk.features(x, "shared")[0]
        logits: Tensor = self.head(torch.cat([bottleneck.mean((2, 3)), bottleneck.amax((2, 3))], dim=1))
        return logits


def pretrain(
    name: str, folder: Path, size: Size, train: list[PreparedStudy], held: list[PreparedStudy], device: str
) -> None:
    """One pretraining, unless it is there."""
    if (folder / RECORD_FILE).exists():
        return
    torch.manual_seed(1)
    config = _config(name, size, device)
    network, trainer = build_trainer(config, train, held, folder)
    started = time.monotonic()
    if name == ROTATION:
        errors = {"accuracy": _train_rotation(RotationNetwork(network.trunk).to(device), size, train, held, device)}
        state = network.state_dict()
    else:
        trainer.run()
        trainer.finish()
        errors = error_table(*evaluate_studies(network, held, "shared"))
        state = trainer.average
    save_pretrained(network, state, folder, {"errors": errors, "seconds": round(time.monotonic() - started, 1)})
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


def _train_rotation(
    network: RotationNetwork, size: Size, train: list[PreparedStudy], held: list[PreparedStudy], device: str
) -> float:
    """Train the encoder; returns the accuracy on studies held back."""
    steps = size.pretrain_steps
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    samplers = [PretextSampler(part, sigma_mm=7.56, seed=seed) for part, seed in ((train, 1), (held, 2))]
    generator = torch.Generator().manual_seed(1)

    def batch(sampler: PretextSampler) -> tuple[Tensor, Tensor]:
        images = sampler.batch(size.pretrain_batch, size.size_px).images
        turns = torch.randint(4, (len(images),), generator=generator)
        turned = torch.stack([torch.rot90(x, int(t), (1, 2)) for x, t in zip(images, turns, strict=True)])
        return turned.to(device), turns.to(device)

    network.train()
    for step in range(steps):
        _set_rate(optimizer, 1e-3, step, steps)
        images, turns = batch(samplers[0])
        loss = F.cross_entropy(network(images), turns)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    settle_norms(network, lambda: network(batch(samplers[0])[0]), min(20, steps))
    with torch.no_grad():
        hits = [
            (network(images).argmax(1) == turns).float().mean()
            for images, turns in (batch(samplers[1]) for _ in range(8))
        ]
    return round(float(torch.stack(hits).mean()), 4)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float, step: int, steps: int) -> None:
    warm = min(1.0, (step + 1) / max(1, steps // 20))
    for group in optimizer.param_groups:
        group["lr"] = rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A stack with its labels: class indices uint8 (slices, rows, columns)."""

    name: str
    series: PreparedSeries
    classes: np.ndarray


def labelled_stack(path: Path, size: Size) -> Labelled:
    """The segmented view of one knee with its labels."""
    study = read_study(path)
    chosen = [s for s in study.series if s.key == SEGMENTED_VIEW]
    prepared = prepare_study(Study(study.name, tuple(chosen), study.joint, study.side), pixel_mm=size.pixel_mm)
    series = prepared.series[0]
    labels = read_label_map(path / LABEL_FOLDER / f"{SEGMENTED_VIEW}.nii.gz").array
    classes = np.zeros(256, np.uint8)
    for index, label in enumerate(anatomy.joint(JOINT).labels, start=1):
        classes[label] = index
    stack = []
    for place, grid in zip(chosen[0].slices, series.grids, strict=True):
        image = place.images[0]
        assert isinstance(image, FileSlice)
        own = classes[labels.take(image.index, image.axis)].astype(np.float32)[None]
        stack.append(sample_on(own, place.grid, grid, mode="nearest")[0].numpy().astype(np.uint8))
    return Labelled(study.name, series, np.stack(stack))


def segment(start: str, pretraining: Path | None, stacks: list[Labelled], tests: list[Labelled], size: Size, seed: int,
            device: str) -> dict[str, float]:  # fmt: skip
    """Train on labelled stacks from a start; mean Dice of every test knee."""
    torch.manual_seed(seed)
    bones = len(anatomy.joint(JOINT).bones)
    network = SharedUNet({JOINT: bones}, size.decoder_channels)
    if start == "ImageNet":
        network.encoder.load_imagenet(imagenet_weights())
    elif pretraining is not None:
        load_pretrained(network, pretraining, "encoder" if start in (ROTATION, "location alone") else "all")
    network = network.to(device)
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
        _set_rate(optimizer, 1e-3, step, size.steps)
        images, targets = batch()
        loss = segmentation_loss(network(images, JOINT), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    settle_norms(network, lambda: network(batch()[0], JOINT), min(20, size.steps))
    return {test.name: _dice(network, test, bones, device) for test in tests}


@torch.no_grad()
def _dice(network: SharedUNet, test: Labelled, bones: int, device: str) -> float:
    """Mean Dice over the bones that the stack shows."""
    rows, columns = test.classes.shape[1:]
    found = []
    for first in range(0, len(test.classes), 8):
        some = range(first, min(first + 8, len(test.classes)))
        images = torch.from_numpy(np.stack([test.series.network_image(i) for i in some]))
        logits = network(F.pad(images, (0, -columns % 32, 0, -rows % 32)).to(device), JOINT)
        found.append(logits.argmax(1)[:, :rows, :columns].cpu().numpy())
    answer = np.concatenate(found)
    scores = []
    for bone in range(1, bones + 1):
        truth, mine = test.classes == bone, answer == bone
        if truth.any():
            scores.append(2 * np.count_nonzero(truth & mine) / (np.count_nonzero(truth) + np.count_nonzero(mine)))
    return float(np.mean(scores))


def table(rows: list[dict], size: Size) -> dict[str, object]:
    """Means by start and n, and paired comparisons of the pretraining with its rivals."""

    def by_knee(start: str, n: int) -> dict[str, float]:
        some = [r["dice"] for r in rows if r["start"] == start and r["labelled"] == n]
        return {knee: float(np.mean([d[knee] for d in some])) for knee in some[0]}

    means = {s: {str(n): round(float(np.mean(list(by_knee(s, n).values()))), 4) for n in size.labelled} for s in STARTS}
    pairs: list[tuple[str, str, int, PairedComparison]] = []
    for n in size.labelled:
        rivals = ("none", "ImageNet", ROTATION)
        pairs += [("both tasks", r, n, compare_paired(by_knee("both tasks", n), by_knee(r, n))) for r in rivals]
        # Pretraining from ImageNet weights starts ahead: its fair rival starts there too.
        mine = by_knee("both tasks, from ImageNet", n)
        pairs.append(("both tasks, from ImageNet", "ImageNet", n, compare_paired(mine, by_knee("ImageNet", n))))
    tested = corrected([c for *_, c in pairs])
    comparisons = [
        {
            "first": first, "second": second, "labelled": n, "subjects": c.pairs,
            "mean_difference": round(c.mean_difference, 4),
            "interval": [round(c.interval.low, 4), round(c.interval.high, 4)],
            "p": c.p_value, "p_corrected": c.p_corrected,
        }
        for (first, second, n, _), c in zip(pairs, tested, strict=True)
    ]  # fmt: skip
    return {"mean_dice": means, "comparisons": comparisons}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for studies and networks; a run that was stopped goes on")
    parser.add_argument("-o", "--output", type=Path, required=True, help="table, JSON")
    parser.add_argument("--size", choices=tuple(SIZES), default="cpu")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2, help="for making the studies")
    arguments = parser.parse_args()
    started = time.monotonic()
    size, folder = SIZES[arguments.size], arguments.folder / arguments.size
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)
    paths = make_studies(folder, size, arguments.processes)
    parts = {
        part: [prepare_study(read_study(p), pixel_mm=size.pixel_mm) for p in paths[part]]
        for part in ("unlabelled", "held_back")
    }
    for name in (ROTATION, *PRETRAININGS):
        place = folder / "pretrained" / name.replace(", ", "_").replace(" ", "_")
        pretrain(name, place, size, parts["unlabelled"], parts["held_back"], arguments.device)
    stacks, tests = ([labelled_stack(p, size) for p in paths[part]] for part in ("labelled", "test"))
    log = folder / "segmentation.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(r["start"], r["labelled"], r["seed"]) for r in rows}
    for seed in range(size.seeds):
        order = np.random.default_rng(seed).permutation(len(stacks))
        for n in size.labelled:
            for start in STARTS:
                if (start, n, seed) in done:
                    continue
                known = start in ("none", "ImageNet")
                place = None if known else folder / "pretrained" / start.replace(", ", "_").replace(" ", "_")
                scores = segment(start, place, [stacks[i] for i in order[:n]], tests, size, seed, arguments.device)
                rows.append({"start": start, "labelled": n, "seed": seed, "dice": scores})
                with log.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print(f"n = {n}, seed {seed}, {start}: {np.mean(list(scores.values())):.4f}", flush=True)
    pretrainings = {
        name: json.loads((folder / "pretrained" / name.replace(", ", "_").replace(" ", "_") / RECORD_FILE).read_text())
        for name in (ROTATION, *PRETRAININGS)
    }
    result = {
        "size": arguments.size, "settings": asdict(size), "joint": JOINT, "view": SEGMENTED_VIEW,
        "minutes": round((time.monotonic() - started) / 60, 1), "torch": torch.__version__,
        "pretraining": {k: {"errors": v["errors"], "seconds": v["seconds"]} for k, v in pretrainings.items()},
        **table(rows, size),
    }  # fmt: skip
    arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for start, by_n in result["mean_dice"].items():
        print(f"{start:28s}" + "".join(f"  n={n}: {value:.3f}" for n, value in by_n.items()))


if __name__ == "__main__":
    main()
