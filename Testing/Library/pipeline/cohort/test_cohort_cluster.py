"""A cohort on a cluster of two workers, one of which is killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.pipeline.cohort.run import run_cohort
from MultiJointSegLib.pipeline.cohort.settings import CohortSettings
from MultiJointSegLib.progress import CallbackProgress

distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # distributed warns about its own internals


@pytest.fixture
def client():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_the_work_of_a_killed_worker_is_done_by_the_other(client, a_tiny_bundle, a_small_knee_file, tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    for n in range(5):
        shutil.copy(a_small_knee_file, root / f"k{n}.nii.gz")
    (root / "x.nii.gz").write_bytes(b"broken")
    killed = []

    def kill_one(_fraction, message):
        if killed or "finished" not in message:
            return
        processes = client.run(os.getpid)
        busy = [worker for worker, tasks in client.processing().items() if tasks]
        os.kill(processes[busy[0]], signal.SIGKILL)
        killed.append((processes[busy[0]], time.monotonic()))

    settings = CohortSettings(joint="knee", model=a_tiny_bundle)
    result = run_cohort(
        [root], out, settings=settings, engine="dask", client=client, progress=CallbackProgress(kill_one)
    )
    assert killed
    with pytest.raises(ProcessLookupError):
        os.kill(killed[0][0], 0)
    assert [(s.name, s.state) for s in result.states] == [*((f"k{n}", "finished") for n in range(5)), ("x", "failed")]
    found = sorted(p.name for p in out.iterdir() if not p.name.startswith(".c"))
    tables = ("cohort.csv", "measurements.csv", "summary.html", "summary.json")
    assert found == sorted([*(f"k{n}" for n in range(5)), *tables])
    assert all((out / f"k{n}" / "report.html").is_file() for n in range(5))


def test_an_address_where_nobody_answers_is_refused(a_small_knee_file, monkeypatch, tmp_path):
    monkeypatch.setattr("MultiJointSegLib.pipeline.cohort.dask_engine.CONNECT_TIMEOUT_S", 1)
    with pytest.raises(InputError, match="No dask scheduler answers"):
        run_cohort([a_small_knee_file], tmp_path / "out", engine="dask", scheduler="tcp://127.0.0.1:1")
