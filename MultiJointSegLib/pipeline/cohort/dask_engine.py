"""A cohort on a cluster through dask.distributed: an examination is a task, repeated elsewhere if its worker dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from MultiJointSegLib.errors import InputError, MultiJointSegError
from MultiJointSegLib.pipeline.cohort.state import ItemState, StopSignal, failure
from MultiJointSegLib.pipeline.cohort.work import Job, do_job
from MultiJointSegLib.progress import Progress

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT_S = 20
STOP_PATIENCE_S = 60.0
_POLL_S = 1.0


def run_on_cluster(
    jobs: Sequence[Job],
    *,
    stop: StopSignal,
    scheduler: str | None,
    workers: int,
    on_state: Callable[[ItemState], None],
    progress: Progress,
    client: Client | None = None,
) -> None:
    """Work on all jobs as tasks of a dask cluster.

    Parameters
    ----------
    jobs
        The examinations. Inputs, output and model must lie at the same paths on every machine.
    stop
        Given when the run is cancelled; running tasks see it through the output folder.
    scheduler
        Address such as "tcp://host:8786". Without one a cluster of `workers` processes is started on this computer.
    workers
        See `scheduler`.
    on_state
        Called with every state as it becomes known.
    progress
        Told how many are done; may cancel.
    client
        Used instead of connecting to `scheduler`.

    Raises
    ------
    InputError
        If the package distributed is not installed or the scheduler does not answer.
    CancelledError, KeyboardInterrupt
        After running tasks have stopped, or after a minute.
    """
    distributed = _distributed()
    with ExitStack() as stack:
        connected = client or stack.enter_context(_connect(distributed, scheduler, workers, stack))
        futures = {
            connected.submit(do_job, job, key=f"multijointseg-{stop.path.name}-{job.item.name}", pure=False): job
            for job in jobs
        }
        try:
            _collect(distributed, futures, on_state, progress)
        except BaseException:
            stop.give()
            distributed.wait(list(futures), timeout=STOP_PATIENCE_S)
            raise


def _collect(
    distributed: Any, futures: dict[Any, Job], on_state: Callable[[ItemState], None], progress: Progress
) -> None:
    total, left = len(futures), dict(futures)
    while left:
        # Asked in turns, so that a cancel is noticed although no task ends.
        progress.report((total - len(left)) / total, f"{total - len(left)} of {total} done")
        try:
            distributed.wait(list(left), timeout=_POLL_S, return_when="FIRST_COMPLETED")
        except TimeoutError:
            continue
        for future in [future for future in left if future.done()]:
            job = left.pop(future)
            state = _outcome(job, future)
            on_state(state)
            progress.report(
                (total - len(left)) / total, f"{total - len(left)} of {total} done; {state.name} {state.state}"
            )
    progress.report(1.0, f"{total} of {total} done")


def _outcome(job: Job, future: Any) -> ItemState:
    error = future.exception() if future.status == "error" else None
    state = future.result() if future.status == "finished" else None
    if isinstance(state, ItemState):
        return state
    if error is not None and type(error).__name__ == "KilledWorker":
        error = MultiJointSegError(
            "The workers on which it was tried died one after the other: the memory may not be enough for it."
        )
    kept = failure(job.item.name, "", error or MultiJointSegError("The cluster gave the task up."))
    job.folder.keep(kept)
    return kept


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "The dask engine needs the package distributed; install MultiJointSeg with the extra 'cluster'."
        ) from error
    return distributed


def _connect(distributed: Any, scheduler: str | None, workers: int, stack: ExitStack) -> Any:
    if scheduler is None:
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        )
        return distributed.Client(stack.enter_context(cluster))
    try:
        return distributed.Client(scheduler, timeout=CONNECT_TIMEOUT_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"No dask scheduler answers at '{scheduler}' ({error}); give an address such as tcp://host:8786."
        ) from error
