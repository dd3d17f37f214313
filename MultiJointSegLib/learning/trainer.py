"""The training loop of the shared network."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.diagnostics import diagnose_contrast
from MultiJointSegLib.learning.losses import detection_loss, hard_dice, segmentation_loss
from MultiJointSegLib.learning.prior import AnatomicalPrior
from MultiJointSegLib.learning.sampler import JointBatch, SliceSampler
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """What a training run is made of, besides the data."""

    steps: int = 4000
    slices_per_joint: int = 5
    other_slices: int = 5
    sizes_px: tuple[int, ...] = (128, 160, 192)
    learning_rate: float = 1.5e-3
    encoder_factor: float = 0.5
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    detection_weight: float = 0.3
    contrast_weight: float = 0.0
    prior_weight: float = 0.0
    gradient_clip: float = 5.0
    average_decay: float = 0.998
    validate_every: int = 250
    validation_slices: int = 24
    validation_size_px: int = 192
    bfloat16: bool = True
    seed: int = 1


class Trainer:
    """Trains on all joints at once: a step sums the losses of one batch of every joint and of the detection.

    Parameters
    ----------
    network : SharedUNet
        Trained in place. Its moving average, `average`, is what should be kept.
    train, validation : SliceSampler
        Samplers over maps that share no subject.
    folder : Path
        Gets `log.jsonl` and the checkpoint. A run that finds its checkpoint there goes on from it.
    contrast : MultiScaleContrast, optional
        Contrastive term, weighed by `settings.contrast_weight`; with weight 0 it is only measured.
    prior : AnatomicalPrior, optional
        Shape term, weighed by `settings.prior_weight`; with weight 0 it is only measured.
    """

    def __init__(
        self,
        network: SharedUNet,
        train: SliceSampler,
        validation: SliceSampler,
        settings: TrainingSettings,
        folder: Path,
        contrast: MultiScaleContrast | None = None,
        prior: AnatomicalPrior | None = None,
    ) -> None:
        self.network = network
        self.settings = settings
        self.folder = folder
        self.contrast = contrast
        self.prior = prior
        self._train = train
        self._device = train.bank.device
        encoder = list(network.encoder.parameters())
        known = {id(p) for p in encoder}
        rest = [p for p in network.parameters() if id(p) not in known]
        rest += [] if contrast is None else list(contrast.parameters())
        self._optimizer = torch.optim.AdamW(
            [{"params": encoder, "factor": settings.encoder_factor}, {"params": rest, "factor": 1.0}],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.average = {k: v.detach().clone() for k, v in network.state_dict().items()}
        count, size = settings.validation_slices, settings.validation_size_px
        self._validation = [(key, validation.joint_batch(key, count, size)) for key in network.joints]
        self._validation_other = validation.other_batch(count, size)
        self._validation_sampler = validation
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, progress: Progress = SilentProgress()) -> None:  # noqa: B008
        """Train to the last step; validates, logs and saves a checkpoint every `validate_every` steps."""
        self._resume()
        self.network.train()
        started, seconds = time.monotonic(), 0.0
        while self.step < self.settings.steps:
            self._set_learning_rate()
            losses = self._train_step()
            self.step += 1
            self._update_average()
            if self.step % self.settings.validate_every == 0 or self.step == self.settings.steps:
                seconds = (time.monotonic() - started) / self.settings.validate_every
                self._log({**losses, **self.validate(), "seconds_per_step": round(seconds, 3)})
                self._save()
                started = time.monotonic()
            progress.report(self.step / self.settings.steps, f"step {self.step}, loss {losses['loss']:.3f}")

    def _train_step(self) -> dict[str, float]:
        settings, sampler = self.settings, self._train
        sizes = settings.sizes_px
        size = sizes[int(torch.randint(len(sizes), (1,), generator=sampler.generator, device=self._device))]
        batches = {key: sampler.joint_batch(key, settings.slices_per_joint, size) for key in self.network.joints}
        other = sampler.other_batch(settings.other_slices, size)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=settings.bfloat16):
            levels = self.network.features_of({key: batch.images for key, batch in batches.items()})
            logits = {key: self.network.loss_logits(levels[key], key).float() for key in batches}
            shown = self.network.detect(torch.cat([*(b.images for b in batches.values()), other])).float()
        detection = detection_loss(shown, self._detection_targets(sampler, batches, other))
        segmentation = [
            segmentation_loss(logits[key], self.network.loss_target(batch.target, key))
            for key, batch in batches.items()
        ]
        loss = torch.stack(segmentation).sum() + settings.detection_weight * detection
        terms: dict[str, Tensor] = {}
        if self.contrast is not None:
            terms["contrast"], by_scale = self.contrast(levels)
            loss = loss + settings.contrast_weight * terms["contrast"]
            terms |= {f"contrast_scale_{scale}": value for scale, value in by_scale.items()}
        if self.prior is not None:
            shown_joint = {key: self.network.joint_logits(logits[key], key) for key in batches}
            penalties = [self.prior(shown_joint[key], batch.target, key) for key, batch in batches.items()]
            terms["prior"] = torch.stack(penalties).sum()
            loss = loss + settings.prior_weight * terms["prior"]
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        trained = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
        self._optimizer.step()
        parts = {key: round(float(s.detach()), 4) for key, s in zip(batches, segmentation, strict=True)}
        parts |= {key: round(float(value.detach()), 4) for key, value in {"detection": detection, **terms}.items()}
        return {"loss": round(float(loss.detach()), 4), **parts}

    def _detection_targets(self, sampler: SliceSampler, batches: Mapping[str, JointBatch], other: Tensor) -> Tensor:
        targets = [sampler.detection_targets(batch, index) for index, batch in enumerate(batches.values())]
        targets.append(torch.full((other.shape[0],), len(batches), device=self._device))
        return torch.cat(targets)

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """Dice of each bone and accuracy of the detection on fixed slices of unseen maps, with the averaged weights."""
        current = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        self.network.eval()
        dice = {
            key: [round(float(d), 4) for d in hard_dice(self.network(batch.images, key), batch.target)]
            for key, batch in self._validation
        }
        shown = self.network.detect(torch.cat([*(b.images for _, b in self._validation), self._validation_other]))
        target = self._detection_targets(self._validation_sampler, dict(self._validation), self._validation_other)
        judged = target >= 0
        accuracy = float((shown.argmax(1) == target)[judged].float().mean())
        measured: dict[str, Any] = {"validation_dice": dice, "validation_detection": round(accuracy, 4)}
        if self.contrast is not None:
            images = {key: batch.images for key, batch in self._validation}
            measured["validation_contrast"] = diagnose_contrast(self.network, self.contrast, images).rounded()
        self.network.load_state_dict(current)
        self.network.train()
        return measured

    def _set_learning_rate(self) -> None:
        settings = self.settings
        warm = min(1.0, (self.step + 1) / settings.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / settings.steps))
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learning_rate * group["factor"] * warm * (0.01 + 0.99 * cosine)

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
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": self.step, **row}) + "\n")

    def _save(self) -> None:
        tensors: dict[str, Tensor] = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        if self.contrast is not None:
            tensors |= {f"contrast.{k}": v for k, v in self.contrast.state_dict().items()}
        state = self._optimizer.state_dict()
        for index, slots in state["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in slots.items()}
        tensors["generator"] = self._train.generator.get_state()
        tensors["torch_generator"] = torch.get_rng_state()
        tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
        temporary = self.folder / ".checkpoint.safetensors.tmp"
        save_file(tensors, temporary, {"step": str(self.step), "settings": json.dumps(asdict(self.settings))})
        temporary.rename(self.folder / "checkpoint.safetensors")

    def _resume(self) -> None:
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            return
        from safetensors import safe_open

        with safe_open(path, "pt") as stream:
            self.step = int(stream.metadata()["step"])
        tensors = load_file(path, device=str(self._device))
        self.network.load_state_dict(_with_prefix(tensors, "network."))
        self.average = _with_prefix(tensors, "average.")
        if self.contrast is not None:
            self.contrast.load_state_dict(_with_prefix(tensors, "contrast."))
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _with_prefix(tensors, "optimizer.").items():
            index, slot = name.split(".", 1)
            slots.setdefault(int(index), {})[slot] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self._train.generator.set_state(tensors["generator"].cpu())
        torch.set_rng_state(tensors["torch_generator"].cpu())


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
