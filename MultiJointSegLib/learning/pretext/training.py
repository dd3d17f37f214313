"""The training loop of the pretext tasks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from MultiJointSegLib.errors import CancelledError, MultiJointSegError
from MultiJointSegLib.learning.pretext.network import PretextNetwork, pretext_losses
from MultiJointSegLib.learning.pretext.norm_statistics import settle_norms
from MultiJointSegLib.learning.pretext.sampling import PretextBatch, PretextSampler
from MultiJointSegLib.progress import Progress, SilentProgress

CHECKPOINT_FILE = "checkpoint.safetensors"
LOG_FILE = "log.jsonl"
_END_FACTOR = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class PretextTrainingSettings:
    """What a pretraining is made of, besides the data."""

    steps: int = 4000
    batch: int = 12
    size_px: int = 160
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    gradient_clip: float = 5.0
    average_decay: float = 0.998
    validate_every: int = 250
    validation_slices: int = 48
    bfloat16: bool = False
    line_weight: float = 1.0
    location_weight: float = 1.0
    seed: int = 1


class PretextTrainer:
    """Trains the heat maps and locations of slices; a step is one batch of one domain.

    Parameters
    ----------
    network : PretextNetwork
        Trained in place, on the device that it is on. Its moving average, `average`, is what should be kept.
    train, validation : PretextSampler
        Over studies that have no patient in common.
    folder : Path
        Gets the log and the checkpoint. A run that finds its checkpoint there goes on from it.
    """

    def __init__(
        self,
        network: PretextNetwork,
        train: PretextSampler,
        validation: PretextSampler,
        settings: PretextTrainingSettings,
        folder: Path,
    ) -> None:
        self.network = network
        self.settings = settings
        self.folder = folder
        self._train = train
        self._device = next(network.parameters()).device
        self._optimizer = torch.optim.AdamW(
            [p for p in network.parameters() if p.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.average = {k: v.detach().clone() for k, v in network.state_dict().items()}
        self.step = 0
        self._checks: list[PretextBatch] = []
        left = settings.validation_slices
        while left > 0:
            self._checks.append(validation.batch(min(left, settings.batch), settings.size_px))
            left -= settings.batch
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, progress: Progress = SilentProgress()) -> None:  # noqa: B008
        """Train to the last step; validates, logs and saves a checkpoint every `validate_every` steps.

        Raises
        ------
        MultiJointSegError
            If the loss is no longer a number.
        CancelledError
            If the user cancelled; the checkpoint is that of the last step then.
        """
        self._resume()
        settings = self.settings
        self.network.train()
        while self.step < settings.steps:
            losses = self._train_step()
            self.step += 1
            self._update_average()
            if self.step % settings.validate_every == 0 or self.step == settings.steps:
                self._log({**losses, **self.validate()})
                self._save()
            try:
                progress.report(self.step / settings.steps, f"Training: step {self.step}, loss {losses['loss']:.4f}")
            except CancelledError:
                self._save()
                raise

    def finish(self) -> None:
        """Give the network the averaged weights, with normalization statistics that fit them, in evaluation mode."""
        self.network.load_state_dict(self.average)
        settings = self.settings
        settle_norms(self.network, lambda: self.losses(self._train.batch(settings.batch, settings.size_px)))
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def losses(self, batch: PretextBatch) -> dict[str, Tensor]:
        """Weighted sum "loss" and its parts "line" and "location" for one batch."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            heat, location = self.network(batch.images.to(self._device), batch.domain)
        line, place = pretext_losses(
            heat.float(),
            location.float(),
            batch.heat_maps.to(self._device),
            batch.has_line.to(self._device),
            batch.locations.to(self._device),
        )
        # A weight of 0 leaves the branch out of the graph altogether.
        terms = [w * t for w, t in ((self.settings.line_weight, line), (self.settings.location_weight, place)) if w > 0]
        return {"loss": torch.stack(terms).sum(), "line": line, "location": place}

    def _train_step(self) -> dict[str, float]:
        settings = self.settings
        warm = min(1.0, (self.step + 1) / settings.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / settings.steps))
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learning_rate * warm * (_END_FACTOR + (1 - _END_FACTOR) * cosine)
        losses = self.losses(self._train.batch(settings.batch, settings.size_px))
        if not bool(torch.isfinite(losses["loss"])):
            raise MultiJointSegError(
                f"The training broke down at step {self.step}: the loss is not a number; lower the learning rate."
            )
        self._optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.gradient_clip)
        self._optimizer.step()
        return {key: round(float(value.detach()), 6) for key, value in losses.items()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses on fixed, unseen slices with the averaged weights."""
        current = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        was_training = self.network.training
        self.network.load_state_dict(self.average)
        self.network.eval()
        found = [self.losses(batch) for batch in self._checks]
        self.network.load_state_dict(current)
        self.network.train(was_training)
        return {f"validation_{key}": round(sum(float(f[key]) for f in found) / len(found), 6) for key in found[0]}

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on, the average follows closely, so that it does not remember the untrained network.
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        for key, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[key].lerp_(value, 1 - decay)
            else:
                self.average[key].copy_(value)

    def _log(self, row: Mapping[str, Any]) -> None:
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": self.step, **row}) + "\n")

    def _save(self) -> None:
        tensors: dict[str, Tensor] = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for index, slots in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in slots.items()}
        tensors["generator"] = self._train.generator.get_state()
        tensors["torch_generator"] = torch.get_rng_state()
        tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
        temporary = self.folder / f".{CHECKPOINT_FILE}.tmp"
        record = {
            "step": str(self.step),
            "settings": json.dumps(asdict(self.settings)),
            "rng": json.dumps(self._train.rng.bit_generator.state),
        }
        save_file(tensors, temporary, record)
        temporary.replace(self.folder / CHECKPOINT_FILE)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT_FILE
        if not path.exists():
            return
        with safe_open(path, "pt") as stream:
            record = stream.metadata()
        self.step = int(record["step"])
        self._train.rng.bit_generator.state = json.loads(record["rng"])
        tensors = load_file(path, device=str(self._device))
        self.network.load_state_dict(_with_prefix(tensors, "network."))
        self.average = _with_prefix(tensors, "average.")
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _with_prefix(tensors, "optimizer.").items():
            index, slot = name.split(".", 1)
            slots.setdefault(int(index), {})[slot] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self._train.generator.set_state(tensors["generator"].cpu())
        torch.set_rng_state(tensors["torch_generator"].cpu())
        _keep_log_until(self.folder / LOG_FILE, self.step)


def _keep_log_until(path: Path, step: int) -> None:
    """Drop rows of steps that will be taken again."""
    if path.exists():
        rows = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] <= step]
        path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def split_studies(names: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices of the studies for training and for validation: at least one each.

    Raises
    ------
    MultiJointSegError
        If there are fewer than two.
    """
    if len(names) < 2:
        raise MultiJointSegError(
            f"There is {len(names)} study; at least 2 are needed, so that one can be held back to see what was learned."
        )
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    held = min(max(1, round(share * len(names))), len(names) - 1)
    return sorted(order[held:]), sorted(order[:held])
