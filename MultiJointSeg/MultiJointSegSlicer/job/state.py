"""What a job is doing."""

from __future__ import annotations

from enum import Enum


class JobState(Enum):
    """One of these at any time; a cancelled job is idle again."""

    IDLE = "idle"
    INSTALLING = "installing"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def busy(self) -> bool:
        """Whether a new job has to wait."""
        return self in (JobState.INSTALLING, JobState.RUNNING, JobState.CANCELLING)
