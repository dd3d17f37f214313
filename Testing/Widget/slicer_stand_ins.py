"""Small stand-ins for what the module asks of the Slicer application, over real Qt and a real MRML scene."""

# ruff: noqa: N801, N815 - the names are Slicer's
from __future__ import annotations

import sys
import types
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets
from shibokensupport import feature

TRUE_PROPERTY = 0x02
"""PythonQt's way in PySide6: ``button.text = "Go"``."""


class qMRMLWidget(QtWidgets.QWidget):
    """Hands the scene to the selectors in it."""

    def setMRMLScene(self, scene: Any) -> None:
        for selector in self.findChildren(qMRMLNodeComboBox):
            selector.setMRMLScene(scene)


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """Lists the scene's volumes; the first entry is none."""

    currentNodeChanged = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._ids: list[str] = [""]
        self.activated.connect(lambda _index: self.currentNodeChanged.emit())

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def update_nodes(self, current: Any) -> None:
        nodes = [n for n in nodes_by_class("vtkMRMLScalarVolumeNode") if not n.IsA("vtkMRMLLabelMapVolumeNode")]
        self._ids = ["", *(node.GetID() for node in nodes)]
        self.clear()
        self.addItems(["Select a Volume", *(node.GetName() for node in nodes)])
        self.setCurrentIndex(self._ids.index(current.GetID()) if current in nodes else 0)

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._ids[self.currentIndex()] or "none")


class ctkCollapsibleButton(QtWidgets.QGroupBox):
    """A box with a title; a collapsed one shows nothing else."""

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self.setMaximumHeight(24 if collapsed else 1 << 20)

    text = QtCore.Property(str, QtWidgets.QGroupBox.title, QtWidgets.QGroupBox.setTitle)
    collapsed = QtCore.Property(bool, lambda self: getattr(self, "_collapsed", False), _set_collapsed)


class qMRMLSegmentEditorWidget(QtWidgets.QFrame):
    """Shows what it was given, and notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.setMinimumHeight(120)
        self._label = QtWidgets.QLabel("Segment Editor", self)
        self._label.setGeometry(8, 8, 300, 100)
        self.asked: list[str] = []
        self.values: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith(("set", "install", "uninstall", "remove")):
            raise AttributeError(name)

        def note(*values: Any) -> None:
            self.asked.append(name)
            if name.startswith("set"):
                self.values[name.removeprefix("set")] = values[0] if values else None
            shown = self.values.get("CurrentSegmentID", "")
            self._label.setText(f"Segment Editor\nsegment: {shown}\neffects, masking, undo and redo of Slicer")

        return note


class DicomDatabase:
    """Knows files by their instances."""

    isOpen = True

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def fileForInstance(self, instance: str) -> str:
        return self.files.get(instance, "")


def nodes_by_class(class_name: str) -> list[Any]:
    """As slicer.util.getNodesByClass."""
    import slicer

    scene = slicer.mrmlScene
    return [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]


def load_ui(path: str) -> QtWidgets.QWidget:
    """As slicer.util.loadUI."""
    loader = QtUiTools.QUiLoader()
    for widget in (qMRMLWidget, qMRMLNodeComboBox, ctkCollapsibleButton):
        loader.registerCustomWidget(widget)
    form = loader.load(path)
    assert form is not None, loader.errorString()
    return form


def child_widgets(form: QtWidgets.QWidget) -> types.SimpleNamespace:
    """As slicer.util.childWidgetVariables."""
    return types.SimpleNamespace(**{w.objectName(): w for w in form.findChildren(QtWidgets.QWidget) if w.objectName()})


def parameter_node_wrapper(declared: type) -> type:
    """As slicer.parameterNodeWrapper: typed attributes that know their observers and can be connected to widgets."""

    class Wrapped:
        def __init__(self, values: dict[str, Any]) -> None:
            vars(self).update(values=values, observers={}, ui=None)
            for name in declared.__annotations__:
                values.setdefault(name, getattr(declared, name, None))

        def __getattr__(self, name: str) -> Any:
            if name not in vars(self)["values"]:
                raise AttributeError(name)
            return vars(self)["values"][name]

        def __setattr__(self, name: str, value: Any) -> None:
            declared_type = declared.__annotations__[name]
            if isinstance(declared_type, type) and issubclass(declared_type, Enum):
                assert isinstance(value, declared_type)
            self.values[name] = value
            self.write()
            for callback in list(self.observers.values()):
                callback()

        def connectGui(self, ui: Any) -> str:
            vars(self)["ui"] = ui
            for name, widget in self._widgets():
                if isinstance(widget, qMRMLNodeComboBox):
                    widget.currentNodeChanged.connect(self._reader(name, widget.currentNode))
                elif isinstance(widget, QtWidgets.QCheckBox):
                    widget.clicked.connect(self._reader(name, widget.isChecked))
                elif isinstance(widget, QtWidgets.QComboBox):
                    widget.clear()
                    choices = list(declared.__annotations__[name])
                    widget.addItems([choice.label() for choice in choices])
                    widget.activated.connect(
                        self._reader(name, lambda widget=widget, choices=choices: choices[widget.currentIndex()])
                    )
                else:
                    widget.textEdited.connect(self._reader(name, widget.text))
            self.write()
            return "tag"

        def disconnectGui(self, tag: str) -> None:
            for _name, widget in self._widgets():
                signal = {
                    qMRMLNodeComboBox: "currentNodeChanged",
                    QtWidgets.QComboBox: "activated",
                    QtWidgets.QCheckBox: "clicked",
                }
                getattr(widget, signal.get(type(widget), "textEdited")).disconnect()
            vars(self)["ui"] = None

        def _reader(self, name: str, read: Callable[[], Any]) -> Callable[..., None]:
            return lambda *_: setattr(self, name, read())

        def _widgets(self) -> list[tuple[str, QtWidgets.QWidget]]:
            if self.ui is None:
                return []
            named = [(widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values()]
            return [(name, widget) for name, widget in named if name]

        def write(self) -> None:
            for name, widget in self._widgets():
                value = self.values[name]
                if isinstance(widget, qMRMLNodeComboBox):
                    widget.update_nodes(value)
                elif isinstance(widget, QtWidgets.QCheckBox):
                    widget.setChecked(value)
                elif isinstance(widget, QtWidgets.QComboBox):
                    widget.setCurrentIndex(list(type(value)).index(value))
                elif widget.text() != value:
                    widget.setText(value)

    Wrapped.__annotations__ = declared.__annotations__
    return Wrapped


class ObservationMixin:
    """As slicer.util.VTKObservationMixin."""

    def __init__(self) -> None:
        self._observations: list[tuple[Any, Any, Any, Any]] = []

    def addObserver(self, target: Any, event: Any, callback: Callable[..., None]) -> None:
        if hasattr(target, "AddObserver"):
            tag = target.AddObserver(event, callback)
        else:
            tag = callback
            target.observers[callback] = callback
        self._observations.append((target, event, callback, tag))

    def removeObserver(self, target: Any, event: Any, callback: Callable[..., None]) -> None:
        for each in [o for o in self._observations if o[0] is target and o[1] == event and o[2] == callback]:
            self._forget(each)

    def removeObservers(self) -> None:
        for each in list(self._observations):
            self._forget(each)

    def _forget(self, observation: tuple[Any, Any, Any, Any]) -> None:
        target, _, _, tag = observation
        if hasattr(target, "RemoveObserver"):
            target.RemoveObserver(tag)
        else:
            target.observers.pop(tag)
        self._observations.remove(observation)


class Parent:
    """The module's panel."""

    isEntered = True

    def __init__(self, window: QtWidgets.QWidget) -> None:
        self.window = window


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Parent) -> None:
        self.parent = parent
        self.layout = QtWidgets.QVBoxLayout(parent.window)

    def setup(self) -> None:
        pass

    def resourcePath(self, name: str) -> str:
        return str(Path(sys.modules[type(self).__module__].__file__).parent / "Resources" / name)


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleLogic:
    values: dict[str, Any]

    def getParameterNode(self) -> dict[str, Any]:
        return self.values


def fake_modules(values: dict[str, Any]) -> dict[str, types.ModuleType]:
    """Modules that the application has beside MRML; `values` is what the scene's parameter node holds."""

    def module(name: str, **contents: Any) -> types.ModuleType:
        made = types.ModuleType(name)
        vars(made).update(contents)
        return made

    logic = type("ScriptedLoadableModuleLogic", (ScriptedLoadableModuleLogic,), {"values": values})
    qt_names = ("QTableWidgetItem", "QApplication", "QFileDialog")
    return {
        "qt": module("qt", QTimer=QtCore.QTimer, **{name: getattr(QtWidgets, name) for name in qt_names}),
        "slicer.i18n": module("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text),
        "slicer.packaging": module("slicer.packaging"),
        "slicer.parameterNodeWrapper": module(
            "slicer.parameterNodeWrapper", parameterNodeWrapper=parameter_node_wrapper
        ),
        "slicer.ScriptedLoadableModule": module(
            "slicer.ScriptedLoadableModule",
            ScriptedLoadableModule=ScriptedLoadableModule,
            ScriptedLoadableModuleLogic=logic,
            ScriptedLoadableModuleTest=type("ScriptedLoadableModuleTest", (), {}),
            ScriptedLoadableModuleWidget=ScriptedLoadableModuleWidget,
        ),
        "slicer.util": module(
            "slicer.util",
            VTKObservationMixin=ObservationMixin,
            loadUI=load_ui,
            childWidgetVariables=child_widgets,
            errorDisplay=lambda text: None,
            mainWindow=lambda: None,
            getNodesByClass=nodes_by_class,
        ),
    }


def use_pythonqt_style(*module_names: str) -> None:
    """Let these modules, when they are loaded, use Qt as in PythonQt, and those of the tests as in PySide6."""
    # PySide6 reads the source of every loaded module; modules that torch makes on the fly have none and raise.
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "torch"}
    try:
        for name in module_names:
            feature.set_selection(TRUE_PROPERTY, name)
    finally:
        sys.modules.update(hidden)
    tests = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    for name in (__name__, *(f"Testing.Widget.{each}" for each in ("conftest", *tests))):
        feature.set_selection(0, name)
