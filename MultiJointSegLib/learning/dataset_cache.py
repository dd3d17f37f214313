"""Canonical slices of examinations, kept on disk so that training reads them at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.imaging.canonical import MINIMUM_PITCH_MM, NEIGHBOR_MM, PIXEL_MM, canonical_slices
from MultiJointSegLib.imaging.hashing import sha256_of
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.learning.dataset_check import read_examination
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.learning.masks.channels import input_slices
from MultiJointSegLib.learning.masks.of_examination import FirstPass, examination_mask_channels
from MultiJointSegLib.learning.masks.settings import InputMode, MaskSettings, input_channels
from MultiJointSegLib.progress import Progress, SilentProgress

FORMAT = 1
"""Part of every key: raise it when what is stored, or how it is computed, changes."""

_IMAGES, _LABELS, _FACTS = "images.npy", "labels.npy", "facts.json"


@dataclass(frozen=True, slots=True)
class SliceSettings:
    """How examinations are cut, see `imaging.canonical.canonical_slices`, and which channels the slices have."""

    pixel_mm: float = PIXEL_MM
    minimum_pitch_mm: float = MINIMUM_PITCH_MM
    neighbor_mm: float = NEIGHBOR_MM
    input: InputMode = "image"
    mask: MaskSettings | None = None

    @property
    def lengths_mm(self) -> dict[str, float]:
        """Arguments of `canonical_slices`."""
        return {
            "pixel_mm": self.pixel_mm,
            "minimum_pitch_mm": self.minimum_pitch_mm,
            "neighbor_mm": self.neighbor_mm,
        }

    @property
    def channels(self) -> int:
        """Channels of a slice."""
        return input_channels(self.input, self.mask)


@dataclass(frozen=True, slots=True)
class ExaminationSlices:
    """What the network learns from one examination.

    Parameters
    ----------
    examination : Examination
    images : float16 ndarray of shape (s, channels, h, w)
        Canonical slices of the normalized image, then the channels of the mask if there is one; mapped from the disk,
        read-only. Half precision resolves 0.001 of the range 0 to 1.5.
    labels : uint8 ndarray of shape (s, h, w)
        The catalog's labels at the nearest voxel; mapped from the disk, read-only.
    plane : str
        "sagittal", "coronal" or "axial".
    pitch_mm : float
        Distance of the slices.
    """

    examination: Examination
    images: np.ndarray
    labels: np.ndarray
    plane: str
    pitch_mm: float


def cache_key(examination: Examination, settings: SliceSettings) -> str:
    """Key of 64 hexadecimal digits: the contents of both files, the meaning of the labels, the settings, the format.

    Names, places and dates of files do not matter; a corrected label map has another key.
    """
    parts = {
        "format": FORMAT,
        "image": sha256_of(examination.image),
        "label": sha256_of(examination.label),
        "label_values": examination.label_values,
        **settings.lengths_mm,
    }
    if settings.mask is not None:
        parts["input"] = settings.input
        parts["mask"] = settings.mask.model_dump(mode="json")
        parts["side"] = examination.side
        parts["outline"] = None if examination.mask is None else sha256_of(examination.mask)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cached_slices(
    examination: Examination,
    folder: Path,
    settings: SliceSettings | None = None,
    *,
    first_pass: FirstPass | None = None,
) -> ExaminationSlices:
    """Slices of an examination, from the cache or computed and put there.

    Parameters
    ----------
    examination : Examination
    folder : Path
        Of the cache; made if missing. Several programs may use it at once: an entry appears whole or not at all.
    settings : SliceSettings, optional
    first_pass : callable, optional
        See `masks.of_examination.FirstPass`.

    Raises
    ------
    InputError
        If the examination cannot be used (see `dataset_check.read_examination`) or the folder cannot be written to.
    """
    settings = settings or SliceSettings()
    entry = Path(folder) / cache_key(examination, settings)
    found = _load(examination, entry, settings)
    if found is None:
        shutil.rmtree(entry, ignore_errors=True)  # incomplete, for example after a crash of the machine
        _store(examination, entry, settings, first_pass)
        found = _load(examination, entry, settings)
    if found is None:
        raise MultiJointSegError(f"The cache entry {entry} cannot be read; delete it and try again.")
    return found


def cached_dataset(
    examinations: Sequence[Examination],
    folder: Path,
    settings: SliceSettings | None = None,
    *,
    first_pass: FirstPass | None = None,
    progress: Progress | None = None,
) -> list[ExaminationSlices]:
    """Slices of several examinations, in their order; see `cached_slices`. Progress may cancel between two."""
    progress = progress or SilentProgress()
    slices = []
    for number, examination in enumerate(examinations):
        progress.report(number / len(examinations), f"Cutting {examination.name}")
        slices.append(cached_slices(examination, folder, settings, first_pass=first_pass))
    progress.report(1.0, "Cut")
    return slices


def _load(examination: Examination, entry: Path, settings: SliceSettings) -> ExaminationSlices | None:
    try:
        facts = json.loads((entry / _FACTS).read_text(encoding="utf-8"))
        images = np.load(entry / _IMAGES, mmap_mode="r")
        labels = np.load(entry / _LABELS, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    if images.dtype != np.float16 or images.shape != (len(labels), settings.channels, *labels.shape[1:]):
        return None
    return ExaminationSlices(examination, images, labels, facts["plane"], facts["pitch_mm"])


def _store(examination: Examination, entry: Path, settings: SliceSettings, first_pass: FirstPass | None) -> None:
    image, labels = read_examination(examination)
    slices = canonical_slices(normalize_intensity(image), **settings.lengths_mm)
    if settings.mask is not None:
        masks = examination_mask_channels(examination, image, labels, slices.grid, settings.mask, first_pass)
        slices = input_slices(slices, masks, settings.input)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=entry.parent))
    except OSError as error:
        raise InputError(f"The cache {entry.parent} cannot be written ({error.strerror or error}).") from error
    try:
        np.save(staging / _IMAGES, slices.images.astype(np.float16))
        np.save(staging / _LABELS, slices.grid.sample_labels(labels))
        facts = {"plane": slices.grid.plane, "pitch_mm": slices.grid.pitch_mm}
        (staging / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        try:
            os.rename(staging, entry)  # noqa: PTH104 - fails where another program was faster, which is as good
        except OSError:
            if not entry.is_dir():
                raise
    except OSError as error:
        raise MultiJointSegError(f"The cache entry {entry} cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
