"""The examinations of a study, as manifests that a training reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.studies.config import HIP_MR, PHANTOMS, PhantomsConfig, StudyConfig
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.manifest import DatasetManifest, check_together, read_dataset
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

MANIFEST_NAME = "dataset.json"


def study_examinations(
    study: StudyConfig, config_folder: Path, folder: Path, data: Path | None, *, progress: Progress | None = None
) -> DatasetManifest:
    """Make (or find) the examinations of a study.

    Parameters
    ----------
    study : StudyConfig
    config_folder : Path
        That the study's own manifest is relative to.
    folder : Path
        Gets a folder for each kind of examinations; what is there is kept.
    data : Path or None
        Folder of the development data.
    progress : Progress, optional
        Told of each examination; may cancel.

    Returns
    -------
    DatasetManifest
        All kinds together; label maps were checked.

    Raises
    ------
    InputError
        If the development data is needed and not given, or examinations cannot be used.
    """
    if study.needs_data_folder and data is None:
        raise InputError(f"The study '{study.name}' uses the development data; give its folder as --data.")
    progress = progress or SilentProgress()
    making, reading = ProgressSpan(progress, 0.0, 0.7), ProgressSpan(progress, 0.7, 1.0)
    paths = []
    if study.phantoms is not None:
        paths.append(make_phantoms(study.phantoms, folder / PHANTOMS, data, progress=making))
    if study.hip_mr is not None:
        assert data is not None
        paths.append(list_hip_mr(data, folder / HIP_MR, study.hip_mr.examinations))
    if study.manifest is not None:
        paths.append(config_folder / study.manifest)
    parts = []
    for number, path in enumerate(paths):
        parts.append(read_dataset(path, progress=ProgressSpan(reading, number / len(paths), (number + 1) / len(paths))))
    together = DatasetManifest(study.name, paths[0], tuple(e for part in parts for e in part.examinations))
    check_together(together)
    return together


def make_phantoms(
    settings: PhantomsConfig, folder: Path, data: Path | None, *, progress: Progress | None = None
) -> Path:
    """Make synthetic examinations, each its own subject, and their manifest; those that are there are kept.

    Returns
    -------
    Path
        The manifest.
    """
    progress = progress or SilentProgress()
    record = folder / "settings.json"
    wanted = settings.model_dump(mode="json")
    if record.exists() and json.loads(record.read_text(encoding="utf-8")) != wanted:
        raise InputError(f"'{folder}' holds phantoms of other settings; choose another output folder.")
    folder.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    draw = _shape_drawer(data) if settings.real_shapes and data is not None else _draw_by_rule
    entries = []
    work = [(joint, number) for joint in settings.joints for number in range(settings.examinations)]
    for done, (joint, number) in enumerate(work):
        name = f"{joint}_{number + 1:02d}"
        progress.report(done / len(work), f"Making phantoms: {name}")
        seed = settings.first_seed + number
        age = float(np.random.default_rng([seed, 3]).uniform(*settings.age_years))
        image, label = folder / f"{name}.nii.gz", folder / f"{name}_labels.nii.gz"
        if not (image.exists() and label.exists()):
            volume, labels = draw(settings, joint, seed, number, age)
            write_volume(labels, label)
            write_volume(volume, image)
        entries.append(
            {"image": image.name, "label": label.name, "joint": joint, "subject": name, "age_years": round(age, 1)}
        )
    kind = "bones of real people, deformed" if settings.real_shapes else "bones drawn by rule"
    return _write_manifest(folder, {"name": f"Phantoms: {kind}", "examinations": entries})


def list_hip_mr(data: Path, folder: Path, count: int) -> Path:
    """Write the manifest of the real hip examinations; spine and sacrum are background.

    Raises
    ------
    InputError
        If the data folder lacks them.
    """
    source = (data / "hip_mr").resolve()
    images = sorted(source.glob("[0-9][0-9]_img.nii.gz"))[:count]
    if len(images) < count:
        raise InputError(f"'{source}' holds {len(images)} examinations, {count} are needed; give the data folder.")
    entries: list[dict[str, Any]] = [
        {
            "name": f"hip_{image.name[:2]}",
            "image": str(image),
            "label": str(image.with_name(image.name.replace("_img", "_seg"))),
            "subject": f"hip_{image.name[:2]}",
        }
        for image in images
    ]
    values = {"femur": 1, "hip_bone": 2, "background": [3, 4]}
    defaults = {"joint": "hip", "side": "both", "label_values": values}
    return _write_manifest(folder, {"name": "Hip MR", "defaults": defaults, "examinations": entries})


def _write_manifest(folder: Path, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST_NAME
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


_Draw = Callable[[PhantomsConfig, str, int, int, float], tuple[Volume, Volume]]


def _draw_by_rule(settings: PhantomsConfig, joint: str, seed: int, number: int, age: float) -> tuple[Volume, Volume]:
    from MultiJointSegLib.phantom.phantom import make_phantom

    del number
    made = make_phantom(
        joint,
        seed=seed,
        age_years=age,
        plane=settings.plane,
        sequence=settings.sequence,
        spacing_mm=settings.spacing_mm,
        map_spacing_mm=settings.map_spacing_mm,
    )
    return made.volume, made.labels


def _shape_drawer(data: Path) -> _Draw:
    from MultiJointSegLib.phantom.acquisition import acquire, draw_acquisition
    from MultiJointSegLib.phantom.procedural import phantom_rng
    from MultiJointSegLib.phantom.real_shapes import real_shape_cases

    cases = real_shape_cases(data)

    def draw(settings: PhantomsConfig, joint: str, seed: int, number: int, age: float) -> tuple[Volume, Volume]:
        own = [case for case in cases if case.joint == joint and not case.mirrored]
        if not own:
            raise InputError(f"The data folder holds no real shapes of the {joint}; leave it out of phantoms.joints.")
        case = own[number % len(own)]
        tissues = case.tissue_map(seed, age_years=age, spacing_mm=settings.map_spacing_mm)
        rng = phantom_rng("acquisition", joint, seed)
        acquisition = draw_acquisition(
            tissues, rng, plane=settings.plane, sequence=settings.sequence, spacing_mm=settings.spacing_mm
        )
        return acquire(tissues, acquisition, rng)

    return draw
