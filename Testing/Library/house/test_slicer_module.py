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

ALLOWED_AT_FILE_SCOPE = {"SimpleITK", "numpy", "scipy", "slicer", "vtk", "vtkmodules"} | sys.stdlib_module_names
"""The standard library and what the application brings and imports fast."""

OUR_PACKAGES = {"MultiJointSegLib", "MultiJointSegSlicer"}


class FakeImage:
    def __init__(self, size: tuple[int, int, int]) -> None:
        self._size = size

    def GetDimensions(self) -> tuple[int, int, int]:
        return self._size


class FakeStorage:
    def GetFileName(self) -> str:
        return "/data/knee.nrrd"


class FakeVolume:
    def __init__(self, size: tuple[int, int, int] | None, stored: bool = False) -> None:
        self._image = None if size is None else FakeImage(size)
        self._storage = FakeStorage() if stored else None

    def GetName(self) -> str:
        return "Knee"

    def GetImageData(self) -> FakeImage | None:
        return self._image

    def GetSpacing(self) -> tuple[float, float, float]:
        return (0.625, 0.625, 4.0)

    def GetStorageNode(self) -> FakeStorage | None:
        return self._storage


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
        "slicer": fake_module("slicer", vtkMRMLScalarVolumeNode=FakeVolume),
        "slicer.i18n": fake_module("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text),
        "slicer.parameterNodeWrapper": fake_module(
            "slicer.parameterNodeWrapper", Choice=tuple, parameterNodeWrapper=lambda cls: cls
        ),
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


def test_module_file_leaves_the_library_to_the_logic(
    module_file: Path, imported_names: Callable[[Path, bool], set[str]]
) -> None:
    assert not {name for name in imported_names(module_file, True) if name.startswith("MultiJointSeg")}


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


def test_joint_choices_are_joints_of_the_catalog(a_module: types.ModuleType) -> None:
    assert a_module.JOINT_CHOICES[0] == "auto"
    assert set(a_module.JOINT_CHOICES[1:]) <= set(anatomy.joint_names())


def test_explanation_describes_volume_bones_and_command(a_module: types.ModuleType) -> None:
    text = a_module.MultiJointSegLogic().explanation(FakeVolume((256, 256, 24), stored=True), "knee")
    assert "256 x 256 x 24 voxels of 0.62 x 0.62 x 4.00 mm" in text
    assert "Knee: femur, fibula, patella, tibia" in text
    assert 'multijointseg segment "/data/knee.nrrd" -o result --joint knee' in text


def test_explanation_names_the_bones_of_every_joint_when_it_is_to_be_detected(a_module: types.ModuleType) -> None:
    text = a_module.MultiJointSegLogic().explanation(FakeVolume((256, 256, 24)), "auto")
    assert all(name in text for name in ("Ankle: ", "Knee: ", "Shoulder: "))
    assert 'segment "FILE"' in text


@pytest.mark.parametrize(
    ("size", "sentence"), [(None, "holds no image"), ((256, 256, 1), "256 x 256 x 1 voxels; at least three")]
)
def test_explanation_refuses(a_module: types.ModuleType, size: tuple[int, int, int] | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        a_module.MultiJointSegLogic().explanation(FakeVolume(size), "knee")


def test_form_is_a_mrml_widget_with_one_widget_per_parameter(
    a_form: ElementTree.Element, a_module: types.ModuleType
) -> None:
    assert a_form.find("widget").attrib == {"class": "qMRMLWidget", "name": "MultiJointSeg"}
    named = [p.findtext("string") for p in a_form.iter("property") if p.get("name") == "SlicerParameterName"]
    assert sorted(named) == sorted(a_module.MultiJointSegParameterNode.__annotations__)


def test_form_has_every_widget_that_the_code_uses(a_form: ElementTree.Element, module_file: Path) -> None:
    used = set(re.findall(r"self\.ui\.(\w+)", module_file.read_text(encoding="utf-8")))
    assert used
    assert used <= {widget.get("name") for widget in a_form.iter("widget")}


def test_form_passes_the_scene_to_every_mrml_widget(a_form: ElementTree.Element) -> None:
    mrml = {w.get("name") for w in a_form.iter("widget") if w.get("class").startswith("qMRML")} - {"MultiJointSeg"}
    connected = {c.findtext("receiver") for c in a_form.iter("connection")}
    assert mrml == connected
