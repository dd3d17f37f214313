"""Studies of the experiment `pretraining`: synthetic knees, or real pelvis MR from a folder."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.learning.pretext.line_fit import line_error
from MultiJointSegLib.learning.pretext.lines import intersection_line
from MultiJointSegLib.learning.pretext.phantom_studies import (
    LABEL_FOLDER,
    ScatterSettings,
    make_phantom_study,
    write_phantom_study,
)
from MultiJointSegLib.learning.pretext.prepared import PreparedSeries, PreparedStudy, prepare_study
from MultiJointSegLib.learning.pretext.sampling import sample_on
from MultiJointSegLib.learning.pretext.slice_grid import Plane
from MultiJointSegLib.learning.pretext.study import FileSlice, Study
from MultiJointSegLib.learning.pretext.study_reading import STUDY_FILE, read_study

VIEWS = ("sagittal", "coronal", "axial")
_HIP_TEST = 5
_HIP_HELD_BACK = 2


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    unlabelled: int
    held_back: int
    test: int
    pixel_mm: float
    map_spacing_mm: float
    size_px: int
    pretrain_steps: int
    pretrain_batch: int
    steps: int
    batch: int
    seeds: int
    decoder_channels: tuple[int, ...]
    labelled: tuple[int, ...] = (1, 2, 4, 8)
    shares: tuple[float, ...] = (0.1, 0.25, 1.0)
    """Of the training studies, whose class is told in the classification."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A stack with its labels: class indices uint8 (slices, rows, columns)."""

    name: str
    series: PreparedSeries
    classes: np.ndarray


@dataclass(frozen=True, slots=True)
class Cases:
    """What is learned from and judged on; no subject is in two of the parts.

    Parameters
    ----------
    joint : str
        Name of the network's only joint.
    bones : int
    unlabelled, held_back : list of PreparedStudy
        For pretraining, and to judge it.
    anatomical : list of PreparedStudy
        `held_back` with the planes that the anatomy alone gives, without the technologist's scatter; empty where these
        are not known.
    labelled, test : list of Labelled
        For segmentation.
    known, asked : list of PreparedStudy
        For classification: for training, and to judge it; empty where there is none.
    growth_plates : dict of str to str
        Class of these by name.
    """

    joint: str
    bones: int
    unlabelled: list[PreparedStudy]
    held_back: list[PreparedStudy]
    labelled: list[Labelled]
    test: list[Labelled]
    known: list[PreparedStudy]
    asked: list[PreparedStudy]
    growth_plates: dict[str, str]
    anatomical: list[PreparedStudy] = field(default_factory=list)


def with_anatomical_planes(study: PreparedStudy, folder: Path) -> PreparedStudy:
    """A study whose planes to be found are those that the anatomy gives."""
    told = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))["anatomical_planes"]
    planes = {view: Plane(tuple(p["point_mm"]), tuple(p["normal"])) for view, p in told.items()}
    series = tuple(replace(s, crossing={view: planes[view] for view in s.crossing}) for s in study.series)
    return replace(study, series=series)


def scatter_of(acquired: list[PreparedStudy], anatomical: list[PreparedStudy]) -> dict[str, float]:
    """Mean line error of the anatomy's planes against the acquired ones: no network can know better."""
    found = []
    for own, ideal in zip(acquired, anatomical, strict=True):
        for series, straight in zip(own.series, ideal.series, strict=True):
            for grid in series.grids:
                for view, plane in series.crossing.items():
                    true = intersection_line(grid, plane, 0.0)
                    line = intersection_line(grid, straight.crossing[view], 0.0)
                    error = line_error(line, true, grid) if line is not None and true is not None else None
                    if error is not None:
                        found.append((error.position_mm, error.angle_deg))
    mean = np.mean(found, axis=0)
    return {"line_mm": round(float(mean[0]), 3), "line_deg": round(float(mean[1]), 3), "lines": len(found)}


def synthetic_knees(folder: Path, size: Size, processes: int) -> Cases:
    """Knees imaged as a technologist would; made where they are not there yet."""
    parts, first = {}, 500_000
    for part, count in (
        ("unlabelled", size.unlabelled), ("held_back", size.held_back),
        ("labelled", max(size.labelled)), ("test", size.test),
    ):  # fmt: skip
        parts[part] = [(folder / part / f"knee_{seed:06d}", seed) for seed in range(first, first + count)]
        first += 100_000
    missing = [
        (str(path), seed, size.map_spacing_mm, size.pixel_mm)
        for places in parts.values()
        for path, seed in places
        if not (path / STUDY_FILE).exists()
    ]
    with ProcessPoolExecutor(processes) as pool:
        for done, _ in enumerate(pool.map(_make_knee, missing), start=1):
            print(f"study {done} of {len(missing)}", flush=True)
    studies = {
        part: [prepare_study(read_study(path), pixel_mm=size.pixel_mm) for path, _ in places]
        for part, places in parts.items()
    }
    classes = np.zeros(256, np.uint8)
    for index, label in enumerate(anatomy.joint("knee").labels, start=1):
        classes[label] = index
    stacks = {
        part: [
            labelled_stack(path, "sagittal", path / LABEL_FOLDER / "sagittal.nii.gz", classes, size.pixel_mm)
            for path, _ in parts[part]
        ]
        for part in ("labelled", "test")
    }
    # One view is enough to see growth plates, and three times as fast.
    known, asked = (
        [replace(s, series=tuple(one for one in s.series if one.channel == "sagittal")) for s in some]
        for some in (studies["unlabelled"] + studies["labelled"], studies["held_back"] + studies["test"])
    )
    plates = {
        path.name: str(json.loads((path / STUDY_FILE).read_text(encoding="utf-8"))["growth_plates"])
        for places in parts.values()
        for path, _ in places
    }
    return Cases(
        "knee", 4, studies["unlabelled"], studies["held_back"], stacks["labelled"], stacks["test"],
        known, asked, plates,
        [with_anatomical_planes(s, p) for s, (p, _) in zip(studies["held_back"], parts["held_back"], strict=True)],
    )  # fmt: skip


def _make_knee(job: tuple[str, int, float, float]) -> None:
    path, seed, map_spacing_mm, pixel_mm = job
    scatter = ScatterSettings(map_spacing_mm=map_spacing_mm, pixel_mm=(0.75 * pixel_mm, 1.1 * pixel_mm))
    write_phantom_study(make_phantom_study("knee", seed, views=VIEWS, scatter=scatter), Path(path))


def real_hips(folder: Path, size: Size) -> Cases:
    """Pelvis MR: NN_img.nii.gz with NN_seg.nii.gz (1 femur, 2 hip bone, 4 sacrum). Coronal only, so lines by reslicing.

    Raises
    ------
    InputError
        If there are not enough.
    """
    images = sorted(folder.glob("*_img.nii.gz"))
    needed = max(size.labelled) + _HIP_HELD_BACK + 1
    if len(images) < needed:
        raise InputError(f"The folder {folder} holds {len(images)} images named NN_img.nii.gz; {needed} are needed.")
    order = [images[i] for i in np.random.default_rng(0).permutation(len(images))]
    count = min(_HIP_TEST, len(order) - needed + 1)
    test, held, rest = order[:count], order[count : count + _HIP_HELD_BACK], order[count + _HIP_HELD_BACK :]
    classes = np.zeros(256, np.uint8)
    classes[[1, 2, 4]] = 1, 2, 3

    def stack(path: Path) -> Labelled:
        return labelled_stack(path, None, path.with_name(path.name.replace("_img", "_seg")), classes, size.pixel_mm)

    def study(path: Path) -> PreparedStudy:
        return prepare_study(read_study(path), pixel_mm=size.pixel_mm, reslice=True)

    return Cases(
        "hip", 3, [study(p) for p in rest], [study(p) for p in held], [stack(p) for p in rest[: max(size.labelled)]],
        [stack(p) for p in test], [], [], {},
    )  # fmt: skip


def labelled_stack(path: Path, key: str | None, label_path: Path, classes: np.ndarray, pixel_mm: float) -> Labelled:
    """One series of a study (its only one where `key` is None) with its labels; `classes` maps label values."""
    study = read_study(path)
    chosen = [s for s in study.series if key in (None, s.key)]
    prepared = prepare_study(Study(study.name, tuple(chosen), study.joint, study.side), pixel_mm=pixel_mm)
    series = prepared.series[0]
    labels = read_label_map(label_path).array
    stack = []
    for place, grid in zip(chosen[0].slices, series.grids, strict=True):
        image = place.images[0]
        assert isinstance(image, FileSlice)
        own = classes[labels.take(image.index, image.axis)].astype(np.float32)[None]
        stack.append(sample_on(own, place.grid, grid, mode="nearest")[0].numpy().astype(np.uint8))
    return Labelled(study.name, series, np.stack(stack))
