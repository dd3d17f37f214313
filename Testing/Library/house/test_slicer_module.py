"""The module file loads without anything heavy, and its form and parameter node belong together.

Slicer itself is played by a few small fakes; the real application runs the module's own test class.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from MultiJointSegLib import anatomy

ALLOWED_AT_FILE_SCOPE = {
    *("SegmentStatisticsPlugins", "SimpleITK", "numpy", "scipy", "slicer", "vtk", "vtkmodules"),
    *sys.stdlib_module_names,
}
"""The standard library and what the application brings and imports fast."""

OUR_PACKAGES = {"MultiJointSegLib", "MultiJointSegSlicer"}


class FakeApplication:
    def connect(self, signal: str, receiver: Callable[[], None]) -> None:
        assert signal == "startupCompleted()"


class FakeParent:
    title = ""


class FakeModuleBase:
    def __init__(self, parent: object = None) -> None:
        self.parent = parent


def fake_module(name: str, **contents: object) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(contents)
    return module


@pytest.fixture
def module_file(repository: Path) -> Path:
    return repository / "MultiJointSeg" / "MultiJointSeg.py"


@pytest.fixture(autouse=True)
def _module_folder_on_path(module_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Slicer does when it loads the module."""
    monkeypatch.syspath_prepend(str(module_file.parent))


@pytest.fixture
def a_module(module_file: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module file, loaded as Slicer loads it, among fakes."""
    bases = {
        name: type(name, (FakeModuleBase,), {})
        for name in (
            "ScriptedLoadableModule",
            "ScriptedLoadableModuleLogic",
            "ScriptedLoadableModuleTest",
            "ScriptedLoadableModuleWidget",
        )
    }
    fakes = {
        "slicer": fake_module(
            "slicer", app=FakeApplication(), vtkMRMLScalarVolumeNode=type("vtkMRMLScalarVolumeNode", (), {})
        ),
        "slicer.i18n": fake_module("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text),
        "slicer.parameterNodeWrapper": fake_module("slicer.parameterNodeWrapper", parameterNodeWrapper=lambda cls: cls),
        "slicer.ScriptedLoadableModule": fake_module("slicer.ScriptedLoadableModule", **bases),
        "slicer.util": fake_module("slicer.util", VTKObservationMixin=type("VTKObservationMixin", (), {})),
        "vtk": fake_module("vtk"),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    spec = importlib.util.spec_from_file_location("MultiJointSegModuleUnderTest", module_file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def a_form(module_file: Path) -> ElementTree.Element:
    return ElementTree.parse(module_file.parent / "Resources" / "UI" / "MultiJointSeg.ui").getroot()


def test_module_files_import_little_at_file_scope(
    repository: Path, imported_names: Callable[[Path, bool], set[str]]
) -> None:
    wrong = [
        f"{path.relative_to(repository)} imports {name}"
        for path in sorted((repository / "MultiJointSeg").rglob("*.py"))
        for name in sorted(imported_names(path, True))
        if name.split(".")[0] not in ALLOWED_AT_FILE_SCOPE | OUR_PACKAGES
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_scene_needs_the_library_at_file_scope(
    repository: Path, imported_names: Callable[[Path, bool], set[str]]
) -> None:
    """The library may lie beside the module or above it, which is found out when the module is opened."""
    folder = repository / "MultiJointSeg"
    wrong = [
        f"{path.relative_to(folder)} imports {name}"
        for path in sorted(folder.rglob("*.py"))
        if "scene" not in path.parts
        for name in sorted(imported_names(path, True))
        if name.startswith(("MultiJointSegLib", "MultiJointSegSlicer.scene"))
    ]
    assert not wrong, "\n".join(wrong)


def test_module_file_only_defines_at_file_scope(module_file: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.Expr)
    body = ast.parse(module_file.read_text(encoding="utf-8")).body
    assert all(isinstance(node, allowed) for node in body)
    assert all(isinstance(node.value, ast.Constant) for node in body if isinstance(node, ast.Expr))


def test_module_has_the_four_classes_and_a_parameter_node(a_module: types.ModuleType) -> None:
    for suffix in ("", "Widget", "Logic", "Test", "ParameterNode"):
        assert isinstance(getattr(a_module, f"MultiJointSeg{suffix}"), type)


def test_module_states_what_it_is(a_module: types.ModuleType) -> None:
    parent = FakeParent()
    a_module.MultiJointSeg(parent)
    assert parent.title == "MultiJointSeg"
    assert parent.categories == ["Segmentation"]
    assert "not a medical device" in parent.helpText


def test_joint_choices_are_joints_of_the_catalog() -> None:
    from MultiJointSegSlicer.parameters import JointOption

    assert {choice.value for choice in JointOption if not choice.annotated} - {"auto"} <= set(anatomy.joint_names())


def test_form_is_a_mrml_widget_with_one_widget_per_parameter(
    a_form: ElementTree.Element, a_module: types.ModuleType
) -> None:
    assert a_form.find("widget").attrib == {"class": "qMRMLWidget", "name": "MultiJointSeg"}
    named = [p.findtext("string") for p in a_form.iter("property") if p.get("name") == "SlicerParameterName"]
    assert sorted(named) == sorted(a_module.MultiJointSegParameterNode.__annotations__)


def test_form_has_every_widget_that_the_code_uses(a_form: ElementTree.Element, module_file: Path) -> None:
    files = [module_file, *sorted((module_file.parent / "MultiJointSegSlicer" / "widget").glob("*.py"))]
    used = {name for path in files for name in re.findall(r"\bui\.(\w+)", path.read_text(encoding="utf-8"))} - {"ui"}
    assert len(used) > 10
    assert used <= {widget.get("name") for widget in a_form.iter("widget")}


def test_form_passes_the_scene_to_every_mrml_widget(a_form: ElementTree.Element) -> None:
    mrml = {w.get("name") for w in a_form.iter("widget") if w.get("class").startswith("qMRML")} - {"MultiJointSeg"}
    connected = {c.findtext("receiver") for c in a_form.iter("connection")}
    assert mrml == connected
