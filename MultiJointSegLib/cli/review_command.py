"""``multijointseg review``: the reader's side of ``refine``, without a window."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from MultiJointSegLib.annotation.refinement.agreement import reader_agreement
from MultiJointSegLib.annotation.refinement.drafts import find_draft
from MultiJointSegLib.annotation.refinement.facts import case_joint
from MultiJointSegLib.annotation.refinement.project import Project
from MultiJointSegLib.annotation.refinement.queue import QueueEntry
from MultiJointSegLib.annotation.refinement.reviewing import (
    Assignment,
    decide,
    held_lock,
    next_case,
    open_case,
    second_reading,
)
from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError
from MultiJointSegLib.imaging.reading import read_label_map, read_volume
from MultiJointSegLib.imaging.writing import write_volume

_KINDS: dict[str, Any] = {"accept": "accepted", "correct": "corrected", "reject": "rejected", "skip": "skipped"}


def run(arguments: argparse.Namespace, terminal: Terminal) -> Outcome:  # noqa: ARG001 - every command has it
    """Do one thing."""
    work = Path(arguments.work)
    if not work.is_dir():
        raise InputError(f"There is no folder {work}; 'multijointseg refine' makes it.")
    project = Project(work)
    if arguments.action == "status":
        return _status(project)
    if arguments.action == "agreement":
        return _agreement(project)
    if not arguments.reader:
        raise InputError(f"'{arguments.action}' needs --reader, your name or initials for the history.")
    if arguments.action == "next":
        return _next(project, arguments)
    if not arguments.case:
        raise InputError(f"'{arguments.action}' needs --case, the name of the case that you have open.")
    return _decide(project, arguments)


def _status(project: Project) -> Outcome:
    states = [case.state() for case in project.cases()]
    counts = Counter(state.status for state in states)
    lines = [f"{len(states)} cases: " + ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))]
    lines += [
        f"  {state.name}: {state.status}, version {state.version}"
        + (f", by {state.reader}" if state.reader else "")
        + (f", open at {state.taken_by}" if state.taken_by else "")
        for state in states
    ]
    return Outcome(lines, {"exit_code": 0, "cases": [asdict(state) for state in states]})


def _agreement(project: Project) -> Outcome:
    found = [agreement for case in project.cases() for agreement in reader_agreement(case)]
    lines = [
        f"{a.case}, {a.readers[0]} and {a.readers[1]}: "
        + ", ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in a.bone_dice.items())
        for a in found
    ]
    return Outcome(
        lines or ["No case was decided on by two readers."], {"exit_code": 0, "agreement": [asdict(a) for a in found]}
    )


def _next(project: Project, arguments: argparse.Namespace) -> Outcome:
    who = arguments.reader
    assignment: Assignment | None
    if arguments.case:
        assignment = _again(project, arguments.case, who)
    else:
        assignment = second_reading(project, who) if arguments.second else next_case(project, who)
    if assignment is None:
        said = _why_none(project)
        if arguments.second:
            said = "No case waits for a second reading by you, or other readers have all of them open."
        return Outcome([said], {"exit_code": 0, "case": None})
    entry = assignment.entry
    name = assignment.case.name
    command = ("multijointseg", "review", str(project.folder))
    whose = ("--reader", who, "--case", name, *(("--second",) if arguments.second else ()))
    lines = [
        f"{name}: disagreement {entry.disagreement:.3f}; look at {_places(entry)}",
        f"Image:  {assignment.image}",
        f"Labels: {assignment.labels} (leave this file as it is; save your own elsewhere)",
        f"Then: {shlex.join((*command, 'accept', *whose))}",
        f"  or: {shlex.join((*command, 'correct', *whose))} --labels FILE",
        "  or: reject, skip or return in the place of accept",
    ]
    data: dict[str, object] = {
        "case": asdict(entry),
        "joint": case_joint(assignment.case),
        "version": assignment.version,
        "image": str(assignment.image),
        "labels": str(assignment.labels),
        "draft": False,
    }
    if arguments.into:
        data["draft"] = _write_copies(assignment, Path(arguments.into))
        drawn = "with your draft" if data["draft"] else "to be drawn in"
        lines.insert(3, f"Copies: image.nii and labels.nii in {arguments.into}, {drawn}")
    return Outcome(lines, {"exit_code": 0, **data})


def _again(project: Project, name: str, who: str) -> Assignment:
    """Open a case by its name, also one that was decided on, to decide otherwise."""
    entries = {entry.case: entry for entry in project.queue().entries}
    case = project.case(name)
    assignment = open_case(project, entries.get(name) or QueueEntry(case=name, disagreement=0.0), who)
    if assignment is None:
        raise InputError(f"'{case.state().taken_by}' has the case '{name}' open; take it when it was given back.")
    return assignment


def _why_none(project: Project) -> str:
    """Why there is no case to look at, and what to do next."""
    waiting = project.waiting()
    if not waiting:
        return "No case waits: all of the queue are decided on. Run 'multijointseg refine' again for the next round."
    readers = sorted({project.case(entry.case).state().taken_by for entry in waiting} - {""})
    return f"No case waits, or other readers have all of them open ({len(waiting)} with {', '.join(readers)})."


def _places(entry: QueueEntry) -> str:
    """Where to look, in millimeters as viewers show them; the numbers of slices in queues that tell no places."""
    if not entry.points_mm:
        return "slices " + (", ".join(map(str, entry.slices)) or "none in particular")
    letters = (("L", "R"), ("P", "A"), ("S", "I"))
    shown = [
        " ".join(f"{pair[value < 0]}{abs(value):.0f}" for value, pair in zip(point, letters, strict=True))
        for point in entry.points_mm[:3]
    ]
    return " mm, ".join(shown) + " mm"


def _write_copies(assignment: Assignment, folder: Path) -> bool:
    """Write image and labels, not compressed, so that they load at once; returns whether they hold a draft."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; give one that exists.")
    draft = find_draft(assignment.case, assignment.lock.who, assignment.version)
    try:
        write_volume(read_volume(assignment.image), folder / "image.nii")
        write_volume(read_label_map(draft or assignment.labels), folder / "labels.nii")
    except BaseException:
        assignment.case.give_back(assignment.lock)  # who cannot see a case does not keep it
        raise
    return draft is not None


def _decide(project: Project, arguments: argparse.Namespace) -> Outcome:
    case = project.case(arguments.case)
    lock = held_lock(case, arguments.reader)
    if arguments.action == "return":
        case.give_back(lock)
        return Outcome([f"{case.name} was given back."], {"exit_code": 0, "case": case.name})
    labels = Path(arguments.labels) if arguments.labels else None
    version = decide(
        case,
        lock,
        _KINDS[arguments.action],
        labels,
        note=arguments.note,
        version=arguments.version,
        second=arguments.second,
    )
    said = f"{case.name} is {_KINDS[arguments.action]} (version {version})."
    return Outcome([said], {"exit_code": 0, "case": case.name, "version": version})
