"""A round of a refinement: judge what nobody has decided on, propose doubted labels again, and write the next queue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from MultiJointSegLib.annotation.refinement.config import RefineConfig
from MultiJointSegLib.annotation.refinement.disagreement import CaseEvidence
from MultiJointSegLib.annotation.refinement.facts import write_facts
from MultiJointSegLib.annotation.refinement.judging import judge_cases, propose_labels
from MultiJointSegLib.annotation.refinement.project import CASES, PLAN, QUEUE, Project
from MultiJointSegLib.annotation.refinement.queue import Queue, QueueEntry, write_queue
from MultiJointSegLib.annotation.refinement.selection import rank
from MultiJointSegLib.annotation.refinement.store import CaseState, CaseStore, case_folder_name
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.imaging.canonical import canonical_grid
from MultiJointSegLib.imaging.reading import read_label_map
from MultiJointSegLib.learning.config import LearningConfig
from MultiJointSegLib.learning.dataset_check import read_labels
from MultiJointSegLib.learning.examination_data import input_settings, joints_of
from MultiJointSegLib.learning.manifest import Examination, read_dataset
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

_TRAINING_SHARE = 0.9

SLICE_COUNT = 8
"""Slices of a case that are pointed out: as many as a reader looks at."""


LEAST_AGREEMENT = 0.5
"""Networks whose answers agree less than this with half of the labels have learned too little to judge them."""

DOUBT = 0.1
"""Networks doubt labels that they disagree with by this much more than with any that a person vouches for."""


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round came to.

    Parameters
    ----------
    number : int
    queue : Queue
    stopped : str
        Why no more is asked for; "" otherwise.
    agreement : float
        Median over all judged cases of the mean Dice between labels and networks. Below `LEAST_AGREEMENT` the order of
        the queue means little, and nothing is proposed again.
    """

    number: int
    queue: Queue
    stopped: str
    agreement: float = 1.0


def begin(project: Project, config: RefineConfig, progress: Progress | None = None) -> list[Examination]:
    """Take in the manifest's cases that are new, with their labels as the first proposal.

    Returns
    -------
    list of Examination
        As the manifest has them.
    """
    learning = config.learning
    if learning.data.manifest is None:
        raise InputError("The configuration names no examinations; give the list of them as learning.data.manifest.")
    path = config.folder / learning.data.manifest
    examinations = [e for e in read_dataset(path, check_images=False).examinations if e.split != "test"]
    progress = progress or SilentProgress()
    for index, examination in enumerate(examinations):
        progress.report(index / len(examinations), f"Taking in {examination.name}")
        store = CaseStore(project.folder / CASES / case_folder_name(examination.name))
        store.recover()
        write_facts(store, examination.image, examination.joint)
        if not store.versions():
            store.propose(read_labels(examination), note="first proposal")
    return examinations


def run_round(
    project: Project,
    config: RefineConfig,
    device: torch.device,
    progress: Progress | None = None,
    *,
    anyway: bool = False,
) -> RoundResult:
    """Judge what nobody has decided on, propose doubted labels again, and write the next queue.

    An interrupted round goes on where it was, with the labels it began with.

    Parameters
    ----------
    config : RefineConfig
    device : torch.device
        Where networks are trained.
    progress : Progress, optional
        May cancel; trainings that ended are kept.
    anyway : bool
        Begin a new round though cases of the last queue still wait.

    Raises
    ------
    InputError
        If cases still wait, or what `begin` and `judging.judge_cases` raise.
    """
    progress = progress or SilentProgress()
    examinations = begin(project, config, ProgressSpan(progress, 0.0, 0.02))
    number, plan = _plan(project, config, examinations, anyway=anyway)
    folder = project.round_folder(number)
    settings = config.refine
    stopped = settings.stopping.reason(*project.effort())
    if stopped:
        return RoundResult(number, Queue(number, settings.strategy, []), stopped)
    standing, open_cases, reviewed = _standing(project, examinations, plan)
    learning = joints_of(config.learning, replace(read_dataset_of(config), examinations=tuple(standing)))
    judgments = judge_cases(
        standing,
        [*open_cases, *reviewed],
        learning,
        folder,
        folds=settings.folds,
        networks=settings.networks,
        seed=settings.seed + 1000 * number,
        device=device,
        progress=ProgressSpan(progress, 0.02, _TRAINING_SHARE),
    )
    evidence = {name: judgment.evidence for name, judgment in judgments.items()}
    order = rank(
        settings.strategy,
        [evidence[name] for name in open_cases],
        [evidence[name] for name in reviewed],
        seed=settings.seed + number,
    )
    left = settings.total_budget - project.effort()[0]
    queue = Queue(
        number,
        settings.strategy,
        [_entry(evidence[name], project, learning) for name in order[: min(settings.budget, left)]],
    )
    agreement = float(np.median([1 - found.disagreement for found in evidence.values()])) if evidence else 1.0
    if settings.repropose and number > 1 and agreement >= LEAST_AGREEMENT:
        doubted = doubted_cases(evidence, open_cases, reviewed)
        _propose_again(project, standing, doubted, judgments, learning, number, progress)
    write_queue(queue, folder / QUEUE)
    progress.report(1.0, "Queue written")
    return RoundResult(number, queue, "", agreement)


def _plan(
    project: Project, config: RefineConfig, examinations: Sequence[Examination], *, anyway: bool
) -> tuple[int, Any]:
    """Number of the round and the label versions it works with: a new round, or the one that was interrupted."""
    folders = project.round_folders()
    if folders and not (folders[-1] / QUEUE).exists():
        return len(folders), json.loads((folders[-1] / PLAN).read_text(encoding="utf-8"))
    if folders and not anyway and not config.refine.stopping.reason(*project.effort()):
        names = [entry.case for entry in project.waiting()]
        if names:
            raise InputError(
                f"{len(names)} cases of round {len(folders)} still wait for a person ({', '.join(names[:3])}"
                f"{', ...' if len(names) > 3 else ''}); review them, or begin a new round with --anyway."
            )
    plan = {e.name: _plan_entry(project.case(e.name).state()) for e in examinations}
    number = len(folders) + 1
    folder = project.round_folder(number)
    folder.mkdir(parents=True)
    with atomic_write(folder / PLAN) as temporary:
        temporary.write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")
    return number, plan


def _standing(
    project: Project, examinations: Sequence[Examination], plan: Any
) -> tuple[list[Examination], list[str], list[str]]:
    """Examinations with the labels that count, names of the open ones and of the reviewed ones."""
    standing: list[Examination] = []
    open_cases: list[str] = []
    reviewed: list[str] = []
    for examination in examinations:
        entry = plan.get(examination.name)
        if entry is None or entry["status"] == "rejected":
            continue
        identity = tuple((bone.label, bone.label) for bone in examination.bones)
        path = project.case(examination.name).labels_path(entry["version"])
        standing.append(replace(examination, label=path, label_values=((0, 0), *identity)))
        (reviewed if entry["status"] in ("corrected", "accepted") else open_cases).append(examination.name)
    return standing, open_cases, reviewed


def doubted_cases(
    evidence: Mapping[str, CaseEvidence], open_cases: Sequence[str], reviewed: Sequence[str]
) -> list[str]:
    """Open cases whose labels the networks disagree with clearly more than with any that a person drew or accepted.

    The labels of the others are as good as these networks can tell: their own answer would rather be worse.

    Parameters
    ----------
    evidence : mapping of str to CaseEvidence
        By name, of both.
    open_cases, reviewed : sequence of str
        Names of cases that nobody has decided on, and of those with labels that a person vouches for. Without any of
        these, all open cases are doubted.
    """
    usual = max((evidence[name].disagreement for name in reviewed), default=-1.0)
    return [name for name in open_cases if evidence[name].disagreement > usual + DOUBT]


def _propose_again(
    project: Project, standing: Sequence[Examination], names: Sequence[str], judgments: Any, learning: Any, number: int,
    progress: Progress,
) -> None:  # fmt: skip
    for index, examination in enumerate(standing):
        progress.report(_TRAINING_SHARE + (1 - _TRAINING_SHARE) * index / len(standing), "Proposing labels")
        if examination.name not in names:
            continue
        case = project.case(examination.name)
        if not case.state().reviewed:  # somebody may have decided while the networks were trained
            case.propose(propose_labels(examination, judgments[examination.name], learning), note=f"round {number}")


def read_dataset_of(config: RefineConfig) -> Any:
    """The manifest that a configuration names, its images unopened."""
    return read_dataset(config.folder / str(config.learning.data.manifest), check_images=False)


def _plan_entry(state: CaseState) -> dict[str, Any]:
    return {"version": state.version, "status": state.status}


def _entry(evidence: CaseEvidence, project: Project, learning: LearningConfig) -> QueueEntry:
    worst = sorted(evidence.slice_disagreement, key=lambda index: -evidence.slice_disagreement[index])[:SLICE_COUNT]
    settings = input_settings(learning)
    case = project.case(evidence.name)
    native = read_label_map(case.labels_path(case.state().version)).geometry
    grid = canonical_grid(native, pixel_mm=settings.pixel_mm, minimum_pitch_mm=settings.minimum_pitch_mm)
    middle = ((grid.shape[1] - 1) / 2, (grid.shape[2] - 1) / 2)
    places = [(index, *evidence.slice_middles.get(index, middle)) for index in worst]
    points = [grid.geometry.index_to_point(np.array([column, row, index])) for index, row, column in places]
    return QueueEntry(
        case=evidence.name,
        disagreement=round(evidence.disagreement, 4),
        bones={key: round(value, 4) for key, value in evidence.bone_disagreement.items()},
        slices=worst,
        slice_disagreement=[round(evidence.slice_disagreement[index], 4) for index in worst],
        points_mm=[[round(float(x), 2) for x in point] for point in points],
        entropy=round(evidence.entropy, 5),
        variance=round(evidence.variance, 6),
    )
