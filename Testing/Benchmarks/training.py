"""How much of a training step is the network, and how much memory a step takes.

``python Testing/Benchmarks/training.py [--config CONFIG] [--size 160] [--repeats 15] [-o FILE]``

The same training steps are timed in turns with batches drawn from cached examinations (cropped, deformed and shaded as
in a training) and with one batch that is drawn once and given again: what is left then is the network, its losses and
the optimizer. The time of drawing is also taken by itself. Times are of the process's own CPU time on a CPU, so that
other programs do not count, and of the clock on a GPU. The examinations are phantoms made on the spot, or those of the
configuration's manifest.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from MultiJointSegLib.evaluation.studies.config import PhantomsConfig
from MultiJointSegLib.evaluation.studies.datasets import make_phantoms
from MultiJointSegLib.learning.config import LearningConfig, read_config
from MultiJointSegLib.learning.examination_data import load_split, read_split
from MultiJointSegLib.learning.sampler import BatchSource, JointBatch
from MultiJointSegLib.learning.schemes import build_contrast, build_network, plan_runs
from MultiJointSegLib.learning.trainer import Trainer


@dataclass
class Timed:
    """Notes the time that the drawing takes."""

    source: BatchSource
    generator: torch.Generator
    drawing_s: float = 0.0

    @property
    def device(self) -> torch.device:
        return self.source.device

    def joint_batch(self, key: str, count: int, size: int) -> JointBatch:
        start = _now(self.device)
        batch = self.source.joint_batch(key, count, size)
        self.drawing_s += _now(self.device) - start
        return batch

    def other_batch(self, count: int, size: int) -> Tensor:
        start = _now(self.device)
        batch = self.source.other_batch(count, size)
        self.drawing_s += _now(self.device) - start
        return batch


@dataclass
class Repeated:
    """Gives the first batch of each kind again and again."""

    source: BatchSource
    generator: torch.Generator
    drawing_s: float = 0.0
    _kept: dict[tuple[str, int, int], JointBatch | Tensor] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return self.source.device

    def joint_batch(self, key: str, count: int, size: int) -> JointBatch:
        if (key, count, size) not in self._kept:
            self._kept[key, count, size] = self.source.joint_batch(key, count, size)
        return self._kept[key, count, size]

    def other_batch(self, count: int, size: int) -> Tensor:
        if ("other", count, size) not in self._kept:
            self._kept["other", count, size] = self.source.other_batch(count, size)
        return self._kept["other", count, size]


def _trainer(config: LearningConfig, source: BatchSource, folder: Path) -> Trainer:
    plan = plan_runs(config)[0]
    network = build_network(plan)
    network.to(source.device, memory_format=torch.channels_last)
    contrast = build_contrast(plan, network)
    return Trainer(
        network, source, None, plan.settings, folder, None if contrast is None else contrast.to(source.device)
    )


def _now(device: torch.device) -> float:
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def measure(config: LearningConfig, folder: Path, size: int, repeats: int, device: torch.device) -> dict[str, object]:
    """Median seconds of a step with and without drawing, in turns after a warm-up, and the peak memory."""
    config, _, split = read_split(config, folder)
    config = config.model_copy(update={"training": config.training.model_copy(update={"sizes_px": (size,)})})
    train, _ = load_split(config, split, folder / "cache", device)
    source = train.source(config.joints, 1)
    drawn = Timed(source, source.generator)
    fixed = Repeated(source, torch.Generator(device).manual_seed(1))
    trainers = [_trainer(config, source, folder / name) for name, source in (("drawn", drawn), ("fixed", fixed))]
    for trainer in trainers:
        trainer.network.train()
        for _ in range(2):
            trainer._train_step()
    times: list[list[float]] = [[], []]
    drawing = []
    for _ in range(repeats):
        for series, trainer in zip(times, trainers, strict=True):
            drawn.drawing_s = 0.0
            start = _now(device)
            trainer._train_step()
            series.append(_now(device) - start)
            if trainer is trainers[0]:
                drawing.append(drawn.drawing_s)
    whole, network = (statistics.median(series) for series in times)
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else _peak_bytes()
    return {
        "scheme": config.scheme,
        "joints": list(config.joints),
        "backbone": config.network.backbone,
        "slices_per_joint": config.training.slices_per_joint,
        "size_px": size,
        "detection": config.training.detection_weight > 0,
        "step_s": round(whole, 4),
        "step_without_drawing_s": round(network, 4),
        "drawing_s": round(statistics.median(drawing), 4),
        "network_share": round(1 - statistics.median(drawing) / whole, 3),
        "peak_memory_mib": round(memory / 2**20),
        "memory_of": "GPU" if device.type == "cuda" else "the whole process",
        "repeats": repeats,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="training configuration (default: the defaults, on phantoms)")
    parser.add_argument("--size", type=int, default=160, help="height and width of the slices, pixels")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path, help="JSON file")
    arguments = parser.parse_args(argv)
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if arguments.config is not None:
            config, folder = read_config(arguments.config), arguments.config.parent
        else:
            make_phantoms(PhantomsConfig(examinations=1, first_seed=1), folder, None)
            data = {"manifest": "dataset.json", "validation": 0.0, "other_maps": 2}
            config = LearningConfig.model_validate({"scheme": "shared_multiscale", "data": data})
        found = measure(config, folder, arguments.size, arguments.repeats, torch.device(arguments.device))
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
