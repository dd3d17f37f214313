"""What the report of a study says about how it was done, from its records."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

import MultiJointSegLib
from MultiJointSegLib.evaluation.statistics import SIGNIFICANCE
from MultiJointSegLib.evaluation.studies.config import StudyConfig
from MultiJointSegLib.evaluation.studies.design import Condition
from MultiJointSegLib.learning.manifest import DatasetManifest

FEWEST_FOR_SIGNIFICANCE = 6
"""Of five subjects the smallest two-sided p of a signed-rank test is 2 / 2^5 = 0.0625, of six 0.031."""


def study_notes(
    study: StudyConfig,
    manifest: DatasetManifest,
    found: Sequence[Condition],
    records: Sequence[Mapping[str, Any]],
    peer: Sequence[Mapping[str, Any]] = (),
    missing: Sequence[str] = (),
) -> tuple[tuple[str, str], ...]:
    """Terms and texts for the report.

    Parameters
    ----------
    study : StudyConfig
    manifest : DatasetManifest
    found : sequence of Condition
    records : sequence of mapping
        Of the cells, see `cell_run.run_cell`.
    peer : sequence of mapping
        Of nnU-Net, see `nnunet.run_nnunet`.
    missing : sequence of str
        Conditions that are not done.
    """
    counts = {key: len(manifest.select(joint=key)) for key in study.joints}
    notes = [
        ("Question", study.description or study.name),
        ("Examinations", f"{', '.join(f'{key} {count}' for key, count in counts.items())}. {_origin(study)}"),
        ("Design", _design(study, found)),
        ("Training", _training(study)),
        ("Time", _time(records)),
        ("Computed with", _machine(records)),
    ]
    if peer:
        notes.append(("nnU-Net", _peer(study, peer)))
    if missing:
        text = f"Not done, and so not scored: {', '.join(missing)}. The same study, run again, goes on there."
        notes.append(("Unfinished", text))
    fewest = min(sum(len(c.test) for c in found if c.title == title) for title in dict.fromkeys(c.title for c in found))
    if fewest < FEWEST_FOR_SIGNIFICANCE:
        text = (
            f"With {fewest} subjects the smallest p-value that the test can give is {2 / 2**fewest:.4g}, before any "
            f"correction: no difference can be significant at {SIGNIFICANCE}. Read the differences, their intervals "
            "and the effect sizes; design.rotations tests more subjects."
        )
        notes.append(("What can be shown", text))
    return tuple(notes)


def _origin(study: StudyConfig) -> str:
    texts = []
    if study.phantoms is not None:
        kind = "bones of real people, posed and deformed anew" if study.phantoms.real_shapes else "bones drawn by rule"
        texts.append(f"Synthetic ({', '.join(study.phantoms.joints)}; {kind}): the truth is exact.")
    if study.hip_mr is not None:
        texts.append("Real (hip): 1.5 T MR of adults, labeled by hand.")
    if study.manifest is not None:
        texts.append("From a manifest.")
    return " ".join(texts)


def _design(study: StudyConfig, found: Sequence[Condition]) -> str:
    design = study.design
    if design.kind == "folds":
        return (
            f"{design.folds} folds over subjects: every examination of {', '.join(study.scored)} is segmented once, by "
            "networks that were trained on the other folds."
        )
    tested = sum(len(c.test) for c in found if c.title == found[0].title)
    turns = f" in {design.rotations} rotations" if design.rotations > 1 else ""
    return (
        f"{tested} examinations of the {design.joint}{turns} are segmented by networks that were trained on "
        f"{', '.join(map(str, design.sizes))} of the others; shared schemes also learn from all examinations of "
        f"{', '.join(key for key in study.joints if key != design.joint) or 'no other joint'}."
    )


def _training(study: StudyConfig) -> str:
    training = study.learning.training
    return (
        f"Every network takes {training.steps} steps of {training.slices_per_joint} slices of each of its joints, "
        f"{' or '.join(map(str, training.sizes_px))} pixels of {study.learning.data.pixel_mm} mm, seed {study.seed}; "
        f"backbone {study.learning.network.backbone}. The moving average of the weights is taken "
        "as it is at the end: what is tested chooses nothing."
    )


def _time(records: Sequence[Mapping[str, Any]]) -> str:
    minutes: dict[str, float] = defaultdict(float)
    computed: dict[str, float] = defaultdict(float)
    for record in records:
        minutes[record["scheme"]] += sum(60 * run["hours"] for run in record["runs"])
        computed[record["scheme"]] += sum(60 * run["cpu_hours"] for run in record["runs"])
    each = ", ".join(f"{key} {value:.1f} ({computed[key]:.1f})" for key, value in minutes.items())
    whole = sum(r["minutes"] for r in records)
    return f"Minutes of training by the clock (of CPU time): {each}; with predictions {whole:.1f} by the clock in all."


def _peer(study: StudyConfig, peer: Sequence[Mapping[str, Any]]) -> str:
    """What nnU-Net did with its time: few iterations must not be read as a weak method."""
    used, budgets = ([round(record[key]) for record in peer] for key in ("training_s", "budget_s"))
    iterations, epochs = [record["iterations"] for record in peer], [record["epochs"] for record in peer]
    seconds = "seconds of CPU time" if peer[0]["device"] == "cpu" else "seconds"
    return (
        f"nnU-Net {peer[0]['version']}, configuration 2d, one network for each joint on the same examinations, with "
        f"the {seconds} that '{study.schemes[0]}' trained, divided by its joints: {_range(budgets)} given, "
        f"{_range(used)} used, in which it made {_range(iterations)} iterations of "
        f"{_range([record['batch_size'] for record in peer])} patches, {_range(epochs)} of the "
        f"{peer[0]['usual_epochs']} epochs that it usually takes, on {peer[0]['threads']} threads. Planning and "
        f"preparing took another {_range([round(r['preparing_clock_s']) for r in peer])} s by the clock, segmenting "
        f"{_range([round(r['predicting_clock_s']) for r in peer])} s. This compares what a small budget buys, not what "
        "nnU-Net reaches when it is trained to its end."
    )


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _machine(records: Sequence[Mapping[str, Any]]) -> str:
    devices = sorted({f"{run['device']}, {run['threads']} threads" for r in records for run in r["runs"]})
    versions = (
        f"MultiJointSeg {MultiJointSegLib.__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    )
    return f"{'; '.join(devices)}; {os.cpu_count()} cores. {versions}."
