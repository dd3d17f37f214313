"""Entry of the 3D Slicer module: metadata, window, logic and tests; nothing heavy is imported when it is loaded."""

import sys

import slicer
import vtk
from MultiJointSegSlicer.application import (
    applicationInstaller,
    applicationTools,
    childEnvironment,
    dicomFiles,
    libraryCommand,
    registerSampleData,
    registerStatistics,
)
from MultiJointSegSlicer.library import put_library_on_path
from MultiJointSegSlicer.parameters import DeviceOption, EarlierOption, JointOption
from MultiJointSegSlicer.selftests.lifetime import LifetimeTests
from MultiJointSegSlicer.selftests.planes import PlanesTests
from MultiJointSegSlicer.selftests.queueing import QueueingTests
from MultiJointSegSlicer.selftests.reviewing import ExportingTests, ReviewingTests
from MultiJointSegSlicer.selftests.segmenting import SegmentingTests
from MultiJointSegSlicer.selftests.tutorial import TutorialTests
from MultiJointSegSlicer.widget.form import Form
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class MultiJointSeg(ScriptedLoadableModule):
    """Metadata of the module."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        self.parent.title = "MultiJointSeg"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["MultiJointSeg contributors"]
        self.parent.helpText = _(
            "Bones of pediatric ankles, knees and shoulders in MRI, and of hips in CT: editable segments, surfaces and "
            "measurements. "
            "For research use only; not a medical device."
        )
        self.parent.acknowledgementText = _(
            "The methods build on the papers listed in the README and in CITATION.cff of the extension."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerStatistics)


@parameterNodeWrapper
class MultiJointSegParameterNode:
    """What the user chose, kept in the scene.

    inputVolume - The examination.
    joint - The joint it shows, or automatic.
    device - Where to compute.
    earlier - What becomes of earlier results of the volume.
    modelFolder - Folder of a model bundle, empty for the one that comes with the extension.
    outlineFile - Outline of the parent organ, for a model that reads one.
    followEdits - Measure again whenever masks are edited.
    reviewer - Name of the person who looks at the results.
    batchInput, batchOutput - Folders of the batch.
    planeModel, planeStudy - Imaging planes: folders of the pretraining and of the study.
    queueFolder, queueReader, refineConfig - Review queue: its folder, who reads, and how to train again.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    joint: JointOption = JointOption.AUTOMATIC
    device: DeviceOption = DeviceOption.AUTOMATIC
    earlier: EarlierOption = EarlierOption.KEEP
    modelFolder: str = ""
    outlineFile: str = ""
    followEdits: bool = True
    reviewer: str = ""
    batchInput: str = ""
    batchOutput: str = ""
    planeModel: str = ""
    planeStudy: str = ""
    queueFolder: str = ""
    queueReader: str = ""
    refineConfig: str = ""


class MultiJointSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Window of the module: hands form, parameter node and scene to each other."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.form = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Build the form; called when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/MultiJointSeg.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MultiJointSegLogic()
        self.form = Form(self.ui, self.logic.parts, slicer.mrmlScene, applicationTools())
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()
        self.logic.parts.warming.start()

    def cleanup(self) -> None:
        """End what runs and stop observing; called before the widget is destroyed, so also at a reload."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.form:
            self.logic.parts.warming.stop()
            self.form.close()

    def onReload(self) -> None:
        """Load the module's packages anew too; called by the button of the developer mode."""
        for name in [each for each in sys.modules if each.split(".")[0] in ("MultiJointSegLib", "MultiJointSegSlicer")]:
            del sys.modules[name]
        super().onReload()

    def enter(self) -> None:
        """Take up the parameter node each time the module is opened."""
        self.initializeParameterNode()
        self.form.enter()

    def exit(self) -> None:
        """Let go of the form's connections each time another module is opened; a run goes on."""
        self.form.exit()
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None

    def onSceneStartClose(self, caller, event) -> None:  # noqa: ARG002 - called by VTK
        """Cancel a run and let go of the parameter node, which goes with the scene."""
        self.form.start_closing_scene()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:  # noqa: ARG002 - called by VTK
        """Take up a new parameter node if the module is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodeRemoved(self, caller, event) -> None:  # noqa: ARG002 - called by VTK
        """Show no result that the user removed."""
        if not slicer.mrmlScene.IsClosing():
            self.form.refresh()

    def initializeParameterNode(self) -> None:
        """Connect the scene's parameter node; choose the volume that was loaded last when none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            # Label maps are of a class derived from that of volumes.
            volumes = [
                node
                for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
                if node.GetClassName() == "vtkMRMLScalarVolumeNode"
            ]
            if volumes:
                self._parameterNode.inputVolume = volumes[-1]

    def setParameterNode(self, parameterNode) -> None:
        """Disconnect the form from the old parameter node and connect it to the new one, if any."""
        if self._parameterNode:
            if self._parameterNodeGuiTag is not None:
                self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        self._parameterNode = parameterNode
        self._parameterNodeGuiTag = None
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        if self.form:
            self.form.set_parameters(parameterNode)

    def onParameterNodeModified(self, caller=None, event=None) -> None:  # noqa: ARG002 - called by VTK
        """Show what belongs to the choices."""
        self.form.refresh()


class MultiJointSegLogic(ScriptedLoadableModuleLogic):
    """What the module does, without a window; its `parts` do it."""

    def __init__(self) -> None:
        super().__init__()
        import qt

        put_library_on_path()
        from MultiJointSegSlicer.logics import Logics

        self.parts = Logics(
            slicer.mrmlScene,
            qt.QTimer,
            libraryCommand,
            installer=applicationInstaller(),
            dicom_files=dicomFiles,
            environment=childEnvironment(),
        )

    def getParameterNode(self) -> MultiJointSegParameterNode:
        """Return the scene's parameter node."""
        return MultiJointSegParameterNode(super().getParameterNode())


class MultiJointSegTest(
    SegmentingTests,
    ReviewingTests,
    ExportingTests,
    LifetimeTests,
    QueueingTests,
    PlanesTests,
    TutorialTests,
    ScriptedLoadableModuleTest,
):
    """Runs inside 3D Slicer, on real nodes and widgets; the child makes and segments a phantom."""

    def runTest(self) -> None:
        """Run every test."""
        for name in sorted(each for each in dir(self) if each.startswith("test_")):
            self.setUp()
            getattr(self, name)()
