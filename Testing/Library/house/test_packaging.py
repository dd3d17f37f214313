"""The lists of dependencies agree: pyproject, constraints, and what 3D Slicer is asked to install."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import MultiJointSegLib

BUNDLED_WITH_SLICER = {"numpy", "pillow", "pydicom", "scipy", "simpleitk", "vtk"}
THROUGH_ITS_OWN_EXTENSION = {"torch"}
NOT_PERMITTED = {"connected-components-3d", "edt", "fastremap", "igraph", "medpy", "pymaxflow", "pymeshfix", "thinqpbo"}
"""GPL, LGPL or AGPL."""


def requirements_in(lines: list[str]) -> dict[str, Requirement]:
    rows = (line.split("#")[0].strip() for line in lines)
    parsed = [Requirement(row) for row in rows if row]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


@pytest.fixture
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def pins(repository: Path) -> dict[str, Requirement]:
    path = repository / "Resources" / "Install" / "constraints.txt"
    return requirements_in(path.read_text(encoding="utf-8").splitlines())


def test_every_constraint_is_one_exact_version(pins: dict[str, Requirement]) -> None:
    assert all([s.operator for s in pin.specifier] == ["=="] for pin in pins.values())


@pytest.mark.parametrize("extra", ["", "fast", "slicer", "train", "test"])
def test_constraints_pin_what_is_asked_for(project: dict, pins: dict[str, Requirement], extra: str) -> None:
    asked = requirements_in(project["optional-dependencies"][extra] if extra else project["dependencies"])
    for name in asked.keys() - THROUGH_ITS_OWN_EXTENSION:
        assert name in pins, f"{name} has no pin"
        version = next(iter(pins[name].specifier)).version
        assert asked[name].specifier.contains(version), (
            f"{name} is pinned to {version}, asked for {asked[name].specifier}"
        )


def test_torch_of_the_makefile_is_one_that_is_asked_for(project: dict, repository: Path) -> None:
    line = next(
        row for row in (repository / "Makefile").read_text(encoding="utf-8").splitlines() if row.startswith("TORCH")
    )
    version = line.split("==")[1].strip()
    assert requirements_in(project["dependencies"])["torch"].specifier.contains(version)


def test_slicer_is_asked_for_what_it_lacks(project: dict, repository: Path) -> None:
    path = repository / "MultiJointSeg" / "Resources" / "requirements.txt"
    asked = requirements_in(path.read_text(encoding="utf-8").splitlines())
    core = requirements_in(project["dependencies"])
    wanted = {name: core[name] for name in core.keys() - BUNDLED_WITH_SLICER - THROUGH_ITS_OWN_EXTENSION}
    assert asked == wanted


def test_no_dependency_restricts_the_license(project: dict, pins: dict[str, Requirement]) -> None:
    extras = [row for rows in project["optional-dependencies"].values() for row in rows]
    asked = requirements_in(project["dependencies"]).keys() | requirements_in(extras).keys() | pins.keys()
    assert not asked & NOT_PERMITTED


def test_citation_states_the_version(repository: Path) -> None:
    assert f"version: {MultiJointSegLib.__version__}\n" in (repository / "CITATION.cff").read_text(encoding="utf-8")


def test_ci_script_can_be_run(repository: Path) -> None:
    assert os.access(repository / ".ci" / "run", os.X_OK)
