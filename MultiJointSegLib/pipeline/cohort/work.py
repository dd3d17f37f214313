"""The steps of one examination of a cohort, as functions that can run in other processes and on other machines."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from MultiJointSegLib.errors import CancelledError
from MultiJointSegLib.pipeline import result as names
from MultiJointSegLib.pipeline.cohort.items import CohortItem
from MultiJointSegLib.pipeline.cohort.settings import CohortSettings, item_key
from MultiJointSegLib.pipeline.cohort.state import FINISHED, CohortFolder, ItemState, StopSignal, failure
from MultiJointSegLib.pipeline.finish_examination import FINISHING_STAGES, finish_examination
from MultiJointSegLib.pipeline.output_folder import staged_folder
from MultiJointSegLib.pipeline.run_record import input_record, rounded, run_record
from MultiJointSegLib.pipeline.segment_examination import load_segmenter, read_examination
from MultiJointSegLib.pipeline.stages import StageClock
from MultiJointSegLib.progress import Progress
from MultiJointSegLib.report.content import side_of

if TYPE_CHECKING:
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.inference.segmenter import SegmentationResult
    from MultiJointSegLib.pipeline.result import ExaminationSegmenter

READING, SEGMENTING = "Reading the examination", "Segmenting the bones"


@dataclass(frozen=True, slots=True)
class Job:
    """One examination with everything needed to work on it: settings, their fingerprint, where to, when to stop."""

    item: CohortItem
    settings: CohortSettings
    fingerprint: str
    folder: CohortFolder
    stop: StopSignal


@dataclass(frozen=True, slots=True)
class ReadJob:
    """A job whose examination was read: the volume and the input part of run.json."""

    job: Job
    key: str
    volume: Volume
    record: dict[str, object]
    timings_s: dict[str, float]


def read_job(job: Job) -> ReadJob | ItemState:
    """Read the examination of a job, unless its result is current.

    Returns
    -------
    ReadJob or ItemState
        The volume; or the state that the job has already or ends with.

    Raises
    ------
    CancelledError
        When asked to stop.
    """
    key = ""
    clock = StageClock(job.stop.progress(), {READING: 1})
    try:
        with clock.stage(READING):
            from MultiJointSegLib.imaging.hashing import sha256_of

            key = item_key(sha256_of(job.item.source), job.item.series, job.fingerprint)
            if job.folder.is_current(job.item.name, key):
                known = job.folder.state(job.item.name)
                assert known is not None
                return known
            volume = read_examination(job.item.source, series=job.item.series, joint=job.settings.joint)
            record = input_record(job.item.source, volume, record_paths=job.settings.record_paths)
    except CancelledError:
        raise
    except Exception as error:
        return _ended(job, failure(job.item.name, key, error))
    return ReadJob(job, key, volume, record, dict(clock.timings_s))


def segment_job(
    read: ReadJob, segmenter: ExaminationSegmenter, progress: Progress
) -> tuple[SegmentationResult, dict[str, object]] | ItemState:
    """Segment what was read; the bones and the content of run.json so far, or the state that the job ends with."""
    joint = read.job.settings.joint
    clock = StageClock(progress, {SEGMENTING: 1})
    try:
        with clock.stage(SEGMENTING) as span:
            segmentation = segmenter.segment(read.volume, joint=joint, progress=span)
        run = run_record(read.volume, segmentation, segmenter, joint_given=joint != "auto")
    except CancelledError:
        raise
    except Exception as error:
        return _ended(read.job, failure(read.job.item.name, read.key, error))
    run["input"] = read.record
    run["timings_s"] = rounded(read.timings_s | clock.timings_s)
    if read.job.settings.record_paths:
        run["output_path"] = str(read.job.folder.path / read.job.item.name)
    return segmentation, run


def finish_job(read: ReadJob, segmentation: SegmentationResult, run: Mapping[str, object]) -> ItemState:
    """Write the result folder of a segmented examination; the state that the job ends with."""
    job = read.job
    clock = StageClock(job.stop.progress(), FINISHING_STAGES)
    try:
        with staged_folder(job.folder.path / job.item.name, overwrite=True, own_names=names.RESULT_NAMES) as folder:
            finish_examination(
                folder,
                volume=read.volume,
                segmentation=segmentation,
                run=run,
                clock=clock,
                scene_writer=job.settings.load_scene_writer(),
            )
            clock.finish("Done")
    except CancelledError:
        raise
    except Exception as error:
        return _ended(job, failure(job.item.name, read.key, error))
    return _ended(job, ItemState(name=job.item.name, state=FINISHED, key=read.key, side=side_of(read.volume) or ""))


def do_job(job: Job) -> ItemState | None:
    """All steps of a job, one after the other, with a segmenter that this process keeps; None when asked to stop."""
    try:
        read = read_job(job)
        if isinstance(read, ItemState):
            return read
        with _SEGMENTING:  # a worker with several threads must not compute several networks at once
            segmented = segment_job(read, _segmenter(job.settings), job.stop.progress())
        return segmented if isinstance(segmented, ItemState) else finish_job(read, *segmented)
    except CancelledError:
        return None


_SEGMENTING = threading.Lock()


@cache
def _segmenter(settings: CohortSettings) -> ExaminationSegmenter:
    return load_segmenter(settings.model, settings.device, tta=settings.tta)


def _ended(job: Job, state: ItemState) -> ItemState:
    job.folder.keep(state)
    return state
