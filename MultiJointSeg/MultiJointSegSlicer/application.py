"""What the module asks of the running application: its Python, its dialogs, its database, its other modules."""

# ruff: noqa: N802 - names in the style of Slicer, which calls some of them
from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MultiJointSegSlicer.installation import Installer
from MultiJointSegSlicer.library import MODULE_FOLDER, put_library_on_path, python_path
from MultiJointSegSlicer.sample import make_sample
from MultiJointSegSlicer.widget.tools import Tools


def registerSampleData() -> None:
    """Offer the phantom in Slicer's module Sample Data."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="MultiJointSeg",
        sampleName="MultiJointSegKneePhantom",
        uris="",
        fileNames="knee_phantom.nii.gz",
        nodeNames="Knee phantom",
        customDownloader=makeSample,
    )


def registerStatistics() -> None:
    """Offer the bone's measures in Slicer's module Segment Statistics, if this Slicer has it."""
    try:
        import SegmentStatistics  # noqa: F401 - says whether it is there
    except ImportError:
        return
    from MultiJointSegSlicer.statistics_plugin import register

    register()


def makeSample(source: Any = None) -> list:  # noqa: ARG001 - called by Sample Data
    """Make the phantom and add it to the scene; returns its node."""
    with slicer.util.tryWithErrorDisplay(_("The phantom could not be made."), waitCursor=True):
        applicationInstaller().ensure()
        put_library_on_path()
        return [make_sample(slicer.mrmlScene, libraryCommand(), childEnvironment())]
    return []


def dicomFiles(volume_node: Any) -> list[Path]:
    """Files in Slicer's DICOM database that a volume was loaded from; none if any of them is not there."""
    instances = (volume_node.GetAttribute("DICOM.instanceUIDs") or "").split()
    # Slicer can be built and started without its DICOM modules.
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None or not database.isOpen:
        return []
    files = [database.fileForInstance(instance) for instance in instances]
    return [] if "" in files else [Path(file) for file in files]


def libraryCommand() -> list[str]:
    """Start of the command line that runs the library: Slicer's Python without the application."""
    python = shutil.which("PythonSlicer") or sys.executable
    return [python, "-m", "MultiJointSegLib"]


def childEnvironment() -> dict[str, str]:
    """Variables that let the child find the library."""
    before = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join([*python_path(), *([before] if before else [])])}


def applicationInstaller() -> Installer:
    """Make an installer that asks in a dialog."""
    import slicer.packaging

    def torch_logic() -> Any:
        import PyTorchUtils

        return PyTorchUtils.PyTorchUtilsLogic()

    return Installer(
        slicer.packaging,
        torch_logic,
        lambda question: slicer.util.confirmOkCancelDisplay(question, windowTitle="MultiJointSeg"),
        requirements=MODULE_FOLDER / "Resources" / "requirements.txt",
    )


def applicationTools() -> Tools:
    """Access to Qt, clipboard and dialogs of the application."""
    import qt

    return Tools(
        make_item=qt.QTableWidgetItem,
        copy_text=lambda text: qt.QApplication.clipboard().setText(text),
        choose_file=lambda title, name, kind: qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), title, name, kind
        ),
        choose_folder=lambda title: qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title),
        open_file=lambda title, kind: qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, "", kind),
        show_error=slicer.util.errorDisplay,
        make_editor=slicer.qMRMLSegmentEditorWidget,
        make_timer=qt.QTimer,
    )
