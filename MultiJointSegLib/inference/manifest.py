"""The schema of a model bundle's ``bundle.json``. Light: no torch."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import BundleError, InputError
from MultiJointSegLib.learning.masks.settings import InputMode, MaskSettings

MANIFEST_NAME = "bundle.json"
WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "card.md"
FORMAT_VERSION = 1
"""Raised when a change of the format cannot be read by an older program."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Preprocessing(_Strict):
    """How an examination becomes the network's input; the meaning of the lengths is `imaging.canonical`'s."""

    pixel_mm: float = Field(default=0.8, gt=0, le=10)
    minimum_pitch_mm: float = Field(default=1.0, gt=0, le=10)
    neighbor_mm: float = Field(default=2.0, ge=0, le=20)
    normalization: Literal["otsu_percentile_v2"] = "otsu_percentile_v2"
    """Name of the intensity scale: `imaging.intensity.normalize_intensity`."""
    size_multiple: int = Field(default=32, ge=1, le=256)
    """Height and width are padded with zeros (air) to a multiple of this."""


class DetectionSettings(_Strict):
    """How slice-wise answers of the detection head become one answer; see `inference.detection`."""

    temperature: float = Field(default=1.0, gt=0, le=100)
    accept_threshold: float = Field(default=0.5, ge=0, le=1)
    edge_weight: float = Field(default=0.25, gt=0, le=1)
    """Weight of the first and last slice of the stack; it rises to 1 over the outer quarter on each side."""
    minimum_foreground: float = Field(default=0.05, ge=0, lt=1)
    """A slice counts when at least this fraction of its pixels is tissue."""
    minimum_confidence: float = Field(default=0.5, ge=0, le=1)
    """Least expected Dice of the best bone for an automatic detection to stand."""


class SegmentationSettings(_Strict):
    """How logits become a label map."""

    temperature: float = Field(default=1.0, gt=0, le=100)
    tta: Literal["none", "flip", "scale"] = "none"
    closing_radius_mm: float = Field(default=1.5, ge=0, le=10)
    precision: Literal["f32", "bf16"] = "f32"
    """Arithmetic on CPUs that have both; "bf16" only for a model whose Dice was measured to stay within 0.002."""


class BundleManifest(_Strict):
    """Everything about a model but its weights.

    Parameters
    ----------
    format_version, name, version, created, license
        What it is; `license` is an SPDX expression.
    network : dict
        Constructor arguments of the network, from its `config()`.
    joints : dict of str to list of str
        Joint key to bone keys in class order 1..n. The order of the joints is that of the detection classes.
    preprocessing, detection, segmentation
        Settings that belong to the weights.
    input : {"image", "mask", "image+mask"}
        What the network sees.
    confidence_offsets : dict of str to dict of str to float
        Joint key to bone key to the offset of `confidence.corrected_confidence`; none is 0.
    mask : MaskSettings or None
        The mask that it sees, which inference computes anew for each examination.
    weights_sha256 : str
        SHA-256 of the weights file, 64 hexadecimal digits.
    training : dict
        Summary of how the weights were made; for people.
    """

    format_version: Literal[1] = 1
    name: str = Field(min_length=1, max_length=100)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+([.-][0-9A-Za-z.-]+)?$")
    created: datetime.date
    license: str = Field(min_length=1, max_length=100)
    network: dict[str, Any]
    joints: dict[str, list[str]] = Field(min_length=1)
    preprocessing: Preprocessing = Preprocessing()
    detection: DetectionSettings = DetectionSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    confidence_offsets: dict[str, dict[str, Annotated[float, Field(ge=-4, le=4)]]] = Field(default_factory=dict)
    input: InputMode = "image"
    mask: MaskSettings | None = None
    weights_sha256: str
    training: dict[str, Any] = Field(default_factory=dict)

    @field_validator("weights_sha256")
    @classmethod
    def _is_sha256(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", value):
            raise ValueError("must be 64 lower-case hexadecimal digits")
        return value

    @model_validator(mode="after")
    def _offsets_are_of_known_bones(self) -> BundleManifest:
        for joint, offsets in self.confidence_offsets.items():
            unknown = [bone for bone in offsets if bone not in self.joints.get(joint, ())]
            if joint not in self.joints or unknown:
                raise ValueError(f"confidence_offsets names what the model does not know: {joint} {' '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _mask_fits_input(self) -> BundleManifest:
        if (self.input == "image") != (self.mask is None):
            raise ValueError(
                f"the input is '{self.input}', so the mask must {'not ' * (self.mask is not None)}be stated"
            )
        return self


def read_manifest(folder: Path) -> BundleManifest:
    """Read and check ``bundle.json`` of a bundle folder, without touching the weights.

    Raises
    ------
    BundleError
        If the folder or the file is missing, is not valid, is of another format version, or names joints or bones
        that the anatomy catalog does not know or orders otherwise.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BundleError(f"There is no model bundle at '{folder}'; give a folder that holds {MANIFEST_NAME}.")
    path = folder / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BundleError(f"The folder '{folder}' is not a model bundle: it lacks {MANIFEST_NAME}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"'{path}' cannot be read ({_one_line(error)}); fetch the bundle again.") from error
    version = re.search(r'"format_version"\s*:\s*(\d+)', text)
    if version and int(version.group(1)) != FORMAT_VERSION:
        raise BundleError(
            f"The bundle '{folder}' is of format {version.group(1)}, this program reads format {FORMAT_VERSION}; "
            "use a matching version of MultiJointSeg."
        )
    try:
        manifest = BundleManifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(f"'{path}' is not a valid bundle description: {place}: {_one_line(first['msg'])}.") from error
    _check_joints(folder, manifest)
    return manifest


def _check_joints(folder: Path, manifest: BundleManifest) -> None:
    for key, bones in manifest.joints.items():
        try:
            known = tuple(bone.key for bone in anatomy.joint(key).bones)
        except InputError as error:
            raise BundleError(f"The bundle '{folder}' cannot be used: {error}") from error
        if tuple(bones) != known:
            raise BundleError(
                f"The bundle '{folder}' lists the bones of the {key} as {', '.join(bones)}; "
                f"the anatomy catalog has {', '.join(known)}, in this order."
            )


def _one_line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
