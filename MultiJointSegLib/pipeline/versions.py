"""Versions of what a run depends on, without importing any of it."""

from __future__ import annotations

import importlib.metadata
import platform

import MultiJointSegLib

PACKAGES = (
    "numpy",
    "scipy",
    "SimpleITK",
    "pydicom",
    "torch",
    "monai",
    "openvino",
    "onnxruntime",
    "safetensors",
    "vtk",
    "slicer-core",
    "matplotlib",
    "Jinja2",
    "rich",
)
"""Distributions whose versions a run depends on."""


def package_versions() -> dict[str, str | None]:
    """Version of MultiJointSeg, Python and each of `PACKAGES` (None where not installed), importing none of them."""
    versions: dict[str, str | None] = {
        "MultiJointSeg": MultiJointSegLib.__version__,
        "Python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions
