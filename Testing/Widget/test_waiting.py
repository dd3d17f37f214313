"""The window never blocks: measured with a timer of Qt on a volume and surfaces of a phantom's size.

What is measured is the processor time that the window's thread takes between two ticks of a timer: on a machine that
does nothing else this is how long the window does not answer.
"""

from __future__ import annotations

import importlib.util
import time

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]

LONGEST_S = 0.1


class Ticks:
    """The longest time between two ticks, and how many there were."""

    def __init__(self) -> None:
        from PySide6 import QtCore

        self.longest_s = 0.0
        self.count = 0
        self._last = time.thread_time()
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def _tick(self) -> None:
        now = time.thread_time()
        self.longest_s, self.count, self._last = max(self.longest_s, now - self._last), self.count + 1, now

    def stop(self) -> float:
        self._timer.stop()
        self._tick()
        return self.longest_s


@pytest.fixture
def a_large_panel(a_panel):
    """A volume as large as the phantom of the sample button, chosen, and nothing left to load."""
    from MultiJointSegSlicer.scene.volumes import add_volume_node

    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume

    geometry = Geometry((250, 250, 24), (0.6, 0.6, 4.0), (-75.0, -75.0, -46.0))
    k, j, i = np.indices(geometry.array_shape)
    points = geometry.index_to_point(np.stack([i, j, k], axis=-1))
    image = (100 + 800 * ((points**2).sum(axis=-1) < 1600) + (i + j) % 7).astype(np.int16)
    node = add_volume_node(a_panel.desk.scene, Volume(image, geometry, "MR"), name="Large")
    a_panel.widget._parameterNode.inputVolume = node
    a_panel.work(lambda: not a_panel.parts.warming._left)
    return a_panel


def test_window_answers_from_click_to_result_and_while_edits_are_measured_and_exported(a_large_panel, tmp_path) -> None:
    panel = a_large_panel
    panel.behave("large")
    ticks = Ticks()
    panel.ui.segmentButton.click()
    panel.work_until_idle()
    longest = {"segmenting": ticks.stop()}
    assert panel.job.state.value == "finished", panel.job.sentence
    nodes = panel.widget.form.results.nodes
    assert nodes.models["femur"].GetPolyData().GetNumberOfPolys() > 50000
    import slicer
    from MultiJointSegSlicer.scene.volumes import image_array

    image = slicer.vtkOrientedImageData()
    nodes.segmentation.GetBinaryLabelmapRepresentation("femur", image)
    array = image_array(image)
    array[:, : array.shape[1] // 2] = 0
    ticks = Ticks()
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, nodes.segmentation, "femur")
    panel.work_until_measured_again()
    longest["measuring"] = ticks.stop()
    panel.ui.reportCheckBox.setChecked(True)
    panel.folder = str(tmp_path)
    ticks = Ticks()
    panel.ui.exportButton.click()
    panel.work_until_exported()
    longest["exporting"] = ticks.stop()
    assert ticks.count > 10
    print({name: f"{1000 * seconds:.0f} ms" for name, seconds in longest.items()})
    assert max(longest.values()) < LONGEST_S, longest


def test_packages_are_loaded_one_by_one_and_missing_ones_left_out() -> None:
    from MultiJointSegSlicer.job.signal import Signal
    from MultiJointSegSlicer.warming import NAMES, Warming

    class HandTimer:
        timeout = Signal()
        running = False

        def start(self, interval_ms: int) -> None:
            self.running = True

        def stop(self) -> None:
            self.running = False

    timer = HandTimer()
    warming = Warming(timer, ("json", "no_such_package", "math"))
    warming.start()
    for left in (2, 1, 0):
        timer.timeout.emit()
        assert len(warming._left) == left
    assert timer.running
    timer.timeout.emit()
    assert not timer.running
    assert all(importlib.util.find_spec(name) for name in NAMES)
