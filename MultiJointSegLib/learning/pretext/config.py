"""The configuration of a pretraining: a small TOML or JSON file in which every key is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.config import Strict, parse_strictly, read_table


class DataConfig(Strict):
    """Folders of unlabelled studies."""

    folders: tuple[str, ...] = Field(min_length=1)
    """DICOM studies, folders of volumes, or folders that hold these; relative to the configuration's folder."""
    pattern: str = "*"
    """Which files of a folder of volumes are images."""
    each_file_is_a_study: bool = False
    """Volumes of one folder belong to different studies."""
    reslice: bool = False
    """Also cut images across even stacks, for studies of a single view."""
    pixel_mm: float = Field(default=0.8, gt=0.1, le=5)
    phases: int = Field(default=3, ge=1)
    validation_share: float = Field(default=0.2, gt=0, lt=1)


class TargetConfig(Strict):
    """The two tasks; a weight of 0 leaves one out."""

    sigma_mm: float = Field(default=7.56, gt=0)
    """Width of the heat maps: 6 pixels of 1.26 mm in the published system."""
    minimum_angle_deg: float = Field(default=20.0, gt=0, lt=90)
    line_weight: float = Field(default=1.0, ge=0)
    location_weight: float = Field(default=1.0, ge=0)


class PretextNetworkConfig(Strict):
    """The shared encoder-decoder."""

    backbone: Literal["efficientnet_lite0", "unet", "attention_unet"] = "efficientnet_lite0"
    decoder_channels: tuple[int, int, int, int, int] = (128, 96, 64, 32, 16)
    image_skip: bool = False
    domains: Literal["shared", "joint", "view"] = "shared"
    """Domain-specific layers: none, one set for each joint, or for each view."""
    initialization: Literal["scratch", "imagenet"] = "scratch"


class AugmentationConfig(Strict):
    """The keys are those of `sampling.AugmentationSettings`."""

    turn_deg: float = Field(default=8.0, ge=0)
    zoom: tuple[float, float] = (0.85, 1.2)
    shift_mm: float = Field(default=10.0, ge=0)
    mirror: float = Field(default=0.5, ge=0, le=1)
    gamma: float = Field(default=0.2, ge=0)
    gain: tuple[float, float] = (0.8, 1.2)
    bias: float = Field(default=0.2, ge=0)
    noise: float = Field(default=0.04, ge=0)
    border: float = Field(default=0.15, ge=0, lt=0.5)


class PretextTrainingConfig(Strict):
    """The training loop; the keys are those of `training.PretextTrainingSettings`."""

    steps: int = Field(default=4000, gt=0)
    batch: int = Field(default=12, ge=2)
    size_px: int = Field(default=160, ge=32, multiple_of=32)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    gradient_clip: float = Field(default=5.0, gt=0)
    average_decay: float = Field(default=0.998, ge=0, lt=1)
    validate_every: int = Field(default=250, gt=0)
    validation_slices: int = Field(default=48, ge=2)
    bfloat16: bool = False


class PretrainConfig(Strict):
    """A whole pretraining. Only `data.folders` has to be written down."""

    data: DataConfig
    targets: TargetConfig = TargetConfig()
    network: PretextNetworkConfig = PretextNetworkConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    training: PretextTrainingConfig = PretextTrainingConfig()
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = Field(default=1, ge=0)


def read_pretrain_config(path: Path) -> PretrainConfig:
    """Read a configuration from a .toml or .json file; its folders become absolute.

    Raises
    ------
    InputError
        If the file cannot be read, is neither, holds an unknown key (the message names the nearest known one) or a
        value that is not accepted.
    """
    config = parse_pretrain_config(read_table(path), path.name)
    folders = tuple(str((path.parent / folder).resolve()) for folder in config.data.folders)
    return config.model_copy(update={"data": config.data.model_copy(update={"folders": folders})})


def parse_pretrain_config(content: Any, name: str = "configuration") -> PretrainConfig:
    """Check a configuration given as nested dictionaries; `name` is what messages call it.

    Raises
    ------
    InputError
        See `read_pretrain_config`.
    """
    data = content.get("data") if isinstance(content, dict) else None
    if isinstance(content, dict) and (not isinstance(data, dict) or not data.get("folders")):
        raise InputError(f"{name}: 'data.folders' is missing; list the folders of the studies there.")
    config = parse_strictly(PretrainConfig, content, name)
    if config.targets.line_weight == 0 and config.targets.location_weight == 0:
        raise InputError(f"{name}: both weights in 'targets' are 0, so that nothing would be learned; raise one.")
    return config
