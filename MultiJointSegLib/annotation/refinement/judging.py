"""Networks judge the labels of cases that they were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from MultiJointSegLib import anatomy
from MultiJointSegLib.annotation.refinement.disagreement import CaseEvidence, gather_case
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.reading import read_volume
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.postprocess import clean_classes
from MultiJointSegLib.learning.config import LearningConfig
from MultiJointSegLib.learning.dataset_cache import ExaminationSlices, cached_slices
from MultiJointSegLib.learning.dataset_check import read_labels
from MultiJointSegLib.learning.dataset_folds import k_fold
from MultiJointSegLib.learning.examination_data import Split, input_settings, load_split
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.learning.masks.channels import input_slices
from MultiJointSegLib.learning.masks.of_examination import examination_mask_channels
from MultiJointSegLib.learning.scheme_training import train_scheme
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

_MULTIPLE = 32
_BATCH = 8
_CLOSING_MM = 1.5

Networks = dict[str, SharedUNet]
"""The network of each joint; the same one for all where they share it."""


@dataclass(frozen=True, slots=True)
class Judgment:
    """What networks that never saw a case say about it."""

    evidence: CaseEvidence
    networks: tuple[SharedUNet, ...]


def judge_cases(
    examinations: Sequence[Examination],
    judged: Sequence[str],
    config: LearningConfig,
    folder: Path,
    *,
    folds: int,
    networks: int,
    seed: int,
    device: torch.device,
    progress: Progress | None = None,
) -> dict[str, Judgment]:
    """Train on all folds but one, and judge that one's cases; every case in turn.

    Parameters
    ----------
    examinations : sequence of Examination
        All that may train, with the labels as they stand.
    judged : sequence of str
        Names of those whose labels are in question.
    config : LearningConfig
        How to train; its `data.manifest` and splits are not looked at.
    folder : Path
        Gets a folder for each training and the cut examinations; an interrupted judging goes on from there.
    folds, networks : int
        Parts of the subjects; trainings of each, which differ by their seed.
    seed : int
        Of the parts and of the trainings.
    device : torch.device
    progress : Progress, optional
        May cancel; trainings that ended are kept.

    Returns
    -------
    dict of str to Judgment
        By name, for every judged case.

    Raises
    ------
    InputError
        If there are too few subjects for the folds, or an examination cannot be used.
    """
    progress = progress or SilentProgress()
    wanted = set(judged)
    found: dict[str, Judgment] = {}
    observer: Networks = {}
    by_name = {e.name: e for e in examinations}
    parts = [fold for fold in k_fold(examinations, folds, seed=seed) if wanted & set(fold.test)]
    for index, fold in enumerate(parts):
        span = ProgressSpan(progress, index / len(parts), (index + 1) / len(parts))
        trained = [
            train_networks(
                config.model_copy(update={"seed": seed + 100 * member}),
                [by_name[name] for name in fold.train],
                folder,
                f"without_part_{index + 1}_network_{member + 1}",
                device,
                ProgressSpan(span, member / networks, (member + 1) / networks),
            )
            for member in range(networks)
        ]
        observer = observer or trained[0]
        for name in fold.test:
            if name in wanted:
                found[name] = _judge(by_name[name], trained, config, folder)
    return {name: _with_features(judgment, by_name[name], observer, config, folder) for name, judgment in found.items()}


def train_networks(
    config: LearningConfig,
    examinations: list[Examination],
    folder: Path,
    name: str,
    device: torch.device,
    progress: Progress,
) -> Networks:
    """Train on examinations with the labels as they stand.

    Parameters
    ----------
    config : LearningConfig
        How to train; its joints that no examination shows are left out, its splits and manifest are not looked at.
    examinations : list of Examination
        All of them train; none is kept for validation.
    folder : Path
        Gets the folder of the run and, in `cache`, the cut examinations.
    name : str
        Of the run's folder; a run that ended there already is not repeated, one that was interrupted goes on.
    device : torch.device
    progress : Progress
        May cancel.

    Returns
    -------
    dict of str to SharedUNet
        The network of each joint.

    Raises
    ------
    InputError
        If an examination cannot be used.
    """
    joints = tuple(key for key in config.joints if any(e.joint == key for e in examinations))
    config = config.model_copy(update={"joints": joints})
    data, _ = load_split(config, Split(tuple(examinations), ()), folder / "cache", device, SilentProgress())
    runs = train_scheme(config, data, None, folder / name, progress)
    return {key: run.network for run in runs for key in run.plan.joints}


def _judge(examination: Examination, trained: list[Networks], config: LearningConfig, folder: Path) -> Judgment:
    slices = cached_slices(examination, folder / "cache", input_settings(config))
    able = tuple(networks[examination.joint] for networks in trained)
    seen = [predict_slices(network, slices.images, examination.joint) for network in able]
    bones = {bone.key: bone.label for bone in anatomy.joint(examination.joint).bones}
    labeled = {bone.key for bone in examination.bones}
    labels, probabilities = _only_labeled(slices, seen, bones, labeled)
    evidence = gather_case(examination.name, labels, probabilities, {k: v for k, v in bones.items() if k in labeled})
    return Judgment(evidence, able)


def _with_features(
    judgment: Judgment, examination: Examination, observer: Networks, config: LearningConfig, folder: Path
) -> Judgment:
    """Features of one and the same network, whatever it was trained on: only so are cases comparable."""
    slices = cached_slices(examination, folder / "cache", input_settings(config))
    features = case_features(observer[examination.joint], slices.images, examination.joint)
    return replace(judgment, evidence=replace(judgment.evidence, features=features))


def _only_labeled(
    slices: ExaminationSlices, seen: list[np.ndarray], bones: dict[str, int], labeled: set[str]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Bones that nobody labels in the case are background, in the labels and in what the networks say."""
    keep = [index for index, key in enumerate(bones, 1) if key in labeled]
    drop = [index for index, key in enumerate(bones, 1) if key not in labeled]
    reduced = []
    for p in seen:
        background = p[:, :1] + p[:, drop].sum(axis=1, keepdims=True)
        reduced.append(np.concatenate([background, p[:, keep]], axis=1))
    return np.asarray(slices.labels), reduced


def _batches(images: np.ndarray, compute: Callable[[torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
    height, width = images.shape[2:]
    margin = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
    answers = []
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            part = torch.from_numpy(np.asarray(images[start : start + _BATCH], np.float32))
            answers.append(compute(F.pad(part, margin)))
    return answers


def predict_slices(network: SharedUNet, images: np.ndarray, joint: str) -> np.ndarray:
    """Class probabilities of canonical slices.

    Parameters
    ----------
    network : SharedUNet
        In evaluation mode, on the CPU.
    images : float ndarray of shape (s, 3, h, w)
    joint : str

    Returns
    -------
    float32 ndarray of shape (s, bones + 1, h, w)
    """
    height, width = images.shape[2:]
    answers = _batches(images, lambda x: network(x, joint).softmax(1)[:, :, :height, :width].float())
    return torch.cat(answers).numpy()


def case_features(network: SharedUNet, images: np.ndarray, joint: str) -> np.ndarray:
    """Mean over slices and positions of the bottleneck's features (f,), by which cases resemble each other."""
    answers = _batches(images, lambda x: network.features(x, joint)[0].mean((2, 3)))
    mean: np.ndarray = torch.cat(answers).mean(0).numpy()
    return mean


def propose_labels(examination: Examination, judgment: Judgment, config: LearningConfig) -> Volume:
    """What the networks would label, on the examination's own grid.

    Returns
    -------
    Volume
        uint8, the catalog's label values; one cleaned component for each bone that the case has labeled.
    """
    image = read_volume(examination.image)
    settings = input_settings(config)
    cut = canonical_slices(
        normalize_intensity(image),
        pixel_mm=settings.pixel_mm,
        minimum_pitch_mm=settings.minimum_pitch_mm,
        neighbor_mm=settings.neighbor_mm,
    )
    if settings.mask is not None:
        labels = read_labels(examination, image) if settings.mask.source == "oracle" else image
        masks = examination_mask_channels(examination, image, labels, cut.grid, settings.mask)
        cut = input_slices(cut, masks, settings.input)
    mean = np.mean([predict_slices(n, cut.images, examination.joint) for n in judgment.networks], axis=0)
    classes, _ = cut.grid.argmax_to_native(mean.astype(np.float32))
    bones = anatomy.joint(examination.joint).bones
    cleaned = clean_classes(
        classes,
        image.spacing_mm[::-1],
        count=len(bones),
        closing_radius_mm=_CLOSING_MM,
        both_sides=anatomy.joint(examination.joint).both_sides,
        in_parts=anatomy.joint(examination.joint).classes_in_parts,
    )
    labeled = {bone.key for bone in examination.bones}
    table = np.array([0, *(bone.label if bone.key in labeled else 0 for bone in bones)], np.uint8)
    return image.with_array(table[cleaned.classes])
