"""The configuration of a refinement: a small TOML or JSON file in which every key is checked."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from MultiJointSegLib.annotation.refinement.stopping import StoppingRule
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.config import LearningConfig, parse_config
from MultiJointSegLib.learning.manifest import nearest


class RefineSettings(BaseModel):
    """How cases are judged and chosen; the table ``[refine]`` of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    folds: int = Field(default=3, ge=2)
    networks: int = Field(default=1, ge=1, le=10)
    strategy: Literal["disagreement", "entropy", "variance", "core_set", "random"] = "disagreement"
    budget: int = Field(default=5, ge=1)
    total_budget: int = Field(default=20, ge=1)
    good_dice: float = Field(default=0.97, gt=0, le=1)
    patience: int = Field(default=5, ge=1)
    repropose: bool = True
    """From the second round on, open cases that the networks doubt get their answer as a new proposal."""
    seed: int = Field(default=1, ge=0)

    @property
    def stopping(self) -> StoppingRule:
        """When to stop asking."""
        return StoppingRule(self.total_budget, self.good_dice, self.patience)


@dataclass(frozen=True, slots=True)
class RefineConfig:
    """A whole refinement: how to choose, how to train (its manifest lists the cases), and where paths start."""

    refine: RefineSettings
    learning: LearningConfig
    folder: Path


def read_refine_config(path: Path) -> RefineConfig:
    """Read a configuration of the tables ``[refine]`` and ``[learning]`` from a .toml or .json file.

    Raises
    ------
    InputError
        If the file cannot be read, is neither, or holds an unknown key (the nearest known one is named) or value.
    """
    readers = {".toml": tomllib.loads, ".json": json.loads}
    if path.suffix.lower() not in readers:
        raise InputError(f"The configuration '{path}' is neither .toml nor .json; give one of these.")
    try:
        content = readers[path.suffix.lower()](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The configuration '{path}' cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InputError(f"The configuration '{path}' is not valid {path.suffix[1:].upper()}: {error}.") from error
    tables = ("refine", "learning")
    if not isinstance(content, dict) or not set(content) <= set(tables):
        unknown = next((key for key in content if key not in tables), "")
        raise InputError(
            f"{path.name}: unknown table '{unknown}'; known are refine and learning.{nearest(unknown, tables)}"
        )
    settings = _settings(content.get("refine", {}), path.name)
    learning = parse_config(content.get("learning", {}), f"{path.name}, learning")
    return RefineConfig(settings, learning, path.parent)


def _settings(content: Any, name: str) -> RefineSettings:
    known = tuple(RefineSettings.model_fields)
    for key in content if isinstance(content, dict) else ():
        if key not in known:
            raise InputError(f"{name}: unknown key 'refine.{key}'; known are {', '.join(known)}.{nearest(key, known)}")
    try:
        settings = RefineSettings.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(("refine", *(str(part) for part in first["loc"])))
        raise InputError(
            f"{name}: '{key}' is {json.dumps(first['input'], default=str)[:60]}: {first['msg']}."
        ) from error
    if settings.strategy == "variance" and settings.networks < 2:
        raise InputError(f"{name}: the strategy 'variance' compares networks; set refine.networks to 2 or more.")
    return settings
