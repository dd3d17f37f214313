"""A job that is driven by hand, and workers that behave as asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE_FOLDER = ROOT / "MultiJointSeg"
if str(MODULE_FOLDER) not in sys.path:
    sys.path.insert(0, str(MODULE_FOLDER))

from MultiJointSegSlicer.job.job import Job  # noqa: E402
from MultiJointSegSlicer.job.signal import Signal  # noqa: E402

# A stand-in for the command line: does what its name says. The first argument is the behavior, the second the folder.
WORKER = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
behavior, folder = sys.argv[1], Path(sys.argv[2])
def event(**data):
    print("@multijointseg " + json.dumps(data), flush=True)
event(event="progress", fraction=0.25, message="Segmenting the bones: batch 1")
print("a line of a library", flush=True)
print("@multijointseg not json", flush=True)
if behavior == "good":
    (folder / "answer.txt").write_text("42")
    event(event="finished", data={"answer": 42})
elif behavior == "refuse":
    event(event="failed", exit_code=3, error="The images show none of the joints.")
    sys.exit(3)
elif behavior == "silent":
    print("Traceback of something", end="", flush=True)
    sys.exit(1)
elif behavior == "no-result":
    sys.exit(0)
elif behavior == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif behavior == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
elif behavior == "terminated":
    os.kill(os.getpid(), signal.SIGTERM)
elif behavior in ("family", "stubborn", "orphan"):
    sleep = "import time\\ntime.sleep(60)"
    if behavior == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep = "import signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\ntime.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", sleep])
    event(event="progress", fraction=0.5, message=str(child.pid))
    if behavior == "orphan":
        time.sleep(2)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
"""


class HandTimer:
    """A timer that ticks when told."""

    def __init__(self) -> None:
        self.timeout = Signal()
        self.running = False

    def start(self, interval_ms: int) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


class Driver:
    """A job with the fake worker, and everything it said."""

    def __init__(self, folder: Path) -> None:
        self.timer = HandTimer()
        self.temporary = folder / "tëmporary"
        self.temporary.mkdir()
        self.worker = folder / "worker.py"
        self.worker.write_text(WORKER, encoding="utf-8")
        self.job = Job(self.timer, lambda: [sys.executable, str(self.worker)], temporary=self.temporary, grace_s=0.5)
        self.states: list[tuple[str, str]] = []
        self.progress: list[tuple[float, str, float]] = []
        self.lines: list[str] = []
        self.job.state_changed.connect(lambda state, sentence: self.states.append((state.value, sentence)))
        self.job.progressed.connect(lambda *told: self.progress.append(told))
        self.job.logged.connect(self.lines.append)

    def start(self, behavior: str, finish=lambda folder, data: "Done.", **more) -> bool:
        return self.job.start(lambda folder: [behavior, str(folder)], finish, **more)

    def drive(self, until: Callable[[], bool] | None = None, limit_s: float = 30.0) -> None:
        """Tick until the condition holds, or the timer is stopped."""
        end = time.monotonic() + limit_s
        while self.timer.running and not (until is not None and until()):
            assert time.monotonic() < end, (self.states, self.lines)
            time.sleep(0.02)
            self.timer.timeout.emit()


@pytest.fixture
def a_driver(tmp_path: Path) -> Iterator[Driver]:
    driver = Driver(tmp_path)
    yield driver
    driver.job.close()
    assert list(driver.temporary.iterdir()) == []
