"""The next round of a refinement, in the background."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.installation import Ensures, ensured
from MultiJointSegSlicer.job.job import Job
from MultiJointSegSlicer.parameters import DeviceOption
from MultiJointSegSlicer.strings import tr as _


class Retraining:
    """Trains on what persons decided, judges the rest and writes the next queue: ``multijointseg refine``.

    Parameters
    ----------
    job
        A job of its own; cases can be reviewed meanwhile.
    installer
        Asked before every run.
    """

    def __init__(self, job: Job, installer: Ensures) -> None:
        self.job = job
        self._installer = installer

    def start(self, config: str, work: str, device: DeviceOption, *, anyway: bool = False) -> bool:
        """Start; returns whether it was started. The job's signals tell the rest.

        Parameters
        ----------
        config
            File with the tables [refine] and [learning].
        work
            Folder of the refinement; made if missing.
        device
            Where networks are trained.
        anyway
            Begin a new round though cases of the last one still wait.
        """
        if self.job.state.busy:
            self.job.logged.emit(_("A training is running already; wait for it or cancel it."))
            return False
        if not config.strip() or not Path(config.strip()).is_file():
            self.job.fail(
                _("Choose the configuration of the refinement (.toml or .json); '{file}' is none.").format(
                    file=config.strip()
                )
            )
            return False
        if not work.strip():
            self.job.fail(_("Choose a folder for the refinement."))
            return False
        if not ensured(self._installer, self.job):
            return False
        chosen = ["--anyway"] if anyway else []
        arguments = ["refine", config.strip(), "-o", work.strip(), "--device", device.value, *chosen, "--progress-json"]

        def finish(_folder: Path, data: Mapping[str, Any]) -> str:
            if data.get("stopped"):
                return _("No more cases are asked for: {reason}").format(reason=data["stopped"])
            return _("Round {number} is ready: {count} cases to look at. Click Next case.").format(
                number=data.get("round", "?"), count=len(data.get("queue", ()))
            )

        return self.job.start(lambda _folder: arguments, finish)
