"""A job that is driven by hand, and workers that behave as asked."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

collect_ignore = [] if importlib.util.find_spec("PySide6") else ["slicer_stand_ins.py"]

ROOT = Path(__file__).resolve().parents[2]
MODULE_FOLDER = ROOT / "MultiJointSeg"
HERE = Path(__file__).resolve().parent
for _folder in (MODULE_FOLDER, HERE):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

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
        drive(self.timer, until, limit_s)


@pytest.fixture
def a_driver(tmp_path: Path) -> Iterator[Driver]:
    driver = Driver(tmp_path)
    yield driver
    driver.job.close()
    assert list(driver.temporary.iterdir()) == []


class FakeInstaller:
    def __init__(self) -> None:
        self.error: Exception | None = None

    def ensure(self) -> None:
        if self.error is not None:
            raise self.error


class Desk:
    """A scene with a volume, and the logic with a child that stands in for the network."""

    def __init__(self, scene: object, folder: Path) -> None:
        from MultiJointSegSlicer.scene.volumes import add_volume_node
        from MultiJointSegSlicer.segmenting import SegmentationLogic

        from MultiJointSegLib.imaging.geometry import Geometry
        from MultiJointSegLib.imaging.volume import Volume

        geometry = Geometry((40, 36, 20), (1.5, 1.5, 3.0), (-30.0, -27.0, -28.5))
        k, j, i = np.indices(geometry.array_shape)
        points = geometry.index_to_point(np.stack([i, j, k], axis=-1))
        image = 100 + 800 * ((points**2).sum(axis=-1) < 400) + (i + j) % 7
        self.scene = scene
        self.volume = add_volume_node(scene, Volume(image.astype(np.int16), geometry, "MR"), name="Knie Zoë")
        self.timer = HandTimer()
        self.installer = FakeInstaller()
        self.temporary = folder / "tëmporary"
        self.temporary.mkdir()
        self.environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(MODULE_FOLDER)])}
        job = Job(
            self.timer,
            lambda: [sys.executable, str(HERE / "fake_library.py")],
            environment=self.environment,
            temporary=self.temporary,
        )
        self.logic = SegmentationLogic(scene, job, installer=self.installer)
        self.states: list[tuple[str, str]] = []
        self.progress: list[tuple[float, str, float]] = []
        self.logic.job.state_changed.connect(lambda state, sentence: self.states.append((state.value, sentence)))
        self.logic.job.progressed.connect(lambda *told: self.progress.append(told))

    def behave(self, behavior: str) -> None:
        self.logic.job._environment["FAKE_LIBRARY"] = behavior

    def fraction(self) -> float:
        return self.progress[-1][0] if self.progress else 0.0

    def drive(self, until: Callable[[], bool] | None = None, limit_s: float = 60.0) -> None:
        drive(self.timer, until, limit_s)


def drive(timer: HandTimer, until: Callable[[], bool] | None, limit_s: float) -> None:
    """Tick until the condition holds, or the timer is stopped."""
    end = time.monotonic() + limit_s
    while timer.running and not (until is not None and until()):
        assert time.monotonic() < end, "the child takes too long"
        time.sleep(0.02)
        timer.timeout.emit()


@pytest.fixture
def a_scene() -> Iterator[object]:
    from MultiJointSegSlicer.scene import headless_scene

    with headless_scene() as scene:
        yield scene


@pytest.fixture
def a_desk(a_scene: object, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(a_scene, tmp_path)
    yield desk
    desk.logic.close()
    assert list(desk.temporary.iterdir()) == []


class Panel:
    """The module's window with everything around it, and a person's hands."""

    def __init__(self, module: ModuleType, desk: Desk, window: object, copied: list[str], errors: list[str]) -> None:
        from PySide6 import QtWidgets
        from slicer_stand_ins import Parent

        self.module = module
        self.desk = desk
        self.window = window
        self.application = QtWidgets.QApplication.instance()
        self.copied = copied
        self.errors = errors
        self.file = ""
        self.folder = ""
        self.widget = module.MultiJointSegWidget(Parent(window))
        self.widget.setup()
        self.ui = self.widget.ui
        self.parts = self.widget.logic.parts
        self.job = self.parts.segmentation.job
        window.resize(470, 1420)
        window.show()

    def jobs(self) -> list[Job]:
        return self.parts.jobs()

    def work(self, until: Callable[[], bool], limit_s: float = 300.0) -> None:
        """Let Qt work until the condition holds."""
        end = time.monotonic() + limit_s
        while not until():
            assert time.monotonic() < end, (self.job.state, self.job.sentence)
            self.application.processEvents()
            time.sleep(0.01)

    def work_until_idle(self) -> None:
        self.work(lambda: not self.job.state.busy)

    def work_until_exported(self) -> None:
        self.work(lambda: not self.parts.exporting.job.state.busy)

    def work_until_measured(self) -> None:
        label = self.ui.measuredLabel
        self.work(lambda: label.text().startswith(("Surfaces and measurements are", "Not measured")))

    def work_until_measured_again(self) -> None:
        self.work(lambda: self.parts.remeasuring.job.state.busy)
        self.work_until_measured()

    def behave(self, behavior: str, job: Job | None = None) -> None:
        (job or self.job)._environment["FAKE_LIBRARY"] = behavior

    def texts(self, table: str) -> list[list[str]]:
        widget = getattr(self.ui, table)
        return [
            [widget.item(row, column).text() for column in range(widget.columnCount())]
            for row in range(widget.rowCount())
        ]

    def picture(self, name: str) -> None:
        """Save a picture of the window where MULTIJOINTSEG_SCREENSHOTS says, if it does."""
        folder = os.environ.get("MULTIJOINTSEG_SCREENSHOTS")
        self.application.processEvents()
        picture = self.window.grab()
        assert not picture.isNull()
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            picture.save(str(Path(folder) / f"{name}.png"))


@pytest.fixture(scope="session")
def an_application() -> object:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    widgets = pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed", exc_type=ImportError)
    return widgets.QApplication.instance() or widgets.QApplication([])


@pytest.fixture
def a_panel(a_desk: Desk, an_application: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    """The module file as Slicer loads it, over real Qt and a real scene."""
    import slicer
    import slicer_stand_ins
    from PySide6 import QtCore, QtWidgets

    for name, fake in slicer_stand_ins.fake_modules({}).items():
        monkeypatch.setitem(sys.modules, name, fake)
        if name.startswith("slicer."):
            monkeypatch.setattr(slicer, name.split(".")[1], fake, raising=False)
    monkeypatch.setattr(slicer, "mrmlScene", a_desk.scene, raising=False)
    monkeypatch.setattr(slicer, "dicomDatabase", slicer_stand_ins.DicomDatabase(), raising=False)
    folder = MODULE_FOLDER / "MultiJointSegSlicer" / "widget"
    parts = sorted(path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "tools"))
    styled = ("MultiJointSegModule", *(f"MultiJointSegSlicer.widget.{name}" for name in parts))
    slicer_stand_ins.use_pythonqt_style(*styled)
    # What was imported over another test's Slicer would ask that one.
    for name in (*styled, "MultiJointSegSlicer.application"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("MultiJointSegModule", MODULE_FOLDER / "MultiJointSeg.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "MultiJointSegModule", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "libraryCommand", lambda: [sys.executable, str(HERE / "fake_library.py")])
    monkeypatch.setattr(module, "applicationInstaller", lambda: a_desk.installer)
    copied: list[str] = []
    errors: list[str] = []
    from MultiJointSegSlicer.widget.tools import Tools

    tools = Tools(
        make_item=QtWidgets.QTableWidgetItem,
        copy_text=copied.append,
        choose_file=lambda title, name, kind: panel.file,
        choose_folder=lambda title: panel.folder,
        open_file=lambda title, kind: panel.file,
        show_error=errors.append,
        make_editor=slicer_stand_ins.qMRMLSegmentEditorWidget,
        make_timer=QtCore.QTimer,
    )
    monkeypatch.setattr(module, "applicationTools", lambda: tools)
    window = QtWidgets.QWidget()
    panel = Panel(module, a_desk, window, copied, errors)
    for job in panel.jobs():
        job._temporary = a_desk.temporary
    yield panel
    panel.widget.cleanup()
    window.close()
    window.deleteLater()
    panel.application.processEvents()
