"""Model bundles: a folder with weights (safetensors), their description (JSON) and a card for people.

Nothing in a bundle is ever executed: safetensors holds plain numbers, the description is JSON with a fixed schema,
and the network is built by our own code from the description's numbers.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import BundleError
from MultiJointSegLib.inference.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    WEIGHTS_NAME,
    BundleManifest,
    DetectionSettings,
    Preprocessing,
    SegmentationSettings,
    read_manifest,
)
from MultiJointSegLib.learning.masks.given import refuse_oracle
from MultiJointSegLib.learning.masks.settings import FIRST_PASS, InputMode, MaskSettings, input_channels
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.resources import resource_path

DEFAULT_MODEL = "joints3"
"""Name of the shipped model in Resources/Models."""


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A checked model: description and network with its weights, in evaluation mode, float32, on the CPU."""

    path: Path
    manifest: BundleManifest
    network: SharedUNet

    @property
    def joints(self) -> tuple[str, ...]:
        """Joint keys in the order of the detection classes."""
        return tuple(self.manifest.joints)


def default_bundle_path() -> Path:
    """Folder of the shipped model.

    Raises
    ------
    MultiJointSegError
        If the installation lacks it.
    """
    return resource_path("Models", DEFAULT_MODEL)


def load_bundle(path: Path | str | None = None) -> ModelBundle:
    """Load a model and check all of it before use.

    Parameters
    ----------
    path : Path or str, optional
        Folder of the bundle; the shipped model by default.

    Returns
    -------
    ModelBundle
        Half-precision weights are widened to float32.

    Raises
    ------
    BundleError
        If the description is missing or invalid (`read_manifest`), the weights are missing or their SHA-256 differs
        from the description's, they are not safetensors, or their names, shapes or values do not fit the network.
    """
    folder = Path(path) if path is not None else default_bundle_path()
    manifest = read_manifest(folder)
    weights = folder / WEIGHTS_NAME
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise BundleError(
            f"The bundle '{folder}' lacks its weights {WEIGHTS_NAME} or they cannot be read; fetch it again."
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.weights_sha256:
        raise BundleError(
            f"The weights of the bundle '{folder}' were altered or damaged: their SHA-256 is {digest[:12]}..., "
            f"its description says {manifest.weights_sha256[:12]}...; fetch the bundle again."
        )
    try:
        tensors = parse_safetensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"The weights of the bundle '{folder}' are not in the safetensors format.") from error
    return ModelBundle(folder, manifest, _network(folder, manifest, tensors))


def save_bundle(
    path: Path | str,
    network: SharedUNet,
    *,
    name: str,
    version: str,
    license: str,  # noqa: A002 - the field's own name
    card: str,
    created: datetime.date | None = None,
    preprocessing: Preprocessing | None = None,
    detection: DetectionSettings | None = None,
    segmentation: SegmentationSettings | None = None,
    training: dict[str, Any] | None = None,
    input: InputMode = "image",  # noqa: A002 - the field's own name
    mask: MaskSettings | None = None,
    half: bool = True,
    overwrite: bool = False,
) -> ModelBundle:
    """Write a bundle folder, whole or not at all, and load it back.

    Parameters
    ----------
    path : Path or str
        Folder to make.
    network : SharedUNet
        Its joints must be joints of the anatomy catalog with all their bones.
    name, version, license, card, created, preprocessing, detection, segmentation, training, input, mask
        See `manifest.BundleManifest`; `card` is the text of ``card.md``. The date is today's by default. The model
        that `mask.first_pass` names is copied into the bundle.
    half : bool
        Store convolution weights as float16, half the size. Normalization statistics, biases and counters keep
        their type: a variance may lie outside float16's range.
    overwrite : bool
        Replace an existing bundle.

    Raises
    ------
    BundleError
        If the folder exists, cannot be written, or the result would not load.
    InputError
        If the mask is made from the truth (`oracle`) and this is not allowed by name.
    """
    folder = Path(path)
    first_pass = None
    if mask is not None and mask.source == "oracle":
        refuse_oracle(mask.allow_oracle)
    if mask is not None and mask.source == "bone" and mask.first_pass:
        first_pass = load_bundle(mask.first_pass).path
        mask = mask.model_copy(update={"first_pass": FIRST_PASS})
    if folder.exists() and not overwrite:
        raise BundleError(f"'{folder}' exists already; choose another folder or allow overwriting it.")
    if folder.exists() and not (folder / MANIFEST_NAME).is_file():
        raise BundleError(f"'{folder}' exists and is not a model bundle; it is not replaced. Choose another folder.")
    data = to_safetensors({key: _stored(tensor, half) for key, tensor in network.state_dict().items()})
    manifest = BundleManifest(
        name=name,
        version=version,
        created=created or datetime.date.today(),
        license=license,
        network=network.config(),
        joints={key: [bone.key for bone in anatomy.joint(key).bones] for key in network.config()["joints"]},
        preprocessing=preprocessing or Preprocessing(),
        detection=detection or DetectionSettings(),
        segmentation=segmentation or SegmentationSettings(),
        weights_sha256=hashlib.sha256(data).hexdigest(),
        training=training or {},
        input=input,
        mask=mask,
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BundleError(f"'{folder.parent}' cannot be written; choose another folder.") from error
    try:
        fresh = work / "new"
        fresh.mkdir()
        (fresh / WEIGHTS_NAME).write_bytes(data)
        (fresh / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (fresh / CARD_NAME).write_text(card, encoding="utf-8")
        if first_pass is not None:
            shutil.copytree(first_pass, fresh / FIRST_PASS)
        load_bundle(fresh)
        if folder.exists():
            os.replace(folder, work / "old")
        os.replace(fresh, folder)
    except OSError as error:
        raise BundleError(f"The bundle could not be written to '{folder}': {error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return load_bundle(folder)


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    tensor = tensor.detach().to("cpu")
    if half and tensor.is_floating_point() and tensor.ndim >= 2:
        tensor = tensor.to(torch.float16)
    return tensor.contiguous().clone()


def _network(folder: Path, manifest: BundleManifest, tensors: dict[str, torch.Tensor]) -> SharedUNet:
    """Build the network of the description around the tensors; see `load_bundle` for what is refused."""
    try:
        with torch.device("meta"):  # no memory, no random numbers: the weights take these places below
            network = SharedUNet.from_config(manifest.network)
    except Exception as error:  # whatever a wrong description provokes in the network's constructor
        raise BundleError(f"The bundle '{folder}' describes a network that cannot be built ({error}).") from error
    counts = {key: len(bones) for key, bones in manifest.joints.items()}
    if list(network.joints.items()) != list(counts.items()):
        raise BundleError(
            f"The bundle '{folder}' contradicts itself: its network has the joints {network.joints}, "
            f"its list of bones gives {counts}."
        )
    channels = input_channels(manifest.input, manifest.mask)
    if network.input_channels != channels:
        raise BundleError(
            f"The bundle '{folder}' contradicts itself: its network reads {network.input_channels} channels, its input "
            f"'{manifest.input}' gives {channels}."
        )
    expected = network.state_dict()
    unknown, missing = sorted(tensors.keys() - expected.keys()), sorted(expected.keys() - tensors.keys())
    if unknown or missing:
        what = f"'{missing[0]}' is missing" if missing else f"'{unknown[0]}' is not part of it"
        raise BundleError(
            f"The weights of the bundle '{folder}' do not belong to its network: {what} "
            f"({len(missing)} missing, {len(unknown)} unknown tensors)."
        )
    for key, tensor in tensors.items():
        wanted = expected[key]
        if tensor.shape != wanted.shape or tensor.is_floating_point() != wanted.is_floating_point():
            raise BundleError(
                f"The tensor '{key}' of the bundle '{folder}' has shape {tuple(tensor.shape)} and type {tensor.dtype}; "
                f"{tuple(wanted.shape)} of {wanted.dtype} is needed."
            )
        if tensor.is_floating_point() and not np.isfinite(tensor.numpy()).all():
            raise BundleError(f"The tensor '{key}' of the bundle '{folder}' holds values that are not finite.")
    network.load_state_dict({key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}, assign=True)
    network.requires_grad_(False)
    return network.eval()
