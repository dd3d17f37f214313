"""A folder of examinations in, a folder of results out: the command line's own cohort in a child process."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.installation import Ensures, ensured
from MultiJointSegSlicer.job.job import Job
from MultiJointSegSlicer.parameters import RunSettings
from MultiJointSegSlicer.strings import tr as _

TABLE_NAME = "cohort.csv"
"""Table of all examinations that the command line writes into the results' folder."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One examination: name of its result folder, joint, how it ended, and why or with what warning."""

    examination: str
    joint: str
    state: str
    note: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        return (self.examination, self.joint, self.state, self.note)


class BatchLogic:
    """Segments folders, one at a time; what is done already is not done again.

    Parameters
    ----------
    job
        A job of its own.
    installer
        Asked before every run.
    """

    def __init__(self, job: Job, installer: Ensures) -> None:
        self.job = job
        self._installer = installer

    def start(self, source: str, output: str, settings: RunSettings) -> bool:
        """Start; returns whether it was started. The job's signals tell the rest."""
        if self.job.state.busy:
            self.job.logged.emit(_("A batch is running already; wait for it or cancel it."))
            return False
        if not source.strip() or not Path(source.strip()).is_dir():
            self.job.fail(_("Choose a folder of examinations; '{folder}' is none.").format(folder=source.strip()))
            return False
        if not output.strip():
            self.job.fail(_("Choose a folder for the results."))
            return False
        if settings.joint.annotated:
            self.job.fail(_("Hips in CT are segmented one by one; choose another joint for a batch."))
            return False
        if not ensured(self._installer, self.job):
            return False

        def finish(_folder: Path, data: Mapping[str, Any]) -> str:
            counts = data.get("counts", {})
            return _("{finished} segmented, {refused} refused; {skipped} of them before. Results: {folder}").format(
                finished=counts.get("finished", 0),
                refused=counts.get("refused", 0),
                skipped=data.get("skipped", 0),
                folder=output.strip(),
            )

        return self.job.start(lambda _folder: settings.batch_arguments(source.strip(), output.strip()), finish)


def batch_rows(output: str) -> list[BatchRow]:
    """Examinations in the table of a results' folder; none where there is no table that can be read."""
    try:
        with (Path(output.strip()) / TABLE_NAME).open(encoding="utf-8-sig", newline="") as file:
            return [
                BatchRow(
                    row["examination"], row["joint"].capitalize(), row["state"], row["reason"] or row["warnings"] or ""
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        return []
