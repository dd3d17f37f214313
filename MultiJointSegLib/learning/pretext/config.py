"""The configuration of a pretraining: a small TOML or JSON file in which every key is checked."""

from __future__ import annotations

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from MultiJointSegLib.errors import InputError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(_Strict):
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


class TargetConfig(_Strict):
    """The two tasks; a weight of 0 leaves one out."""

    sigma_mm: float = Field(default=7.56, gt=0)
    """Width of the heat maps: 6 pixels of 1.26 mm in the published system."""
    minimum_angle_deg: float = Field(default=20.0, gt=0, lt=90)
    line_weight: float = Field(default=1.0, ge=0)
    location_weight: float = Field(default=1.0, ge=0)


class PretextNetworkConfig(_Strict):
    """The shared encoder-decoder."""

    backbone: Literal["efficientnet_lite0", "unet", "attention_unet"] = "efficientnet_lite0"
    decoder_channels: tuple[int, int, int, int, int] = (128, 96, 64, 32, 16)
    image_skip: bool = True
    domains: Literal["shared", "joint", "view"] = "shared"
    """Domain-specific layers: none, one set for each joint, or for each view."""
    initialization: Literal["scratch", "imagenet"] = "scratch"


class AugmentationConfig(_Strict):
    """The keys are those of `sampling.AugmentationSettings`."""

    turn_deg: float = Field(default=8.0, ge=0)
    zoom: tuple[float, float] = (0.85, 1.2)
    shift_mm: float = Field(default=10.0, ge=0)
    mirror: float = Field(default=0.5, ge=0, le=1)
    gamma: float = Field(default=0.2, ge=0)
    gain: tuple[float, float] = (0.8, 1.2)
    bias: float = Field(default=0.2, ge=0)
    noise: float = Field(default=0.04, ge=0)


class PretextTrainingConfig(_Strict):
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


class PretrainConfig(_Strict):
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
    readers = {".toml": tomllib.loads, ".json": json.loads}
    if path.suffix.lower() not in readers:
        raise InputError(f"The configuration '{path}' is neither .toml nor .json; give one of these.")
    try:
        content = readers[path.suffix.lower()](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The configuration '{path}' cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # both decoders' errors are
        raise InputError(f"The configuration '{path}' is not valid {path.suffix[1:].upper()}: {error}.") from error
    config = parse_pretrain_config(content, path.name)
    folders = tuple(str((path.parent / folder).resolve()) for folder in config.data.folders)
    return config.model_copy(update={"data": config.data.model_copy(update={"folders": folders})})


def parse_pretrain_config(content: Any, name: str = "configuration") -> PretrainConfig:
    """Check a configuration given as nested dictionaries; `name` is what messages call it.

    Raises
    ------
    InputError
        See `read_pretrain_config`.
    """
    if not isinstance(content, dict):
        raise InputError(f"{name}: a table of keys and values is needed, not {type(content).__name__}.")
    try:
        config = PretrainConfig.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        raise InputError(f"{name}: {_sentence(error)}") from error
    if config.targets.line_weight == 0 and config.targets.location_weight == 0:
        raise InputError(f"{name}: both weights in 'targets' are 0, so that nothing would be learned; raise one.")
    return config


def _sentence(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    key = ".".join(str(part) for part in first["loc"])
    if unknown:
        near = get_close_matches(key, _keys(PretrainConfig), n=1, cutoff=0.0)
        return f"there is no key '{key}'; the nearest known key is '{near[0]}'."
    if first["type"] == "missing":
        return f"'{key}' is missing; name the folders of the studies under data.folders."
    reason = first["msg"].removeprefix("Value error, ")
    return f"'{key}' is {json.dumps(first['input'], default=str)[:80]}: {reason[:1].lower()}{reason[1:]}."


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _keys(field.annotation, f"{prefix}{name}.")
    return keys
