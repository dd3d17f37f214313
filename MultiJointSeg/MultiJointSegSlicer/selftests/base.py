"""What all tests inside Slicer share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import slicer


class SelfTest:
    """Opens the module, waits for its child processes, and takes pictures."""

    LIMIT_S = 900
    _sample_scene: ClassVar[Path | None] = None

    def setUp(self) -> None:
        """Start from an empty scene; stop what an earlier test left running."""
        if "MultiJointSegWidget" in vars(slicer.modules):
            parts = slicer.modules.MultiJointSegWidget.logic.parts
            for job in parts.jobs():
                job.cancel()
                self.wait_until_idle(job)
        slicer.mrmlScene.Clear()
        for name in ("Red", "Green", "Yellow"):
            for class_name in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
                self.slice_view(name, class_name)

    def module(self) -> Any:
        """The module as it is now, also after a reload."""
        return sys.modules["MultiJointSeg"]

    def widget(self) -> Any:
        """Open the module and return its widget."""
        if slicer.util.mainWindow():
            slicer.util.selectModule("MultiJointSeg")
        else:
            # Without a main window there is no module selector, so nobody else makes and enters the widget.
            shown = slicer.modules.multijointseg.widgetRepresentation()
            if not shown.isEntered:
                shown.enter()
        return slicer.modules.MultiJointSegWidget

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Let the application work until something is so."""
        end = time.monotonic() + self.LIMIT_S
        while not condition():
            assert time.monotonic() < end, f"takes too long: {what}"
            slicer.app.processEvents()
            time.sleep(0.02)

    def wait_until_idle(self, job: Any) -> None:
        """Let the application work until a job is done."""
        self.wait_until(lambda: not job.state.busy, "the job")

    def click_and_wait(self, button: Any, job: Any, state: str = "finished") -> None:
        """Click on a button that starts a job, wait for it, and expect how it ends."""
        button.click()
        self.wait_until_idle(job)
        assert job.state.value == state, job.sentence

    def sample_result(self) -> Any:
        """A phantom with its result, segmented once and loaded from a scene file after that; returns the widget."""
        widget = self.widget()
        if SelfTest._sample_scene is None or not SelfTest._sample_scene.is_file():
            self.click_and_wait(widget.ui.sampleButton, widget.logic.parts.segmentation.job)
            path = Path(slicer.util.tempDirectory()) / "sample.mrb"
            assert slicer.util.saveScene(str(path))
            SelfTest._sample_scene = path
        else:
            slicer.util.loadScene(str(SelfTest._sample_scene))
            widget = self.widget()
            widget.initializeParameterNode()
        slicer.app.processEvents()
        nodes = widget.form.results.nodes
        assert nodes is not None, "the form shows no result"
        from MultiJointSegSlicer.scene.views import show_in_views

        show_in_views(slicer.mrmlScene, nodes.volume, nodes.segmentation)
        return widget

    def slice_view(self, name: str, class_name: str = "vtkMRMLSliceNode") -> Any:
        """A node of one of the slice views; without a main window nobody has made it."""
        node = slicer.mrmlScene.GetSingletonNode(name, class_name)
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass(class_name)
            node.UnRegister(None)
            node.SetSingletonTag(name)
            node.SetLayoutName(name)
            node = slicer.mrmlScene.AddNode(node)
            if class_name == "vtkMRMLSliceNode":
                node.SetOrientation({"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}[name])
        return node

    def texts(self, table: Any) -> list[list[str]]:
        """What a table of the form shows."""
        return [[table.item(r, c).text() for c in range(table.columnCount)] for r in range(table.rowCount)]

    def expect_no_overlap(self, widget: Any) -> None:
        """In every section no two widgets share a pixel, and no table is smaller than it has to be.

        Qt lays out what changed when it gets to it, so the form has a second to come to rest.
        """
        problems = self._overlaps(widget)
        for _ in range(10):
            if not problems:
                return
            time.sleep(0.1)
            slicer.app.processEvents()
            problems = self._overlaps(widget)
        raise AssertionError("; ".join(problems))

    @staticmethod
    def _overlaps(widget: Any) -> list[str]:
        problems = []
        for section in (each for name, each in vars(widget.ui).items() if name.endswith("CollapsibleButton")):
            children = [each for each in section.children() if each.inherits("QWidget") and each.visible]
            for index, one in enumerate(children):
                if one.height < one.minimumHeight:
                    problems.append(f"{section.text}: {one.objectName} is only {one.height} pixels high")
                problems.extend(
                    f"{section.text}: {one.objectName} and {other.objectName} overlap"
                    for other in children[index + 1 :]
                    if not one.geometry.intersected(other.geometry).isEmpty()
                )
        return problems

    def wait_until_measured(self, widget: Any, action: Callable[[], object]) -> None:
        """Edit masks, and let the application work until the edit was noticed and measured."""
        remeasuring = widget.logic.parts.remeasuring
        done: list[int] = []

        def note() -> None:
            done.append(1)

        remeasuring.updated.connect(note)
        action()
        self.wait_until(lambda: bool(done), f"measuring again: {remeasuring.job.sentence}")
        remeasuring.updated.disconnect(note)

    def picture(self, name: str, *, show: Any = None) -> None:
        """Save a picture of the main window, where there is one and MULTIJOINTSEG_SCREENSHOTS names a folder.

        `show` is the widget of the form that the module panel is scrolled to.
        """
        import ctk

        folder, window = os.environ.get("MULTIJOINTSEG_SCREENSHOTS"), slicer.util.mainWindow()
        if not folder or window is None:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        area = slicer.util.findChildren(window, className="qSlicerModulePanel")
        if show is not None and area:
            for scroll in slicer.util.findChildren(area[0], className="QScrollArea"):
                scroll.ensureWidgetVisible(show, 0, 40)
        for probe in slicer.util.findChildren(window, name="DataProbeCollapsibleWidget"):
            probe.collapsed = True
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            slicer.app.processEvents()
        slicer.util.forceRenderAllViews()
        slicer.app.processEvents()
        ctk.ctkWidgetsUtils.grabWidget(window).save(str(Path(folder) / f"{name}.png"))
