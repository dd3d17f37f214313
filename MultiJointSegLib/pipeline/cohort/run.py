"""A folder of examinations in, a folder of results out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.pipeline.cohort.items import find_items
from MultiJointSegLib.pipeline.cohort.settings import CohortSettings
from MultiJointSegLib.pipeline.cohort.state import FAILED, FINISHED, REFUSED, CohortFolder, ItemState, StopSignal
from MultiJointSegLib.pipeline.cohort.tables import (
    ExaminationRow,
    MeasurementRow,
    distributions,
    examination_row,
    measurement_rows,
    write_csv,
    write_json,
)
from MultiJointSegLib.pipeline.cohort.work import Job
from MultiJointSegLib.pipeline.result import ExaminationSegmenter
from MultiJointSegLib.pipeline.versions import package_versions
from MultiJointSegLib.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from distributed import Client

COHORT_CSV_NAME = "cohort.csv"
MEASUREMENTS_NAME = "measurements.csv"
SUMMARY_JSON_NAME = "summary.json"
SUMMARY_HTML_NAME = "summary.html"
ENGINES = ("local", "dask")


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortResult:
    """How a cohort ended.

    Parameters
    ----------
    output
        Folder with a result folder per finished examination, and the tables.
    states
        By examination, in the order of the table.
    skipped
        Examinations whose current result lay there already.
    left_out
        Sentences on files that were passed over.
    elapsed_s
        Wall time of this run.
    """

    output: Path
    states: list[ItemState]
    skipped: int
    left_out: list[str]
    elapsed_s: float

    def count(self, state: str) -> int:
        """Examinations that ended in a state."""
        return sum(s.state == state for s in self.states)


def run_cohort(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    settings: CohortSettings | None = None,
    engine: str = "local",
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    segmenter: ExaminationSegmenter | None = None,
    client: Client | None = None,
) -> CohortResult:
    """Segment and measure every examination below the inputs.

    Parameters
    ----------
    inputs
        Files and folders; see `items.find_items`.
    output
        Folder for the results. It may hold those of an earlier run: what is finished there with the same files,
        settings and model is kept, everything else is done (again).
    settings
        The same for all examinations.
    engine
        "local": this computer; reading and writing overlap with segmenting. "dask": a cluster.
    scheduler
        Address of the dask scheduler.
    workers
        Local engine: helper processes that read and write. Dask without a scheduler: processes of the cluster that
        is started on this computer.
    progress
        Told of every step; may cancel.
    segmenter
        Local engine: used instead of loading the settings' model.
    client
        Dask: a connected client, instead of `scheduler`.

    Returns
    -------
    CohortResult

    Raises
    ------
    InputError
        If an input, the output, the settings or the engine cannot be used.
    CancelledError, KeyboardInterrupt
        What was finished stays and is in the tables; nothing is left half-written.
    """
    begin = time.perf_counter()
    settings, progress = settings or CohortSettings(), progress or SilentProgress()
    if engine not in ENGINES:
        raise InputError(f"Unknown engine '{engine}'; known are {', '.join(ENGINES)}.")
    if workers is not None and workers < 1:
        raise InputError(f"The number of workers is {workers}; at least 1 is needed.")
    fingerprint = settings.fingerprint()
    items, left_out = find_items(inputs, output=Path(output))
    folder = CohortFolder(Path(output))
    with folder.locked(), folder.stop_signal() as stop:
        folder.sweep(item.name for item in items)
        before = {item.name: folder.state(item.name) for item in items}
        seen: dict[str, ItemState] = {}
        jobs = [Job(item, settings, fingerprint, folder, stop) for item in items]

        def known(state: ItemState) -> None:
            seen[state.name] = state

        try:
            if engine == "local":
                _run_locally(jobs, stop, workers, known, progress, segmenter)
            else:
                from MultiJointSegLib.pipeline.cohort.dask_engine import run_on_cluster

                run_on_cluster(
                    jobs,
                    stop=stop,
                    scheduler=scheduler,
                    workers=workers or 2,
                    on_state=known,
                    progress=progress,
                    client=client,
                )
        except (CancelledError, KeyboardInterrupt) as error:
            folder.sweep(item.name for item in items)
            done = [state for item in items if (state := folder.state(item.name)) is not None]
            _write_tables(folder.path, done, left_out, time.perf_counter() - begin)
            raise CancelledError(
                f"Cancelled: {sum(s.state == FINISHED for s in done)} of {len(items)} examinations are finished and "
                "kept; the same command goes on with the others."
            ) from error
        folder.sweep(item.name for item in items)
    states = [seen[item.name] for item in items]
    skipped = sum(s.state != FAILED and s == before[s.name] for s in states)
    elapsed_s = time.perf_counter() - begin
    _write_tables(folder.path, states, left_out, elapsed_s)
    return CohortResult(output=folder.path, states=states, skipped=skipped, left_out=left_out, elapsed_s=elapsed_s)


def _run_locally(
    jobs: list[Job],
    stop: StopSignal,
    workers: int | None,
    on_state: Callable[[ItemState], None],
    progress: Progress,
    segmenter: ExaminationSegmenter | None,
) -> None:
    from MultiJointSegLib.pipeline.cohort.local_engine import LocalEngine, default_workers

    LocalEngine(
        jobs,
        stop=stop,
        workers=workers or default_workers(),
        on_state=on_state,
        progress=progress,
        segmenter=segmenter,
    ).run()


def _write_tables(output: Path, states: Sequence[ItemState], left_out: Sequence[str], elapsed_s: float) -> None:
    from MultiJointSegLib.pipeline.cohort.page import write_page

    rows = [examination_row(state, output) for state in states]
    measured = [m for row in rows if row.state == FINISHED for m in measurement_rows(row, output)]
    found = distributions(measured)
    write_csv(output / COHORT_CSV_NAME, ExaminationRow, rows)
    write_csv(output / MEASUREMENTS_NAME, MeasurementRow, measured)
    summary = {
        "program": "MultiJointSeg",
        "examinations": len(rows),
        "counts": {state: sum(row.state == state for row in rows) for state in (FINISHED, REFUSED, FAILED)},
        "elapsed_s": round(elapsed_s, 2),
        "versions": package_versions(),
        "rows": [asdict(row) for row in rows],
        "left_out": list(left_out),
        "measurements": [asdict(d) for d in found],
    }
    write_json(output / SUMMARY_JSON_NAME, summary)
    write_page(output / SUMMARY_HTML_NAME, rows, found, left_out)
