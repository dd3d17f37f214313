"""``multijointseg review``: the reader's side of ``refine``, without a window."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from MultiJointSegLib.annotation.refinement.agreement import reader_agreement
from MultiJointSegLib.annotation.refinement.project import Project
from MultiJointSegLib.annotation.refinement.reviewing import decide, held_lock, next_case
from MultiJointSegLib.cli.outcome import Outcome
from MultiJointSegLib.cli.terminal import Terminal
from MultiJointSegLib.errors import InputError

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
        return _next(project, arguments.reader)
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


def _next(project: Project, who: str) -> Outcome:
    assignment = next_case(project, who)
    if assignment is None:
        return Outcome(["No case waits, or other readers have all of them open."], {"exit_code": 0, "case": None})
    entry = assignment.entry
    name = assignment.case.name
    slices = ", ".join(map(str, entry.slices)) or "none"
    lines = [
        f"{name}: disagreement {entry.disagreement:.3f}; slices to look at: {slices}",
        f"Image:  {assignment.image}",
        f"Labels: {assignment.labels} (leave this file as it is; save your own elsewhere)",
        f"Then: multijointseg review {project.folder} accept --reader {who} --case {name}",
        f"  or: multijointseg review {project.folder} correct --reader {who} --case {name} --labels FILE",
    ]
    data = {"case": asdict(entry), "image": str(assignment.image), "labels": str(assignment.labels)}
    return Outcome(lines, {"exit_code": 0, **data})


def _decide(project: Project, arguments: argparse.Namespace) -> Outcome:
    case = project.case(arguments.case)
    lock = held_lock(case, arguments.reader)
    if arguments.action == "return":
        case.give_back(lock)
        return Outcome([f"{case.name} was given back."], {"exit_code": 0, "case": case.name})
    labels = Path(arguments.labels) if arguments.labels else None
    version = decide(case, lock, _KINDS[arguments.action], labels, note=arguments.note)
    said = f"{case.name} is {_KINDS[arguments.action]} (version {version})."
    return Outcome([said], {"exit_code": 0, "case": case.name, "version": version})
