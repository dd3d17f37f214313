"""A refinement on disk: cases, rounds and queues, from which every command starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from MultiJointSegLib.annotation.refinement.config import RefineConfig
from MultiJointSegLib.annotation.refinement.disagreement import CaseEvidence
from MultiJointSegLib.annotation.refinement.effort import proposal_closeness
from MultiJointSegLib.annotation.refinement.facts import write_facts
from MultiJointSegLib.annotation.refinement.judging import judge_cases, propose_labels
from MultiJointSegLib.annotation.refinement.queue import Queue, QueueEntry, read_queue, write_queue
from MultiJointSegLib.annotation.refinement.selection import rank
from MultiJointSegLib.annotation.refinement.store import CaseState, CaseStore, case_folder_name, case_stores
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.atomic import atomic_write
from MultiJointSegLib.learning.dataset_check import read_labels
from MultiJointSegLib.learning.examination_data import joints_of
from MultiJointSegLib.learning.manifest import Examination, read_dataset
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

_CASES, _ROUNDS, _PLAN, _QUEUE = "cases", "rounds", "round.json", "queue.json"
_TRAINING_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round came to: its queue, or why no more is asked for."""

    number: int
    queue: Queue
    stopped: str


class Project:
    """Folder of a refinement.

    Parameters
    ----------
    folder : Path
        Holds `cases`, each a `store.CaseStore`, and `rounds`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def cases(self) -> list[CaseStore]:
        """All cases, by name."""
        return list(case_stores(self.folder / _CASES))

    def case(self, name: str) -> CaseStore:
        """The case of a name.

        Raises
        ------
        InputError
            If there is none.
        """
        path = self.folder / _CASES / case_folder_name(name)
        if not path.is_dir():
            known = ", ".join(case.name for case in self.cases()) or "none; run 'refine' first"
            raise InputError(f"There is no case '{name}' in {self.folder}; there are {known}.")
        return CaseStore(path)

    def queue(self) -> Queue:
        """The newest queue.

        Raises
        ------
        InputError
            If no round has ended yet, or the file was spoiled.
        """
        done = [path for path in self._round_folders() if (path / _QUEUE).exists()]
        if not done:
            raise InputError(f"{self.folder} has no queue yet; run 'multijointseg refine CONFIG -o {self.folder}'.")
        return read_queue(done[-1] / _QUEUE, {case.name for case in self.cases()})

    def waiting(self) -> list[QueueEntry]:
        """Entries of the newest queue that nobody has decided on or skipped."""
        return [entry for entry in self.queue().entries if self.case(entry.case).state().status == "proposed"]

    def begin(self, config: RefineConfig, progress: Progress | None = None) -> list[Examination]:
        """Take in the manifest's cases that are new, with their labels as the first proposal.

        Returns
        -------
        list of Examination
            As the manifest has them.
        """
        learning = config.learning
        if learning.data.manifest is None:
            raise InputError(
                "The configuration names no examinations; give the list of them as learning.data.manifest."
            )
        path = config.folder / learning.data.manifest
        examinations = [e for e in read_dataset(path, check_images=False).examinations if e.split != "test"]
        progress = progress or SilentProgress()
        for index, examination in enumerate(examinations):
            progress.report(index / len(examinations), f"Taking in {examination.name}")
            store = CaseStore(self.folder / _CASES / case_folder_name(examination.name))
            store.recover()
            write_facts(store, examination.image, examination.joint)
            if not store.versions():
                store.propose(read_labels(examination), note="first proposal")
        return examinations

    def run_round(
        self, config: RefineConfig, device: torch.device, progress: Progress | None = None, *, anyway: bool = False
    ) -> RoundResult:
        """Judge what nobody has decided on, propose again, and write the next queue.

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
        examinations = self.begin(config, ProgressSpan(progress, 0.0, 0.02))
        number, plan = self._plan(config, examinations, anyway=anyway)
        folder = self._round_folder(number)
        settings = config.refine
        stopped = settings.stopping.reason(*self.effort())
        if stopped:
            return RoundResult(number, Queue(number, settings.strategy, []), stopped)
        standing, open_cases, reviewed = self._standing(examinations, plan)
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
        left = settings.total_budget - self.effort()[0]
        queue = Queue(
            number, settings.strategy, [_entry(evidence[name]) for name in order[: min(settings.budget, left)]]
        )
        if settings.repropose and number > 1:
            self._propose_again(standing, open_cases, judgments, learning, number, progress)
        write_queue(queue, folder / _QUEUE)
        progress.report(1.0, "Queue written")
        return RoundResult(number, queue, "")

    def effort(self) -> tuple[int, list[float]]:
        """Cases that persons decided on, and for each, oldest first, how close the proposal was (mean Dice)."""
        closeness = proposal_closeness(self.cases())
        return len(closeness), closeness

    def _plan(self, config: RefineConfig, examinations: Sequence[Examination], *, anyway: bool) -> tuple[int, Any]:
        """Number of the round and the label versions it works with: a new round, or the one that was interrupted."""
        folders = self._round_folders()
        if folders and not (folders[-1] / _QUEUE).exists():
            return len(folders), json.loads((folders[-1] / _PLAN).read_text(encoding="utf-8"))
        if folders and not anyway and not config.refine.stopping.reason(*self.effort()):
            names = [entry.case for entry in self.waiting()]
            if names:
                raise InputError(
                    f"{len(names)} cases of round {len(folders)} still wait for a person ({', '.join(names[:3])}"
                    f"{', ...' if len(names) > 3 else ''}); review them, or begin a new round with --anyway."
                )
        plan = {e.name: _plan_entry(self.case(e.name).state()) for e in examinations}
        number = len(folders) + 1
        folder = self._round_folder(number)
        folder.mkdir(parents=True)
        with atomic_write(folder / _PLAN) as temporary:
            temporary.write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")
        return number, plan

    def _standing(
        self, examinations: Sequence[Examination], plan: Any
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
            path = self.case(examination.name).labels_path(entry["version"])
            standing.append(replace(examination, label=path, label_values=((0, 0), *identity)))
            (reviewed if entry["status"] in ("corrected", "accepted") else open_cases).append(examination.name)
        return standing, open_cases, reviewed

    def _propose_again(
        self, standing: Sequence[Examination], names: Sequence[str], judgments: Any, learning: Any, number: int,
        progress: Progress,
    ) -> None:  # fmt: skip
        for index, examination in enumerate(standing):
            progress.report(_TRAINING_SHARE + (1 - _TRAINING_SHARE) * index / len(standing), "Proposing labels")
            if examination.name not in names:
                continue
            case = self.case(examination.name)
            if not case.state().reviewed:  # somebody may have decided while the networks were trained
                case.propose(propose_labels(examination, judgments[examination.name], learning), note=f"round {number}")

    def _round_folder(self, number: int) -> Path:
        return self.folder / _ROUNDS / f"{number:03d}"

    def _round_folders(self) -> list[Path]:
        parent = self.folder / _ROUNDS
        return sorted(path for path in parent.iterdir() if (path / _PLAN).exists()) if parent.is_dir() else []


def read_dataset_of(config: RefineConfig) -> Any:
    """The manifest that a configuration names, its images unopened."""
    return read_dataset(config.folder / str(config.learning.data.manifest), check_images=False)


def _plan_entry(state: CaseState) -> dict[str, Any]:
    return {"version": state.version, "status": state.status}


def _entry(evidence: CaseEvidence) -> QueueEntry:
    worst = sorted(evidence.slice_disagreement, key=lambda index: -evidence.slice_disagreement[index])
    return QueueEntry(
        case=evidence.name,
        disagreement=round(evidence.disagreement, 4),
        bones={key: round(value, 4) for key, value in evidence.bone_disagreement.items()},
        slices=worst[:8],
        entropy=round(evidence.entropy, 5),
        variance=round(evidence.variance, 6),
    )
