"""The configuration of a training: a small TOML or JSON file in which every key is checked."""

from __future__ import annotations

import json
import tomllib
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.masks.given import refuse_oracle
from MultiJointSegLib.learning.masks.settings import InputMode, MaskSettings

SchemeName = Literal[
    "individual",
    "transfer_joint",
    "transfer_imagenet",
    "shared",
    "shared_output",
    "shared_norm",
    "shared_contrast",
    "shared_multiscale",
    "shared_prior",
    "all",
]
"""Names of the schemes; what they are made of stands in `schemes.SCHEMES`."""

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkConfig(Strict):
    """The network; None means: as the scheme says."""

    backbone: Literal["efficientnet_lite0", "unet", "attention_unet"] = "efficientnet_lite0"
    decoder_channels: tuple[int, int, int, int, int] = (128, 96, 64, 32, 16)
    domain_output: bool | None = None
    domain_norm: bool | None = None
    image_skip: bool = False
    mask_fusion: Literal["input", "output"] = "output"
    """Where mask and image meet, for the input "image+mask"; see `shared_unet.SharedUNet`."""
    initialization: Literal["scratch", "imagenet"] | None = None
    pretrained: str | None = None
    """Result of ``multijointseg pretrain`` to start from instead, relative to the configuration's file."""
    pretrained_parts: Literal["encoder", "all"] = "all"


class ContrastConfig(Strict):
    """The contrastive term; levels count from the bottleneck (0) to full resolution (5)."""

    scales: Literal["none", "bottleneck", "all"] | tuple[int, ...] | None = None
    scale_weights: tuple[float, ...] | None = None
    weight: float = Field(default=0.1, ge=0)
    temperature: float = Field(default=0.1, gt=0)
    projection: Literal["identity", "mlp"] = "identity"


class PriorConfig(Strict):
    """The shape term: one auto-encoder for all joints, or one for each."""

    scope: Literal["none", "all_joints", "per_joint"] | None = None
    weight: float = Field(default=0.1, ge=0)
    steps: int = Field(default=1500, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    channels: tuple[int, ...] = (32, 64, 128, 256)
    code_channels: int = Field(default=32, gt=0)
    domain_layers: bool = True


class TransferConfig(Strict):
    """Where `transfer_joint` starts: from this joint; by default each joint starts from the next one in `joints`."""

    source: str | None = None


class OptimizationConfig(Strict):
    """The training loop; the keys are those of `trainer.TrainingSettings`."""

    steps: int = Field(default=4000, gt=0)
    slices_per_joint: int = Field(default=5, ge=2)
    other_slices: int = Field(default=5, ge=1)
    sizes_px: tuple[int, ...] = Field(default=(128, 160, 192), min_length=1)
    learning_rate: float = Field(default=1.5e-3, gt=0)
    encoder_factor: float = Field(default=0.5, ge=0)
    warmup_steps: int = Field(default=100, ge=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    detection_weight: float = Field(default=0.3, ge=0)
    detection_every: int = Field(default=1, ge=1)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    gradient_clip: float = Field(default=5.0, gt=0)
    average_decay: float = Field(default=0.998, ge=0, lt=1)
    validate_every: int = Field(default=250, gt=0)
    validation_slices: int = Field(default=24, ge=2)
    validation_size_px: int = Field(default=192, ge=32, multiple_of=32)
    patience: int = Field(default=0, ge=0)
    bfloat16: bool = True
    tensorboard: bool = False

    @field_validator("sizes_px")
    @classmethod
    def _fits_the_network(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(size < 32 or size % 32 for size in sizes):
            raise ValueError("sizes must be multiples of 32")
        return sizes


class DataConfig(Strict):
    """Which examinations are learned from, and how they are cut; paths are relative to the configuration's file.

    Without `folds` the manifest's splits say what trains and what validates; where it has none, a share `validation`
    of each joint's subjects is set aside.
    """

    manifest: str | None = None
    cache: str | None = None
    folds: str | None = None
    fold: int = Field(default=1, ge=1)
    validation: float = Field(default=0.2, ge=0, le=0.5)
    pixel_mm: float = Field(default=0.8, gt=0, le=10)
    minimum_pitch_mm: float = Field(default=1.0, gt=0, le=10)
    neighbor_mm: float = Field(default=2.0, ge=0, le=20)
    other_maps: int = Field(default=6, ge=0)


class AugmentationConfig(Strict):
    """Random changes of the slices of examinations; the keys are those of `augmentation.AugmentationSettings`."""

    rotation_deg: float = Field(default=15.0, ge=0, le=45)
    zoom: tuple[float, float] = (0.85, 1.18)
    stretch_sd: float = Field(default=0.05, ge=0, le=0.2)
    mirror: bool = True
    elastic_mm: float = Field(default=2.0, ge=0, le=10)
    gain: tuple[float, float] = (0.75, 1.25)
    gamma_sd: float = Field(default=0.2, ge=0, le=1)
    bias: float = Field(default=0.3, ge=0, le=2)
    noise: float = Field(default=0.05, ge=0, le=1)
    blur_px: float = Field(default=0.8, ge=0, le=5)
    mask_shift_sd: float = Field(default=0.15, ge=0, le=1)
    mask_stretch_sd: float = Field(default=0.1, ge=0, le=0.5)
    bone_share: float = Field(default=0.8, ge=0, le=1)

    @field_validator("zoom", "gain")
    @classmethod
    def _is_a_range(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if not 0 < limits[0] <= limits[1]:
            raise ValueError("two numbers above 0 are needed, the lower one first")
        return limits


class LearningConfig(Strict):
    """A whole training. Only what differs from the defaults has to be written down."""

    scheme: SchemeName = "all"
    joints: tuple[str, ...] = Field(default=("ankle", "knee", "shoulder"), min_length=1)
    seed: int = Field(default=1, ge=0)
    network: NetworkConfig = NetworkConfig()
    contrast: ContrastConfig = ContrastConfig()
    prior: PriorConfig = PriorConfig()
    transfer: TransferConfig = TransferConfig()
    training: OptimizationConfig = OptimizationConfig()
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    input: InputMode = "image"
    mask: MaskSettings = MaskSettings()
    """The global mask that the network sees, where `input` is "mask" or "image+mask"."""

    @property
    def input_mask(self) -> MaskSettings | None:
        """`mask`, or None where the network sees the image alone."""
        return None if self.input == "image" else self.mask

    @model_validator(mode="after")
    def _mask_is_usable(self) -> LearningConfig:
        if self.input == "image" and self.mask != MaskSettings():
            raise ValueError('a mask is described, but the input is "image"; set input to "mask" or "image+mask"')
        if self.input != "image" and self.mask.source == "oracle":
            try:
                refuse_oracle(self.mask.allow_oracle)
            except InputError as error:  # pydantic takes no other errors
                raise ValueError(str(error).removesuffix(".")) from error
        return self

    @field_validator("joints")
    @classmethod
    def _known_joints(cls, joints: tuple[str, ...]) -> tuple[str, ...]:
        known = anatomy.joint_names()
        unknown = [key for key in joints if key not in known]
        if unknown:
            raise ValueError(f"there is no joint '{unknown[0]}', there are {', '.join(known)}")
        if len(set(joints)) != len(joints):
            raise ValueError("a joint is named twice")
        return joints


def read_config(path: Path) -> LearningConfig:
    """Read a configuration from a .toml or .json file.

    Raises
    ------
    InputError
        If the file cannot be read, is neither, holds an unknown key (the message names the nearest known one) or a
        value that is not accepted.
    """
    config = parse_strictly(LearningConfig, read_table(path), path.name)
    if config.network.pretrained is None:
        return config
    start = str((path.parent / config.network.pretrained).resolve())
    return config.model_copy(update={"network": config.network.model_copy(update={"pretrained": start})})


def read_table(path: Path) -> Any:
    """Content of a .toml or .json file; see `read_config`."""
    readers = {".toml": tomllib.loads, ".json": json.loads}
    if path.suffix.lower() not in readers:
        raise InputError(f"The configuration '{path}' is neither .toml nor .json; give one of these.")
    try:
        return readers[path.suffix.lower()](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The configuration '{path}' cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # both decoders' errors are
        raise InputError(f"The configuration '{path}' is not valid {path.suffix[1:].upper()}: {error}.") from error


def parse_config(content: Any, name: str = "configuration") -> LearningConfig:
    """Check a configuration given as nested dictionaries; see `read_config`.

    Parameters
    ----------
    content : dict
    name : str
        How messages name it.
    """
    return parse_strictly(LearningConfig, content, name)


def parse_strictly(model: type[Model], content: Any, name: str) -> Model:
    """Check nested dictionaries against a model; see `read_config` for what is refused."""
    if not isinstance(content, dict):
        raise InputError(f"{name}: a table of keys and values is needed, not {type(content).__name__}.")
    try:
        # JSON and TOML know arrays, not tuples: validated as JSON, so that types are not mixed up otherwise.
        return model.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        raise InputError(f"{name}: {_sentence(error, model)}") from error


def _sentence(error: ValidationError, model: type[BaseModel]) -> str:
    problems = error.errors(include_url=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    key = ".".join(str(part) for part in first["loc"])
    if unknown:
        return f"there is no key '{key}'; the nearest known key is '{nearest_key(key, model)}'."
    value = json.dumps(first["input"], default=str)
    reason = first["msg"].removeprefix("Value error, ")
    # Where a value has several accepted forms, pydantic adds the form's name to the place.
    known = [k for k in (key, key.rsplit(".", 1)[0]) if k in known_keys(model)]
    what = f"'{known[0] if known else key}' is {value[:80]}: " if key else ""
    return f"{what}{reason[:1].lower()}{reason[1:]}."


def known_keys(model: type[BaseModel] = LearningConfig, prefix: str = "") -> list[str]:
    """All keys with their sections, such as "contrast.temperature"."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                keys += known_keys(part, f"{prefix}{name}.")
    return keys


def nearest_key(key: str, model: type[BaseModel] = LearningConfig) -> str:
    """The known key most like the given one, compared with and without its section."""

    def likeness(known: str) -> float:
        whole = SequenceMatcher(None, key, known).ratio()
        last = SequenceMatcher(None, key.rsplit(".", 1)[-1], known.rsplit(".", 1)[-1]).ratio()
        return max(whole, last) + 0.01 * whole

    return max(known_keys(model), key=likeness)
