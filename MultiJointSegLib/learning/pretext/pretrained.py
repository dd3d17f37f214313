"""A pretrained network on disk, and how another network starts from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.networks.shared_unet import SharedUNet

WEIGHTS_FILE = "pretrained.safetensors"
RECORD_FILE = "pretrained.json"
FORMAT = 1

Parts = Literal["encoder", "all"]
_NORM = re.compile(r"^(?P<norm>.*_norm)\.domains\.(?P<domain>\d+)\.(?P<name>[^.]+)$")


def save_pretrained(
    network: PretextNetwork, state: Mapping[str, Tensor], folder: Path, record: Mapping[str, Any]
) -> None:
    """Write weights (safetensors) and record (JSON); the trunk's segmentation heads are left out.

    Parameters
    ----------
    network : PretextNetwork
        For its configuration.
    state : mapping
        What to write, with the names of `network.state_dict()`: usually the averaged weights.
    folder : Path
    record : mapping
        What else should be known about the run; JSON-able.
    """
    kept = {
        name: value.detach().cpu().contiguous()
        for name, value in state.items()
        if not name.startswith(("trunk.heads.", "trunk.detector."))
    }
    with atomic_write(folder / WEIGHTS_FILE) as temporary:
        save_file(kept, temporary)
    content = {"format": FORMAT, "network": network.config(), **record}
    with atomic_write(folder / RECORD_FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_pretrained(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and record of a pretraining.

    Parameters
    ----------
    path : Path
        The folder, or the weights file in it.

    Raises
    ------
    InputError
        If it is none, or was damaged.
    """
    folder = path if path.is_dir() else path.parent
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"'{path}' is not the result of a pretraining: {WEIGHTS_FILE} and {RECORD_FILE} are needed in one folder."
        ) from error
    if record.get("format") != FORMAT:
        raise InputError(f"The pretraining '{path}' has the format {record.get('format')}; {FORMAT} is accepted.")
    return weights, record


def read_pretext_network(path: Path) -> tuple[PretextNetwork, dict[str, Any]]:
    """The pretrained network itself, ready to predict, and its record; see `read_pretrained`."""
    weights, record = read_pretrained(path)
    network = PretextNetwork.from_config(record["network"])
    missing, unexpected = network.load_state_dict(weights, strict=False)
    if unexpected or any(not name.startswith(("trunk.heads.", "trunk.detector.")) for name in missing):
        raise InputError(f"The weights of the pretraining '{path}' do not fit its record; train it again.")
    return network.eval(), record


@dataclass(frozen=True, slots=True)
class Transfer:
    """What `load_pretrained` did: names of the tensors of the new network that were set, and that were left as is."""

    loaded: tuple[str, ...]
    left: tuple[str, ...]


@torch.no_grad()
def load_pretrained(network: SharedUNet, path: Path, parts: Parts = "all") -> Transfer:
    """Start a segmentation network from a pretraining.

    Parameters
    ----------
    network : SharedUNet
        Changed in place. Its backbone and, for "all", its decoder have to be those of the pretraining.
    path : Path
        Folder or weights file that `multijointseg pretrain` wrote.
    parts : str
        "encoder", or "all": encoder and decoder. Output layers and the detector always keep their own start.

    Returns
    -------
    Transfer
        Names of what was loaded and left.

    Raises
    ------
    InputError
        If it is no pretraining, or one of another backbone or decoder.

    Notes
    -----
    Convolutions are copied. A joint's normalization layers start from the pretraining's domain of the same name;
    joints it did not know, and the detection, start from the mean of its domains.
    """
    if parts not in ("encoder", "all"):
        raise InputError(f"The parts to load are '{parts}'; 'encoder' or 'all' is accepted.")
    weights, record = read_pretrained(path)
    source = {name.removeprefix("trunk."): value for name, value in weights.items() if name.startswith("trunk.")}
    domains = list(record["network"]["domains"])
    own_domains = {network.domain_index(key): key for key in network.joints}
    if len(own_domains) < len(network.joints):  # joints that share their layers start from the mean
        own_domains = {}
    prefixes = ("encoder.", "decoder.") if parts == "all" else ("encoder.",)
    loaded, left = [], []
    state = network.state_dict()
    for name, own in state.items():
        value = _matching(name, source, domains, own_domains) if name.startswith(prefixes) else None
        if not name.startswith(prefixes):
            left.append(name)
            continue
        if value is None or value.shape != own.shape:
            raise InputError(
                f"The pretraining '{path}' does not fit the network: '{name}' is "
                f"{'missing' if value is None else f'of shape {tuple(value.shape)}'}, {tuple(own.shape)} is needed; "
                "use the same backbone, decoder_channels and image_skip."
            )
        own.copy_(value)
        loaded.append(name)
    return Transfer(tuple(loaded), tuple(left))


def _matching(
    name: str, source: Mapping[str, Tensor], domains: list[str], own_domains: Mapping[int, str]
) -> Tensor | None:
    match = _NORM.match(name)
    if match is None:
        return source.get(name)
    key = own_domains.get(int(match["domain"]))
    chosen = [domains.index(key)] if key in domains else range(len(domains))
    values = [source.get(f"{match['norm']}.domains.{index}.{match['name']}") for index in chosen]
    found = [v for v in values if v is not None]
    if len(found) < len(values):
        return None
    if not found[0].dtype.is_floating_point:
        return found[0]
    return torch.stack(found).mean(0)
