"""A whole study: examinations, trainings, predictions, tables and report. What is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.about import About
from MultiJointSegLib.evaluation.case import Case
from MultiJointSegLib.evaluation.run import Evaluation, evaluate
from MultiJointSegLib.evaluation.studies.cell_run import prediction_path, run_cell
from MultiJointSegLib.evaluation.studies.config import StudyConfig, read_study
from MultiJointSegLib.evaluation.studies.datasets import study_examinations
from MultiJointSegLib.evaluation.studies.design import Cell, Condition, cells, comparisons, conditions
from MultiJointSegLib.evaluation.studies.markdown import write_markdown
from MultiJointSegLib.evaluation.studies.notes import study_notes
from MultiJointSegLib.evaluation.studies.pictures import study_pictures
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.learning.dataset_check import read_labels
from MultiJointSegLib.learning.manifest import DatasetManifest, Examination
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

CONFIG_NAME, TABLE_NAME = "study_config.json", "table.md"
DATA, RUNS, CACHE = "data", "runs", "cache"
_DATA, _CELLS = 0.05, 0.9


def prepare_study(
    path: Path, output: Path, data: Path | None, progress: Progress
) -> tuple[StudyConfig, DatasetManifest, list[Condition]]:
    """Read a study, make its examinations in `output`, and choose who trains and tests.

    Raises
    ------
    InputError
        If the study or its examinations cannot be used, or the folder holds another study.
    """
    study = read_study(path)
    record = output / CONFIG_NAME
    content = study.model_dump(mode="json")
    if record.exists() and json.loads(record.read_text(encoding="utf-8")) != content:
        raise InputError(f"'{output}' holds a study of another configuration; choose another folder.")
    output.mkdir(parents=True, exist_ok=True)
    with atomic_write(record) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    manifest = study_examinations(study, path.parent, output / DATA, data, progress=progress)
    return study, manifest, conditions(study, manifest.examinations)


def run_study(
    path: Path,
    output: Path,
    *,
    data: Path | None = None,
    device: str = "cpu",
    part: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
) -> Evaluation | None:
    """Train every scheme under every condition, test it, and write report and tables.

    Parameters
    ----------
    path : Path
        Study; see `config.StudyConfig`.
    output : Path
        Folder of the study: data, runs, and at the end report.html, scores.csv, evaluation.json and `TABLE_NAME`.
    data : Path, optional
        Folder of the development data.
    device : str
        "cpu", "cuda" or "mps".
    part : tuple of 2 int
        (k, n): only every n-th training, from the k-th on, and no report; for n processes that see the same folder.
    progress : Progress, optional
        May cancel; the same call goes on from there.

    Returns
    -------
    Evaluation or None
        None for a part.
    """
    progress = progress or SilentProgress()
    study, manifest, found = prepare_study(path, output, data, ProgressSpan(progress, 0.0, _DATA))
    examinations = {e.name: e for e in manifest.examinations}
    work = cells(study, found)
    own = work[part[0] - 1 :: part[1]]
    records = []
    for number, cell in enumerate(own):
        start, stop = (_DATA + (_CELLS - _DATA) * n / len(own) for n in (number, number + 1))
        span = _Named(ProgressSpan(progress, start, stop), f"{cell.method} ({number + 1} of {len(own)})")
        folder = output / RUNS / cell.key
        records.append(run_cell(study, cell, examinations, folder, output / CACHE, torch.device(device), span))
    if part[1] > 1:
        return None
    methods = _cases(work, examinations, output)
    about = About(
        study.name,
        study_notes(study, manifest, found, records),
        {"study": study.model_dump(mode="json"), "cells": records},
        study_pictures(study, work, examinations, output / RUNS, output / CACHE),
    )
    evaluation = evaluate(
        methods, output, pairs=comparisons(study, found), about=about, progress=ProgressSpan(progress, _CELLS, 1.0)
    )
    write_markdown(output / TABLE_NAME, about, evaluation)
    return evaluation


class _Named:
    """Puts the cell's name before every message."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name

    def report(self, fraction: float, message: str) -> None:
        """See `Progress.report`."""
        self._progress.report(fraction, f"{self._name}: {message}")


def _cases(work: Sequence[Cell], examinations: Mapping[str, Examination], output: Path) -> dict[str, list[Case]]:
    methods: dict[str, list[Case]] = {}
    for cell in work:
        folder = output / RUNS / cell.key
        methods.setdefault(cell.method, []).extend(
            _case(examinations[name], prediction_path(folder, name)) for name in cell.condition.test
        )
    return methods


def _case(examination: Examination, prediction: Path) -> Case:
    return Case(
        name=examination.name,
        subject=examination.subject,
        truth=partial(read_labels, examination),
        prediction=partial(read_label_map, prediction),
        image=partial(read_volume, examination.image),
        bones=examination.bones,
    )
