"""Importing the library is cheap and loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORT_LIMIT_S = 0.3
HEAVY = ("torch", "vtk", "vtkmodules", "SimpleITK", "matplotlib", "scipy", "openvino", "onnxruntime", "monai", "slicer")

LIGHT_MODULES = (
    "MultiJointSegLib",
    "MultiJointSegLib.anatomy",
    "MultiJointSegLib.errors",
    "MultiJointSegLib.progress",
    "MultiJointSegLib.resources",
)


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_takes_less_than_the_limit() -> None:
    code = "import time; t = time.perf_counter(); import MultiJointSegLib; print(time.perf_counter() - t)"
    seconds = [float(run(code)) for _ in range(5)]
    assert min(seconds) < IMPORT_LIMIT_S


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_import_loads_nothing_heavy(module: str) -> None:
    loaded = run(f"import sys, {module}; print(*[m for m in {HEAVY} if m in sys.modules])")
    assert loaded == ""


def test_packages_load_nothing_heavy() -> None:
    """A package's __init__ leaves heavy imports to its modules."""
    code = (
        "import sys, pkgutil, importlib, MultiJointSegLib\n"
        "for p in pkgutil.iter_modules(MultiJointSegLib.__path__, 'MultiJointSegLib.'):\n"
        "    if p.ispkg: importlib.import_module(p.name)\n"
        f"print(*[m for m in {HEAVY} if m in sys.modules])"
    )
    assert run(code) == ""
