"""One cell of a study: train a scheme, and segment the examinations that it was not trained on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from MultiJointSegLib.evaluation.studies.config import StudyConfig
from MultiJointSegLib.evaluation.studies.design import Cell, cell_config
from MultiJointSegLib.evaluation.studies.prediction import predict_labels
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.inference.manifest import Preprocessing
from MultiJointSegLib.learning.config import LearningConfig
from MultiJointSegLib.learning.dataset_check import read_examination
from MultiJointSegLib.learning.examination_data import Split, check_split, load_split, set_aside
from MultiJointSegLib.learning.manifest import Examination
from MultiJointSegLib.learning.scheme_training import TrainedRun, train_scheme
from MultiJointSegLib.learning.train_shared import RECORD_FILE
from MultiJointSegLib.progress import Progress, ProgressSpan

CELL_RECORD = "cell.json"
PREDICTIONS = "predictions"
_TRAINING = 0.85


def prediction_path(folder: Path, name: str) -> Path:
    """Label map of an examination in a cell's folder."""
    return folder / PREDICTIONS / f"{name}.nii.gz"


def run_cell(
    study: StudyConfig,
    cell: Cell,
    examinations: Mapping[str, Examination],
    folder: Path,
    cache: Path,
    device: torch.device,
    progress: Progress,
) -> dict[str, Any]:
    """Train and segment, unless it is done already.

    Parameters
    ----------
    study : StudyConfig
    cell : Cell
    examinations : mapping of str to Examination
        All of the study, by name.
    folder : Path
        Of the cell.
    cache : Path
        Of the cut examinations.
    device : torch.device
    progress : Progress
        May cancel.

    Returns
    -------
    dict
        The cell's record: steps, training time and network of each run.
    """
    record_path = folder / CELL_RECORD
    if record_path.exists():
        found: dict[str, Any] = json.loads(record_path.read_text(encoding="utf-8"))
        return found
    config = cell_config(study, cell)
    split = _split(config, [examinations[name] for name in cell.condition.train], cell.key)
    started = time.monotonic()
    train, validation = load_split(config, split, cache, device, ProgressSpan(progress, 0.0, 0.02))
    span = ProgressSpan(progress, 0.02, _TRAINING)
    runs = train_scheme(config, train, validation, folder, span, targets=study.scored)
    tested = [examinations[name] for name in cell.condition.test]
    predicting = time.monotonic()
    _predict(runs, tested, config, folder, device, ProgressSpan(progress, _TRAINING, 1.0))
    record = {
        "scheme": cell.scheme,
        "condition": cell.condition.key,
        "train": [e.name for e in split.train],
        "test": list(cell.condition.test),
        "runs": [_summary(path) for path in sorted(folder.glob(f"*/{RECORD_FILE}"))],
        "minutes": round((time.monotonic() - started) / 60, 3),
        "prediction_minutes": round((time.monotonic() - predicting) / 60, 3),
    }
    with atomic_write(record_path) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return record


def _split(config: LearningConfig, train: Sequence[Examination], name: str) -> Split:
    wanted = [e for e in train if e.joint in config.joints]
    split = set_aside(wanted, config.data, config.seed) if config.training.patience else Split(tuple(wanted), ())
    check_split(split, config.joints, name)
    return split


def _predict(
    runs: Sequence[TrainedRun],
    tested: Sequence[Examination],
    config: LearningConfig,
    folder: Path,
    device: torch.device,
    progress: Progress,
) -> None:
    networks = {key: run.network for run in runs for key in run.plan.joints}
    data = config.data
    preprocessing = Preprocessing(
        pixel_mm=data.pixel_mm, minimum_pitch_mm=data.minimum_pitch_mm, neighbor_mm=data.neighbor_mm
    )
    (folder / PREDICTIONS).mkdir(exist_ok=True)
    for number, examination in enumerate(tested):
        progress.report(number / len(tested), f"Segmenting: {examination.name}")
        image, _ = read_examination(examination)
        network = networks[examination.joint].to(device).eval()
        labels = predict_labels(network, image, examination.joint, preprocessing, device)
        write_volume(labels, prediction_path(folder, examination.name))


def _summary(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: record[key] for key in ("steps", "hours", "cpu_hours", "device", "threads", "imagenet", "start_from")}
    return {"run": path.parent.name, "joints": list(record["network"]["joints"]), **kept}
