"""What a training run is made of, besides the data."""

from __future__ import annotations

from dataclasses import dataclass

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.networks.processes import process_count


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Settings of the training loop."""

    steps: int = 4000
    slices_per_joint: int = 5
    other_slices: int = 5
    sizes_px: tuple[int, ...] = (128, 160, 192)
    learning_rate: float = 1.5e-3
    encoder_factor: float = 0.5
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    detection_weight: float = 0.3
    """0: the detection is not trained, which saves its pass through the encoder."""
    detection_every: int = 1
    """Steps from one detection batch to the next: detection is learned sooner than outlines and costs a third."""
    class_balance: float = 0.0
    """Power by which pixels of rare classes count more in the cross-entropy, see `losses.segmentation_loss`."""
    contrast_weight: float = 0.0
    prior_weight: float = 0.0
    gradient_clip: float = 5.0
    average_decay: float = 0.998
    validate_every: int = 250
    validation_slices: int = 24
    validation_size_px: int = 192
    patience: int = 0
    """Stop after so many validations without a better mean Dice, and keep the best weights; 0: train to the end."""
    bfloat16: bool = True
    tensorboard: bool = False
    seed: int = 1


def check_settings(settings: TrainingSettings, *, has_validation: bool) -> None:
    """Refuse what cannot be done with the data and the processes there are.

    Raises
    ------
    InputError
        If patience is asked for without a validation, or the processes cannot share the slices evenly.
    """
    if settings.patience and not has_validation:
        raise InputError(
            "training.patience stops by validation, but no examination is set aside for it; give some the split "
            '"validation" in the manifest, or set training.patience to 0.'
        )
    count = process_count()
    for name, slices in (("slices_per_joint", settings.slices_per_joint), ("other_slices", settings.other_slices)):
        if slices % count and (name == "slices_per_joint" or settings.detection_weight > 0):
            raise InputError(f"training.{name} is {slices}; with {count} processes a multiple of {count} is needed.")
