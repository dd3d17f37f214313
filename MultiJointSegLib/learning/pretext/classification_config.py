"""The configuration of a classification: a small TOML or JSON file in which every key is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.config import Strict, parse_strictly, read_table
from MultiJointSegLib.learning.pretext.config import AugmentationConfig


class ClassifiedDataConfig(Strict):
    """Folders of studies, and the table that says their classes."""

    folders: tuple[str, ...] = Field(min_length=1)
    """As in a pretraining; relative to the configuration's folder."""
    labels: str
    """CSV table with the columns "study" and "label"; studies that it leaves out are not used."""
    pattern: str = "*"
    each_file_is_a_study: bool = False
    views: tuple[Literal["sagittal", "coronal", "axial", "oblique"], ...] = ("sagittal", "coronal", "axial", "oblique")
    """Series of other views are not looked at."""
    pixel_mm: float = Field(default=0.8, gt=0.1, le=5)
    validation_share: float = Field(default=0.25, gt=0, lt=1)


class ClassifierNetworkConfig(Strict):
    """The shared network; a head on its encoder tells the class."""

    backbone: Literal["efficientnet_lite0", "unet", "attention_unet"] = "efficientnet_lite0"
    initialization: Literal["scratch", "imagenet"] = "imagenet"
    pretrained: str | None = None
    """Result of ``multijointseg pretrain`` to start from instead, relative to the configuration's folder."""


class ClassifierTrainingConfig(Strict):
    """The training loop."""

    steps: int = Field(default=1000, gt=0)
    batch: int = Field(default=12, ge=2)
    size_px: int = Field(default=160, ge=32, multiple_of=32)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=50, ge=1)
    weight_decay: float = Field(default=1e-4, ge=0)


class ClassificationConfig(Strict):
    """A whole classification."""

    data: ClassifiedDataConfig
    network: ClassifierNetworkConfig = ClassifierNetworkConfig()
    augmentation: AugmentationConfig = AugmentationConfig(mirror=0.0)
    """Mirror images only where the class is not the side."""
    training: ClassifierTrainingConfig = ClassifierTrainingConfig()
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = Field(default=1, ge=0)


def read_classification_config(path: Path) -> ClassificationConfig:
    """Read a configuration from a .toml or .json file; its paths become absolute.

    Raises
    ------
    InputError
        See `learning.config.read_config`.
    """
    config = parse_classification_config(read_table(path), path.name)
    here = path.parent
    data = {
        "folders": tuple(str((here / folder).resolve()) for folder in config.data.folders),
        "labels": str((here / config.data.labels).resolve()),
    }
    start = config.network.pretrained
    network = {"pretrained": None if start is None else str((here / start).resolve())}
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=data),
            "network": config.network.model_copy(update=network),
        }
    )


def parse_classification_config(content: Any, name: str = "configuration") -> ClassificationConfig:
    """Check a configuration given as nested dictionaries; `name` is what messages call it."""
    data = content.get("data") if isinstance(content, dict) else None
    if isinstance(content, dict) and not (isinstance(data, dict) and data.get("folders") and data.get("labels")):
        raise InputError(
            f"{name}: 'data.folders' and 'data.labels' are needed; name the studies and their classes there."
        )
    return parse_strictly(ClassificationConfig, content, name)
