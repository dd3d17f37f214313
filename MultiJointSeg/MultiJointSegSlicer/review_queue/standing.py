"""Where a refinement stands, as text for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.strings import tr as _


def standing_of(work: str) -> str:
    """Sentence on the newest queue in a folder: how many cases wait, who has which, what was decided."""
    from MultiJointSegLib.annotation.refinement.project import QUEUE, Project
    from MultiJointSegLib.errors import InputError

    if not work.strip():
        return _("Choose the folder of a refinement; Retrain below begins one.")
    try:
        project = Project(Path(work.strip()))
        if not any((folder / QUEUE).exists() for folder in project.round_folders()):
            return _("The folder holds no queue yet; Retrain below begins one.")
        queue = project.queue()
        states = [project.case(entry.case).state() for entry in queue.entries]
    except InputError as error:
        return str(error)
    except OSError as error:
        return _("'{folder}' cannot be read ({reason}).").format(folder=work, reason=error.strerror or error)
    waiting = sum(state.status == "proposed" and not state.taken_by for state in states)
    said = [
        _("Round {number}: {waiting} of {count} cases wait").format(
            number=queue.round_number, waiting=waiting, count=len(states)
        )
    ]
    said += [_("{case} is open at {who}").format(case=s.name, who=s.taken_by) for s in states if s.taken_by]
    words = {"accepted": _("accepted"), "corrected": _("corrected"), "rejected": _("rejected"), "skipped": _("skipped")}
    counts = {key: sum(state.status == key for state in states) for key in words}
    said += [f"{count} {words[key]}" for key, count in counts.items() if count]
    return "; ".join(said) + "."


def history_rows(work: Path, name: str) -> list[tuple[str, ...]]:
    """When, who, what, version and note of everything that happened to a case, newest first."""
    from MultiJointSegLib.annotation.refinement.project import Project

    return [
        (_local(event.when), event.who, event.kind, str(event.version or ""), event.note)
        for event in reversed(Project(work).case(name).history())
    ]


def agreement_rows(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Case, readers, mean and least Dice of the bones, from what ``multijointseg review agreement`` states."""
    from MultiJointSegLib import anatomy

    rows: list[tuple[str, ...]] = []
    for each in found:
        dice = {str(key): float(value) for key, value in each["bone_dice"].items()}
        if not dice:
            continue
        worst = min(dice, key=lambda key: dice[key])
        readers = _("{first} and {second}").format(first=each["readers"][0], second=each["readers"][1])
        mean = sum(dice.values()) / len(dice)
        rows.append((str(each["case"]), readers, f"{mean:.3f}", f"{anatomy.bone(worst).name} {dice[worst]:.3f}"))
    return rows


def _local(when: str) -> str:
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return when
