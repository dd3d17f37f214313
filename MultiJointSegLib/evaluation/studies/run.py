"""A whole study: examinations, trainings, predictions, tables and report. What is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.evaluation.about import About
from MultiJointSegLib.evaluation.case import Case
from MultiJointSegLib.evaluation.run import Evaluation, evaluate
from MultiJointSegLib.evaluation.studies import nnunet
from MultiJointSegLib.evaluation.studies.cell_run import CELL_RECORD, prediction_path, run_cell
from MultiJointSegLib.evaluation.studies.config import StudyConfig, read_study
from MultiJointSegLib.evaluation.studies.datasets import study_examinations
from MultiJointSegLib.evaluation.studies.design import Cell, Condition, cells, comparisons, conditions, method_name
from MultiJointSegLib.evaluation.studies.markdown import write_markdown
from MultiJointSegLib.evaluation.studies.notes import study_notes
from MultiJointSegLib.evaluation.studies.pictures import study_pictures
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.learning.dataset_check import read_labels
from MultiJointSegLib.learning.manifest import DatasetManifest, Examination
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

CONFIG_NAME, TABLE_NAME = "study_config.json", "table.md"
DATA, RUNS, CACHE, PEER = "data", "runs", "cache", "nnunet"
_DATA, _CELLS = 0.05, 0.9
_FIRST_DATASET = 501
"""Number of nnU-Net's first data set; they are private to the study's folder."""


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
    peer: nnunet.NnUNet | None = None,
    progress: Progress | None = None,
) -> Evaluation | None:
    """Train every scheme under every condition, test it, and write report and tables.

    Parameters
    ----------
    path : Path
        Study; see `config.StudyConfig`.
    output : Path
        Folder of the study: data, runs, and at the end what `report_study` writes.
    data : Path, optional
        Folder of the development data.
    device : str
        "cpu", "cuda" or "mps".
    part : tuple of 2 int
        (k, n): only every n-th training, from the k-th on, and no report; for n processes that see the same folder.
    peer : NnUNet, optional
        Trained under every condition too; not by a part, as it needs the first scheme's time.
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
    own: list[Cell | Condition] = []
    if part[1] > 1 or peer is None:
        own += cells(study, found)[part[0] - 1 :: part[1]]
    else:  # nnU-Net under a condition before the next one, so that a stopped study has whole conditions
        for condition in found:
            own += [*cells(study, [condition]), condition]
    for number, work in enumerate(own):
        start, stop = (_DATA + (_CELLS - _DATA) * n / len(own) for n in (number, number + 1))
        span = ProgressSpan(progress, start, stop)
        if isinstance(work, Cell):
            named = _Named(span, f"{work.method} ({number + 1} of {len(own)})")
            folder = output / RUNS / work.key
            run_cell(study, work, examinations, folder, output / CACHE, torch.device(device), named)
        else:
            assert peer is not None
            first = _FIRST_DATASET + found.index(work) * len(study.scored)
            place = output / PEER
            nnunet.run_nnunet(peer, study, work, examinations, output / RUNS, place, first, device, span)
    if part[1] > 1:
        return None
    return _report(study, manifest, found, output, ProgressSpan(progress, _CELLS, 1.0))


def report_study(path: Path, output: Path, *, data: Path | None = None, progress: Progress | None = None) -> Evaluation:
    """Write report.html, scores.csv, evaluation.json and `TABLE_NAME` of what is done so far.

    Only conditions under which every scheme is trained are scored, so that all are compared on the same examinations;
    the report says which are missing.

    Raises
    ------
    InputError
        If no condition is done.
    """
    progress = progress or SilentProgress()
    study, manifest, found = prepare_study(path, output, data, ProgressSpan(progress, 0.0, 0.1))
    return _report(study, manifest, found, output, ProgressSpan(progress, 0.1, 1.0))


def _report(
    study: StudyConfig, manifest: DatasetManifest, found: Sequence[Condition], output: Path, progress: Progress
) -> Evaluation:
    examinations = {e.name: e for e in manifest.examinations}
    done = [c for c in found if all((output / RUNS / w.key / CELL_RECORD).exists() for w in cells(study, [c]))]
    if not done:
        raise InputError(f"No condition of the study in '{output}' is done; run 'experiment schemes' for longer.")
    work = cells(study, done)
    records = [json.loads((output / RUNS / w.key / CELL_RECORD).read_text(encoding="utf-8")) for w in work]
    peers = {c: _peer_records(study, c, output) for c in done}
    methods: dict[str, list[Case]] = {}
    for cell in work:
        _add_cases(methods, cell.method, cell.condition, examinations, output / RUNS / cell.key)
    pairs = comparisons(study, done)
    for title in dict.fromkeys(c.title for c in done):
        own = [c for c in done if c.title == title]
        if all(peers[c] for c in own):  # else its examinations would not be those of the schemes
            name = method_name(nnunet.NAME, title)
            pairs.append((name, method_name(study.schemes[0], title)))
            for condition in own:
                _add_cases(methods, name, condition, examinations, output / PEER / condition.key)
    peer_records = [record for c in done for record in peers[c]]
    missing = [c.key for c in found if c not in done]
    about = About(
        study.name,
        study_notes(study, manifest, done, records, peer_records, missing),
        {"study": study.model_dump(mode="json"), "cells": records, "nnunet": peer_records},
        study_pictures(study, work, examinations, output / RUNS, output / CACHE),
    )
    evaluation = evaluate(methods, output, pairs=pairs, about=about, progress=progress)
    write_markdown(output / TABLE_NAME, about, evaluation)
    return evaluation


def _peer_records(study: StudyConfig, condition: Condition, output: Path) -> list[dict[str, Any]]:
    """Records of nnU-Net under a condition, empty where it is not done for every scored joint."""
    paths = [output / PEER / condition.key / f"{joint}.json" for joint in study.scored]
    return [json.loads(p.read_text(encoding="utf-8")) for p in paths] if all(p.exists() for p in paths) else []


class _Named:
    """Puts the cell's name before every message."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name

    def report(self, fraction: float, message: str) -> None:
        """See `Progress.report`."""
        self._progress.report(fraction, f"{self._name}: {message}")


def _add_cases(
    methods: dict[str, list[Case]],
    method: str,
    condition: Condition,
    examinations: Mapping[str, Examination],
    folder: Path,
) -> None:
    found = methods.setdefault(method, [])
    found.extend(_case(examinations[name], prediction_path(folder, name)) for name in condition.test)


def _case(examination: Examination, prediction: Path) -> Case:
    return Case(
        name=examination.name,
        subject=examination.subject,
        truth=partial(read_labels, examination),
        prediction=partial(read_label_map, prediction),
        image=partial(read_volume, examination.image),
        bones=examination.bones,
    )
