"""The description of a study: a small TOML or JSON file in which every key is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from MultiJointSegLib import anatomy
from MultiJointSegLib.learning.config import LearningConfig, SchemeName, Strict, parse_strictly, read_table

PHANTOMS, HIP_MR = "phantoms", "hip_mr"


class PhantomsConfig(Strict):
    """Synthetic examinations with exact truth.

    Each joint has one protocol, as a hospital's collection has. With `real_shapes` the bones are those of real people
    in the development data, posed and deformed anew in every examination; otherwise they are drawn by rule.
    """

    joints: tuple[str, ...] = ("ankle", "knee", "shoulder")
    examinations: int = Field(default=6, ge=1)
    first_seed: int = Field(default=5_000_000, ge=0)
    real_shapes: bool = False
    plane: Literal["sagittal", "coronal", "axial"] | None = None
    sequence: str | None = "t1_gradient_echo"
    spacing_mm: tuple[float, float, float] | None = (0.7, 0.7, 3.0)
    age_years: tuple[float, float] = (4.0, 17.0)
    map_spacing_mm: float = Field(default=0.8, gt=0, le=2)


class HipMrConfig(Strict):
    """The real MR examinations of the hip in the development data."""

    examinations: int = Field(default=15, ge=2, le=15)


class DesignConfig(Strict):
    """What is trained on and tested on what.

    ``folds``: every examination of the scored joints is tested once, by networks trained on the other folds.
    ``growing``: the same `tested` examinations of one joint are tested by networks that were trained on 1, 2, ... of
    the others (`sizes`), together with all examinations of the other joints; with more `rotations`, other examinations
    are tested and the whole is done again.
    """

    kind: Literal["folds", "growing"] = "folds"
    folds: int = Field(default=3, ge=2)
    joint: str = "hip"
    sizes: tuple[int, ...] = (1, 2, 4, 8)
    tested: int = Field(default=5, ge=1)
    rotations: int = Field(default=1, ge=1)


class StudyConfig(Strict):
    """A whole study.

    The first of `schemes` is the reference of the comparisons. `learning` holds the sections of a training's
    configuration; its scheme and joints are set by the study.
    """

    name: str = Field(min_length=1)
    description: str = ""
    schemes: tuple[SchemeName, ...] = Field(default=("all", "individual", "transfer_imagenet", "shared"), min_length=1)
    joints: tuple[str, ...] = Field(min_length=1)
    scored: tuple[str, ...] = Field(min_length=1)
    seed: int = Field(default=1, ge=0)
    phantoms: PhantomsConfig | None = None
    hip_mr: HipMrConfig | None = None
    manifest: str | None = None
    design: DesignConfig = DesignConfig()
    learning: LearningConfig = LearningConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> StudyConfig:
        for key in self.joints:
            anatomy.joint(key)
        for key in (*self.scored, *([self.design.joint] if self.design.kind == "growing" else [])):
            if key not in self.joints:
                raise ValueError(
                    f"the joint '{key}' is scored but not among joints, which are {', '.join(self.joints)}"
                )
        if not (self.phantoms or self.hip_mr or self.manifest):
            raise ValueError("there are no examinations; give a section phantoms or hip_mr, or the key manifest")
        if len(set(self.schemes)) != len(self.schemes):
            raise ValueError("a scheme is named twice")
        return self

    @property
    def needs_data_folder(self) -> bool:
        """Whether the development data is needed."""
        return self.hip_mr is not None or (self.phantoms is not None and self.phantoms.real_shapes)


def read_study(path: Path) -> StudyConfig:
    """Read a study from a .toml or .json file; see `learning.config.read_config` for what is refused."""
    return parse_strictly(StudyConfig, read_table(path), path.name)
