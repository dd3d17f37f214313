"""The training loop of the shared network."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from MultiJointSegLib.errors import CancelledError
from MultiJointSegLib.learning.checkpoint import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from MultiJointSegLib.learning.contrastive import MultiScaleContrast
from MultiJointSegLib.learning.losses import detection_loss, merge_unlabeled, segmentation_loss
from MultiJointSegLib.learning.prior import AnatomicalPrior
from MultiJointSegLib.learning.run_log import RunLog
from MultiJointSegLib.learning.sampler import BatchSource, JointBatch, detection_targets
from MultiJointSegLib.learning.stopwatch import Stopwatch
from MultiJointSegLib.learning.training_settings import TrainingSettings, check_settings
from MultiJointSegLib.learning.validation import Validation, mean_dice
from MultiJointSegLib.networks.processes import average_gradients, process_count, process_index, summed
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.progress import Progress, SilentProgress


class Trainer:
    """Trains on all joints at once: a step sums the losses of one batch of every joint and of the detection.

    Processes that train together (`networks.processes`) draw the same batches and each take their share of the slices.

    Parameters
    ----------
    network : SharedUNet
        Trained in place. `result` is what should be kept of it.
    train : BatchSource
    validation : BatchSource or None
        Shares no subject with `train`; without it nothing is measured and training goes to the last step.
    settings : TrainingSettings
    folder : Path
        Gets the log and the checkpoint. A run that finds its checkpoint there goes on from it.
    contrast : MultiScaleContrast, optional
        Contrastive term, weighed by `settings.contrast_weight`; with weight 0 it is only measured.
    prior : AnatomicalPrior, optional
        Shape term, weighed by `settings.prior_weight`; with weight 0 it is only measured.
    stopwatch : Stopwatch, optional
        Running already where what came before belongs to the training; goes on over interruptions.

    Raises
    ------
    InputError
        If patience is asked for without a validation, or the processes cannot share the slices evenly.
    """

    def __init__(
        self,
        network: SharedUNet,
        train: BatchSource,
        validation: BatchSource | None,
        settings: TrainingSettings,
        folder: Path,
        contrast: MultiScaleContrast | None = None,
        prior: AnatomicalPrior | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        check_settings(settings, has_validation=validation is not None)
        self.network = network
        self.settings = settings
        self.folder = folder
        self.contrast = contrast
        self.prior = prior
        self._train = train
        self._device = train.device
        encoder = list(network.encoder.parameters())
        known = {id(p) for p in encoder}
        rest = [p for p in network.parameters() if id(p) not in known]
        rest += [] if contrast is None else list(contrast.parameters())
        self._trained = encoder + rest
        self._optimizer = torch.optim.AdamW(
            [{"params": encoder, "factor": settings.encoder_factor}, {"params": rest, "factor": 1.0}],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.average = {k: v.detach().clone() for k, v in network.state_dict().items()}
        self._best: dict[str, Tensor] = {}
        self._best_dice, self._since_best = -math.inf, 0
        self.validation = None
        if validation is not None:
            count, size = settings.validation_slices, settings.validation_size_px
            detection = settings.detection_weight > 0
            self.validation = Validation(validation, list(network.joints), count, size, detection=detection)
        self.step = 0
        self.stopwatch = stopwatch or Stopwatch()
        folder.mkdir(parents=True, exist_ok=True)
        self._log = RunLog(folder, tensorboard=settings.tensorboard, silent=process_index() > 0)

    @property
    def result(self) -> dict[str, Tensor]:
        """The weights to keep: the moving average, with patience the one that validated best."""
        return self._best or self.average

    def run(self, progress: Progress = SilentProgress()) -> None:  # noqa: B008
        """Train to the end; validates, logs and saves a checkpoint every `validate_every` steps.

        Raises
        ------
        CancelledError
            If the user cancelled; the checkpoint is then of the last whole step.
        """
        self._resume()
        self.network.train()
        started, first = time.monotonic(), self.step
        settings = self.settings
        while self.step < settings.steps and not self._is_done():
            self._set_learning_rate()
            losses = self._train_step()
            self.step += 1
            self._update_average()
            each = (time.monotonic() - started) / (self.step - first)
            if self.step % settings.validate_every == 0 or self.step == settings.steps:
                measured = self.validate()
                self._judge(measured)
                self._log.write(self.step, {**losses, **measured, "seconds_per_step": round(each, 3)})
                self._save()
            try:
                left = _duration((settings.steps - self.step) * each)
                message = f"Training: step {self.step} of {settings.steps}, loss {losses['loss']:.3f}, {left} left"
                progress.report(self.step / settings.steps, message)
            except CancelledError:
                self._save()
                raise

    def _train_step(self) -> dict[str, float]:
        settings, source = self.settings, self._train
        sizes = settings.sizes_px
        size = sizes[int(torch.randint(len(sizes), (1,), generator=source.generator, device=self._device))]
        batches = {key: _share(source.joint_batch(key, settings.slices_per_joint, size)) for key in self.network.joints}
        with torch.autocast(self._device.type, torch.bfloat16, enabled=settings.bfloat16):
            levels = self.network.features_of({key: batch.images for key, batch in batches.items()})
            logits = {key: self.network.loss_logits(levels[key], key).float() for key in batches}
        segmentation = [self._segmentation_loss(logits[key], batch, key) for key, batch in batches.items()]
        loss = torch.stack(segmentation).sum()
        terms: dict[str, Tensor] = {}
        if settings.detection_weight > 0 and self.step % settings.detection_every == 0:
            terms["detection"] = self._detection_loss(batches, size)
            loss = loss + settings.detection_weight * terms["detection"]
        if self.contrast is not None:
            terms["contrast"], by_scale = self.contrast(levels)
            loss = loss + settings.contrast_weight * terms["contrast"]
            terms |= {f"contrast_scale_{scale}": value for scale, value in by_scale.items()}
        if self.prior is not None:
            terms["prior"] = self._prior_loss(self.prior, logits, batches)
            loss = loss + settings.prior_weight * terms["prior"]
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self._trained)
        torch.nn.utils.clip_grad_norm_(self._trained, settings.gradient_clip)
        self._optimizer.step()
        parts = {"loss": loss, **dict(zip(batches, segmentation, strict=True)), **terms}
        means = summed(torch.stack([value.detach() for value in parts.values()])) / process_count()
        return {key: round(value, 4) for key, value in zip(parts, means.tolist(), strict=True)}

    def _segmentation_loss(self, logits: Tensor, batch: JointBatch, key: str) -> Tensor:
        if batch.labeled is not None:
            own = self.network.loss_target(torch.arange(batch.labeled.shape[1], device=logits.device), key)
            labeled = torch.ones(logits.shape[:2], dtype=torch.bool, device=logits.device)
            labeled[:, own] = batch.labeled
            logits = merge_unlabeled(logits, labeled)
        target = self.network.loss_target(batch.target, key)
        return segmentation_loss(logits, target, class_balance=self.settings.class_balance)

    def _detection_loss(self, batches: Mapping[str, JointBatch], size: int) -> Tensor:
        other = _rows(self._train.other_batch(self.settings.other_slices, size))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            images = [b.images[:, : other.shape[1]] for b in batches.values()]  # without a mask
            shown = self.network.detect(torch.cat([*images, other])).float()
        targets = [detection_targets(batch, index) for index, batch in enumerate(batches.values())]
        targets.append(torch.full((other.shape[0],), len(batches), device=self._device))
        return detection_loss(shown, torch.cat(targets))

    def _prior_loss(
        self, prior: AnatomicalPrior, logits: Mapping[str, Tensor], batches: Mapping[str, JointBatch]
    ) -> Tensor:
        penalties = []
        for key, batch in batches.items():
            own = self.network.joint_logits(logits[key], key)
            if batch.labeled is not None:
                own = merge_unlabeled(own, batch.labeled)
            penalties.append(prior(own, batch.target, key))
        return torch.stack(penalties).sum()

    def validate(self) -> dict[str, Any]:
        """What `Validation.measure` finds of the averaged weights; empty without a validation."""
        return {} if self.validation is None else self._measure(self.average)

    def validate_result(self) -> dict[str, Any]:
        """What `Validation.measure` finds of `result`."""
        return {} if self.validation is None else self._measure(self.result)

    def _measure(self, weights: dict[str, Tensor]) -> dict[str, Any]:
        current = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(weights)
        assert self.validation is not None
        measured = self.validation.measure(self.network, self.contrast)
        self.network.load_state_dict(current)
        return measured

    def _judge(self, measured: dict[str, Any]) -> None:
        """Remember the best weights, where patience asks for them."""
        if not self.settings.patience:
            return
        # The same number in every process, so that all stop together.
        dice = float(summed(torch.tensor(mean_dice(measured), device=self._device)) / process_count())
        self._since_best += 1
        if dice > self._best_dice:
            self._best_dice, self._since_best = dice, 0
            self._best = {k: v.detach().clone() for k, v in self.average.items()}

    def _is_done(self) -> bool:
        return 0 < self.settings.patience <= self._since_best

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

    def _save(self) -> None:
        if process_index() > 0:
            return
        parts = {
            "network": self.network.state_dict(),
            "average": self.average,
            "best": self._best,
            "generator": {"": self._train.generator.get_state()},
            "torch_generator": {"": torch.get_rng_state()},
        }
        if self.contrast is not None:
            parts["contrast"] = self.contrast.state_dict()
        facts = {
            "step": self.step,
            "best_dice": self._best_dice if self._best else None,
            "since_best": self._since_best,
            "settings": asdict(self.settings),
            "spent": self.stopwatch.spent(),
        }
        save_checkpoint(self.folder / CHECKPOINT_FILE, parts, self._optimizer, facts)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT_FILE
        if not path.exists():
            return
        parts, facts = load_checkpoint(path, self._optimizer, self._device)
        self.network.load_state_dict(parts["network"])
        self.average = parts["average"]
        self._best = parts.get("best", {})
        if self._best:
            self._best_dice = facts["best_dice"]
        self.step, self._since_best = facts["step"], facts.get("since_best", 0)
        self.stopwatch.add(facts.get("spent", {}))
        if self.contrast is not None:
            self.contrast.load_state_dict(parts.get("contrast", {}))
        self._train.generator.set_state(parts["generator"][""].cpu())
        torch.set_rng_state(parts["torch_generator"][""].cpu())


def _rows(value: Tensor) -> Tensor:
    """Share of this process in a batch that all processes drew alike."""
    return value[process_index() :: process_count()]


def _share(batch: JointBatch) -> JointBatch:
    if process_count() == 1:
        return batch
    labeled = None if batch.labeled is None else _rows(batch.labeled)
    return JointBatch(_rows(batch.images), _rows(batch.target), labeled)


def _duration(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
