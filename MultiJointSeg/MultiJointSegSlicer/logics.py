"""All that the module can do, made once per window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from MultiJointSegSlicer.batch import BatchLogic
from MultiJointSegSlicer.exporting import Exporting
from MultiJointSegSlicer.installation import Ensures
from MultiJointSegSlicer.job.job import Job, Timer
from MultiJointSegSlicer.prescription import Prescription
from MultiJointSegSlicer.remeasuring import Remeasuring
from MultiJointSegSlicer.review_queue.logic import ReviewQueue
from MultiJointSegSlicer.review_queue.retraining import Retraining
from MultiJointSegSlicer.segmenting import SegmentationLogic
from MultiJointSegSlicer.warming import Warming


class Logics:
    """The module's work without a window.

    Parameters
    ----------
    scene
        vtkMRMLScene.
    make_timer
        Makes a timer, for example a qt.QTimer.
    command, environment, temporary
        See `job.job.Job`.
    installer
        See `segmenting.SegmentationLogic`.
    dicom_files
        See `exporting.Exporting`.
    """

    def __init__(
        self,
        scene: Any,
        make_timer: Callable[[], Timer],
        command: Callable[[], Sequence[str]],
        *,
        installer: Ensures,
        dicom_files: Callable[[Any], Sequence[Path]] = lambda _node: (),
        environment: Mapping[str, str] | None = None,
        temporary: Path | None = None,
    ) -> None:
        from MultiJointSegSlicer.scene.moving import MarkupWatch
        from MultiJointSegSlicer.scene.watching import SegmentationWatch

        def job() -> Job:
            return Job(make_timer(), command, environment=environment, temporary=temporary)

        self.segmentation = SegmentationLogic(scene, job(), installer=installer)
        self.remeasuring = Remeasuring(scene, SegmentationWatch(make_timer()), job())
        self.markups = MarkupWatch()
        self.warming = Warming(make_timer())
        self.exporting = Exporting(job(), dicom_files)
        self.batch = BatchLogic(job(), installer)
        self.queue = ReviewQueue(scene, job(), make_timer(), installer)
        self.retraining = Retraining(job(), installer)
        self.prescription = Prescription(scene, job(), installer)

    def jobs(self) -> list[Job]:
        """Every job that may run."""
        parts = (self.segmentation, self.remeasuring, self.exporting, self.batch, self.queue, self.retraining)
        return [*(part.job for part in parts), self.prescription.job]
