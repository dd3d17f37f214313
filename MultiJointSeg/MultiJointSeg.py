"""Entry of the 3D Slicer module: metadata, widget, logic and test; nothing heavy is imported when it is loaded."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

JOINT_CHOICES = ["auto", "ankle", "knee", "shoulder"]
"""What the user can ask for; "auto" means that the joint is detected."""


class MultiJointSeg(ScriptedLoadableModule):
    """Metadata of the module."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        self.parent.title = "MultiJointSeg"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["MultiJointSeg contributors"]
        self.parent.helpText = _(
            "Bones of pediatric ankles, knees and shoulders in MRI: editable segments, surfaces and measurements. "
            "For research use only; not a medical device."
        )
        self.parent.acknowledgementText = _(
            "The methods build on the papers listed in the README and in CITATION.cff of the extension."
        )


@parameterNodeWrapper
class MultiJointSegParameterNode:
    """What the user chose, kept in the scene.

    inputVolume - The examination.
    joint - The joint it shows, or "auto".
    """

    inputVolume: vtkMRMLScalarVolumeNode
    joint: Annotated[str, Choice(JOINT_CHOICES)] = "auto"


class MultiJointSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Window of the module: connects the form to the parameter node and the button to the logic."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Build the form; called when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        form = slicer.util.loadUI(self.resourcePath("UI/MultiJointSeg.ui"))
        self.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.logic = MultiJointSegLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.explainButton.clicked.connect(self.onExplainButton)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Stop observing; called before the widget is destroyed."""
        self.removeObservers()

    def enter(self) -> None:
        """Take up the parameter node each time the module is opened."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Let go of the parameter node each time another module is opened."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event) -> None:  # noqa: ARG002 - called by VTK
        """Let go of the parameter node, which goes with the scene."""
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:  # noqa: ARG002 - called by VTK
        """Take up a new parameter node if the module is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Connect the scene's parameter node; choose the first volume when none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            firstVolume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if firstVolume:
                self._parameterNode.inputVolume = firstVolume

    def setParameterNode(self, parameterNode: MultiJointSegParameterNode | None) -> None:
        """Disconnect the form from the old parameter node and connect it to the new one, if any."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._updateButton)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._updateButton)
            self._updateButton()

    def _updateButton(self, caller=None, event=None) -> None:  # noqa: ARG002 - called by VTK
        ready = bool(self._parameterNode and self._parameterNode.inputVolume)
        self.ui.explainButton.enabled = ready
        self.ui.explainButton.toolTip = (
            _("Check the volume and say how to segment it") if ready else _("Choose a volume")
        )

    def onExplainButton(self) -> None:
        """Show what the logic says about the chosen volume."""
        with slicer.util.tryWithErrorDisplay(_("The volume cannot be described.")):
            parameters = self._parameterNode
            self.ui.explanationLabel.text = self.logic.explanation(parameters.inputVolume, parameters.joint)


class MultiJointSegLogic(ScriptedLoadableModuleLogic):
    """What the module does, without a window."""

    def getParameterNode(self) -> MultiJointSegParameterNode:
        """Return the scene's parameter node."""
        return MultiJointSegParameterNode(super().getParameterNode())

    def explanation(self, inputVolume: vtkMRMLScalarVolumeNode, joint: str) -> str:
        """Check a volume and say how to segment it.

        Raises
        ------
        ValueError
            If the volume holds no image or fewer than three slices.
        """
        image = inputVolume.GetImageData()
        if image is None:
            raise ValueError(_("The volume '{name}' holds no image. Load it again.").format(name=inputVolume.GetName()))
        size = image.GetDimensions()
        if min(size) < 3:
            raise ValueError(
                _("The volume '{name}' has {size} voxels; at least three along each axis are needed.").format(
                    name=inputVolume.GetName(), size=" x ".join(map(str, size))
                )
            )
        spacing = " x ".join(f"{value:.2f}" for value in inputVolume.GetSpacing())
        storage = inputVolume.GetStorageNode()
        source = (storage.GetFileName() if storage else None) or "FILE"
        return "\n\n".join(
            (
                f"{inputVolume.GetName()}: {' x '.join(map(str, size))} voxels of {spacing} mm.",
                self.bonesOf(joint),
                _("This version of the module does not start the segmentation itself. Run"),
                f'multijointseg segment "{source}" -o result --joint {joint}',
                _("and open result/scene.mrb here: it holds the volume, the segments, the surfaces and the table."),
            )
        )

    def bonesOf(self, joint: str) -> str:
        """Name the bones that the library segments in a joint, or in each joint for "auto"."""
        anatomy = importLibrary("anatomy")
        keys = [key for key in JOINT_CHOICES if key != "auto"] if joint == "auto" else [joint]
        joints = [anatomy.joint(key) for key in keys]
        return "\n".join(f"{each.name}: {', '.join(bone.name.lower() for bone in each.bones)}" for each in joints)


class MultiJointSegTest(ScriptedLoadableModuleTest):
    """Runs inside 3D Slicer."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_explanationNamesTheBones()

    def test_explanationNamesTheBones(self) -> None:
        """A volume of the scene is described, with the bones of the chosen joint."""
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Knee")
        image = vtk.vtkImageData()
        image.SetDimensions(4, 5, 6)
        image.AllocateScalars(vtk.VTK_SHORT, 1)
        volume.SetAndObserveImageData(image)
        text = MultiJointSegLogic().explanation(volume, "knee")
        self.assertIn("4 x 5 x 6 voxels", text)
        self.assertIn("femur, fibula, patella, tibia", text)


def importLibrary(package: str) -> ModuleType:
    """Import a package of the library: beside the module when packaged, beside its folder in a checkout."""
    name = f"MultiJointSegLib.{package}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        checkout = Path(__file__).resolve().parent.parent
        if not (checkout / "MultiJointSegLib").is_dir() or str(checkout) in sys.path:
            raise
        sys.path.append(str(checkout))
        return importlib.import_module(name)
