"""Everything that a training needs to go on, as one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

CHECKPOINT_FILE = "checkpoint.safetensors"

Parts = Mapping[str, Mapping[str, Tensor]]


def save_checkpoint(path: Path, parts: Parts, optimizer: torch.optim.Optimizer, facts: Mapping[str, Any]) -> None:
    """Write tensors, optimizer and facts, whole or not at all.

    Parameters
    ----------
    path : Path
    parts : mapping of str to mapping of str to tensor
        States by the name of what they belong to; a single tensor has the name "".
    optimizer : torch optimizer
        Its state, not its settings.
    facts : mapping
        JSON-able.
    """
    tensors = {f"{part}.{name}".rstrip("."): value for part, state in parts.items() for name, value in state.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in slots.items()}
    temporary = path.with_name(f".{path.name}.tmp")
    save_file(
        {name: value.detach().contiguous().clone() for name, value in tensors.items()},
        temporary,
        {key: json.dumps(value) for key, value in facts.items()},
    )
    temporary.replace(path)


def load_checkpoint(
    path: Path, optimizer: torch.optim.Optimizer, device: torch.device
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `save_checkpoint` wrote; the optimizer's state is put into the optimizer.

    Returns
    -------
    parts : dict of str to dict of str to tensor
        On the device.
    facts : dict
    """
    with safe_open(path, "pt") as stream:
        facts: dict[str, Any] = {key: json.loads(value) for key, value in stream.metadata().items()}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in load_file(path, device=str(device)).items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = value
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in parts.pop("optimizer", {}).items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return parts, facts
