"""From a configuration to the examinations that train and those that validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.augmentation import STILL, AugmentationSettings
from MultiJointSegLib.learning.config import DataConfig, LearningConfig
from MultiJointSegLib.learning.dataset_cache import SliceSettings, cached_dataset
from MultiJointSegLib.learning.dataset_folds import Fold, k_fold, read_folds
from MultiJointSegLib.learning.examination_sampler import MASK_DROPOUT, ExaminationData
from MultiJointSegLib.learning.manifest import DatasetManifest, Examination, read_dataset
from MultiJointSegLib.learning.masks.of_examination import FirstPass
from MultiJointSegLib.learning.masks.settings import IMAGE_CHANNELS
from MultiJointSegLib.learning.tissue_bank import TissueBank, save_packed
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

_CHECKING, _CUTTING = 0.2, 0.7


@dataclass(frozen=True, slots=True)
class Split:
    """Examinations that train, and those that validate (perhaps none)."""

    train: tuple[Examination, ...]
    validation: tuple[Examination, ...]


def joints_of(config: LearningConfig, manifest: DatasetManifest) -> LearningConfig:
    """The configuration with the manifest's joints, where it names none itself.

    Raises
    ------
    InputError
        If it names a joint that the manifest lacks.
    """
    there = [key for key in anatomy.joint_names() if manifest.select(joint=key)]
    if "joints" not in config.model_fields_set:
        return config.model_copy(update={"joints": tuple(there)})
    missing = [key for key in config.joints if key not in there]
    if missing:
        raise InputError(
            f"The configuration names the joint '{missing[0]}', but {manifest.path.name} lists no examination of it; "
            f"it has {', '.join(there)}."
        )
    return config


def split_examinations(config: LearningConfig, manifest: DatasetManifest, folder: Path) -> Split:
    """Which examinations of the configuration's joints train and validate.

    Parameters
    ----------
    config : LearningConfig
    manifest : DatasetManifest
    folder : Path
        That the configuration's paths are relative to.

    Raises
    ------
    InputError
        If a joint has no examination to train on, or the folds cannot be used.
    """
    data = config.data
    wanted = [e for e in manifest.examinations if e.joint in config.joints]
    if data.folds is not None:
        folds = read_folds(folder / data.folds, manifest.examinations)
        if data.fold > len(folds):
            raise InputError(f"data.fold is {data.fold}, but {data.folds} holds {len(folds)} folds; count from 1.")
        split = split_by_fold(folds[data.fold - 1], wanted)
    elif any(e.split for e in wanted):
        parts = [tuple(e for e in wanted if e.split == part) for part in ("train", "validation")]
        split = Split(parts[0], parts[1])
    else:
        split = set_aside(wanted, data, config.seed)
    check_split(split, config.joints, manifest.path.name)
    return split


def split_by_fold(fold: Fold, examinations: Sequence[Examination]) -> Split:
    """The training and validation part of a fold."""
    return Split(
        tuple(e for e in examinations if e.name in fold.train),
        tuple(e for e in examinations if e.name in fold.validation),
    )


def check_split(split: Split, joints: Sequence[str], name: str) -> None:
    """Refuse a joint without examinations to train on, or with none to validate on where others have some."""
    for part, examinations in (("train", split.train), ("validation", split.validation)):
        there = {e.joint for e in examinations}
        missing = [key for key in joints if key not in there]
        if missing and (part == "train" or examinations):
            raise InputError(
                f"{name} has no examination of the {missing[0]} in the part '{part}'; every joint needs at least one"
                + ("." if part == "train" else ", or none at all may validate.")
            )


def set_aside(examinations: Sequence[Examination], data: DataConfig, seed: int) -> Split:
    """A share of each joint's subjects, at least one, validates; nobody where a joint has a single subject."""
    fewest = min(len({e.subject for e in examinations if e.joint == key}) for key in {e.joint for e in examinations})
    if not data.validation or fewest < 2:
        return Split(tuple(examinations), ())
    k = max(2, min(round(1 / data.validation), fewest))
    fold = k_fold(examinations, k, seed=seed)[0]
    return Split(
        tuple(e for e in examinations if e.name not in fold.test),
        tuple(e for e in examinations if e.name in fold.test),
    )


def slice_settings(data: DataConfig) -> SliceSettings:
    """How the configuration wants examinations to be cut."""
    return SliceSettings(data.pixel_mm, data.minimum_pitch_mm, data.neighbor_mm)


def input_settings(config: LearningConfig) -> SliceSettings:
    """`slice_settings` with the mask that the network sees."""
    return replace(slice_settings(config.data), input=config.input, mask=config.input_mask)


def augmentation_of(config: LearningConfig) -> AugmentationSettings:
    """Random changes of the training slices.

    The mask's coordinates vary only where mask and image meet at the output, or the configuration says how much: in
    networks whose encoder sees the mask this made results worse.
    """
    settings = AugmentationSettings(**config.augmentation.model_dump())
    if config.input == "image+mask" and config.network.mask_fusion == "output":
        return settings
    stated = config.augmentation.model_fields_set
    still: dict[str, Any] = {key: 0.0 for key in ("mask_shift_sd", "mask_stretch_sd") if key not in stated}
    return replace(settings, **still)


def load_split(
    config: LearningConfig,
    split: Split,
    cache: Path,
    device: torch.device,
    progress: Progress | None = None,
    *,
    first_pass: FirstPass | None = None,
) -> tuple[ExaminationData, ExaminationData | None]:
    """Cut (or find in the cache) the examinations; the second is None where nobody validates.

    `first_pass` gives the coarse bones that masks are made of, see `masks.of_examination`.
    """
    progress = progress or SilentProgress()
    settings = input_settings(config)
    everyone = (*split.train, *split.validation)
    cutting = ProgressSpan(progress, 0.0, _CUTTING)
    slices = cached_dataset(everyone, cache, settings, first_pass=first_pass, progress=cutting)
    others = None
    if config.training.detection_weight > 0 and config.data.other_maps:
        others = _other_maps(config.data.other_maps, cache, device, ProgressSpan(progress, _CUTTING, 1.0))
    augmentation = augmentation_of(config)
    pixel_mm, count = config.data.pixel_mm, len(split.train)
    image_channels = 0 if config.input == "mask" else IMAGE_CHANNELS
    drops = config.input == "image+mask" and config.mask.fallback_to_image
    train = ExaminationData(
        slices[:count], pixel_mm, augmentation, device, others, image_channels, MASK_DROPOUT if drops else 0.0
    )
    if not split.validation:
        return train, None
    return train, ExaminationData(slices[count:], pixel_mm, STILL, device, others, image_channels)


def read_split(
    config: LearningConfig, folder: Path, progress: Progress | None = None
) -> tuple[LearningConfig, DatasetManifest, Split]:
    """Read and check the manifest that the configuration names; see `joints_of` and `split_examinations`.

    Raises
    ------
    InputError
        If the configuration names no manifest, or one that cannot be used.
    """
    if config.data.manifest is None:
        raise InputError(
            "The configuration names no examinations; give the list of them as data.manifest, "
            'for example [data] manifest = "dataset.json".'
        )
    manifest = read_dataset(folder / config.data.manifest, progress=progress)
    config = joints_of(config, manifest)
    if config.mask.first_pass:
        model = str((folder / config.mask.first_pass).resolve())
        config = config.model_copy(update={"mask": config.mask.model_copy(update={"first_pass": model})})
    return config, manifest, split_examinations(config, manifest, folder)


def _other_maps(count: int, cache: Path, device: torch.device, progress: Progress) -> TissueBank:
    """Phantoms of other anatomy, made once and kept in the cache."""
    from MultiJointSegLib.phantom.others import procedural_other_map

    folder = cache / f"others_{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        progress.report(seed / count, "Making phantoms of other anatomy")
        path = folder / f"other_{seed}.npz"
        if not path.exists():
            save_packed(procedural_other_map(seed=seed), path)
    return TissueBank.from_folder(folder, device)
