"""Slicer's Segment Editor inside the form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from MultiJointSegSlicer.widget.tools import Tools

if TYPE_CHECKING:
    from MultiJointSegSlicer.scene.nodes import SceneNodes

UNDO_STATES = 10
"""As many as Slicer's own module keeps."""


class Correction:
    """Opens and closes the embedded editor; what was done in it can be undone as long as the scene is open.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    scene
        vtkMRMLScene.
    tools
        Makes the editor, when it is wanted for the first time.
    """

    def __init__(self, ui: Any, scene: Any, tools: Tools) -> None:
        self.ui = ui
        self.editor: Any = None
        self._scene = scene
        self._tools = tools
        self._nodes: SceneNodes | None = None
        self._bone = ""
        self._at_work = False
        ui.correctButton.clicked.connect(lambda *_: self._on_clicked())

    def show(self, nodes: SceneNodes | None) -> None:
        """Take another result, or none; an editor that is open goes on with it."""
        segmentation = None if nodes is None else nodes.segmentation
        before = None if self._nodes is None else self._nodes.segmentation
        self._nodes = nodes
        self.ui.correctButton.enabled = segmentation is not None
        if segmentation is None:
            self.close()
        elif segmentation is not before and self.ui.correctButton.checked:
            self.open()

    def choose(self, bone: str) -> None:
        """Select the segment of a bone, now or when the editor is opened."""
        self._bone = bone
        if self._at_work:
            self._select_segment()

    def open(self) -> None:
        """Open the editor with the result's masks."""
        if self._nodes is None or self._nodes.segmentation is None:
            return
        self.ui.correctButton.checked = True
        self.ui.editorFrame.visible = True
        self.enter()

    def close(self) -> None:
        """Close the editor; its undo steps stay."""
        self.ui.correctButton.checked = False
        self.ui.editorFrame.visible = False
        self.exit()

    def enter(self) -> None:
        """Take up the keyboard and the views, if the editor is open; called when the module is opened."""
        if self._at_work or not self.ui.correctButton.checked or self._nodes is None:
            self._select_nodes()
            return
        if self.editor is None:
            self._make_editor()
        self._at_work = True
        self._select_nodes()
        self.editor.setupViewObservations()
        self.editor.installKeyboardShortcuts()

    def exit(self) -> None:
        """Give keyboard and views back; called when another module is opened, and before the scene is closed."""
        if not self._at_work:
            return
        self._at_work = False
        self.editor.setActiveEffectByName("")
        self.editor.uninstallKeyboardShortcuts()
        self.editor.removeViewObservations()

    def forget_scene(self) -> None:
        """Let go of all nodes before the scene goes."""
        self.close()
        self._nodes, self._bone = None, ""
        if self.editor is not None:
            self.editor.setSegmentationNode(None)
            self.editor.setMRMLSegmentEditorNode(None)

    def _make_editor(self) -> None:
        from MultiJointSegSlicer.scene.editing import editor_parameters

        self.editor = self._tools.make_editor()
        self.editor.setMaximumNumberOfUndoStates(UNDO_STATES)
        # The parameter set comes first: choices made while the scene is set are kept in it.
        self.editor.setMRMLSegmentEditorNode(editor_parameters(self._scene))
        self.editor.setMRMLScene(self._scene)
        self.editor.setSegmentationNodeSelectorVisible(False)
        self.editor.setSourceVolumeNodeSelectorVisible(False)
        self.editor.setSwitchToSegmentationsButtonVisible(False)
        self.ui.editorFrame.layout().addWidget(self.editor)

    def _select_nodes(self) -> None:
        if not self._at_work or self._nodes is None:
            return
        from MultiJointSegSlicer.scene.editing import editor_parameters

        self.editor.setMRMLSegmentEditorNode(editor_parameters(self._scene))
        self.editor.setSegmentationNode(self._nodes.segmentation)
        self.editor.setSourceVolumeNode(self._nodes.volume)
        self._select_segment()

    def _select_segment(self) -> None:
        from MultiJointSegSlicer.scene.editing import segment_to_edit

        if self._nodes is not None and self._nodes.segmentation is not None:
            self.editor.setCurrentSegmentID(segment_to_edit(self._nodes.segmentation, self._bone))

    def _on_clicked(self) -> None:
        if self.ui.correctButton.checked:
            self.open()
        else:
            self.close()
