"""What a cohort is run with, and the fingerprint by which a finished result is known to be current."""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import MultiJointSegLib
from MultiJointSegLib import anatomy
from MultiJointSegLib.inference.manifest import read_manifest
from MultiJointSegLib.pipeline.result import SceneWriter
from MultiJointSegLib.resources import resource_path


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSettings:
    """Settings of every examination of a cohort; see `segment_examination` for their meaning.

    `scene_writer` is given as "module:function", since it has to reach other processes and machines.
    """

    joint: str = "auto"
    device: str = "auto"
    model: Path | None = None
    tta: str | None = None
    record_paths: bool = False
    scene_writer: str | None = None

    def fingerprint(self) -> str:
        """SHA-256 of everything but the examination that a result depends on: settings, model, version.

        Raises
        ------
        InputError
            If the joint is unknown or the model is not one.
        """
        if self.joint != "auto":
            anatomy.joint(self.joint)
        folder = self.model or resource_path("Models", "joints3")
        parts = asdict(self) | {"model": read_manifest(folder).model_dump(mode="json")}
        # Where it was computed does not change the labels.
        del parts["device"]
        text = json.dumps([MultiJointSegLib.__version__, parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def load_scene_writer(self) -> SceneWriter | None:
        """The scene writer itself; None if there is to be no scene."""
        if self.scene_writer is None:
            return None
        module, _, name = self.scene_writer.partition(":")
        writer: SceneWriter = getattr(importlib.import_module(module), name)
        return writer


def item_key(content_sha256: str, series: str | None, fingerprint: str) -> str:
    """Key of one result: it changes with the examination's files, the series and the settings."""
    return hashlib.sha256("\n".join((content_sha256, series or "", fingerprint)).encode()).hexdigest()
