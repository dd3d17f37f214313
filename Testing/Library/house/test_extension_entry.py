"""The entry for Slicer's ExtensionsIndex against its schema, version 1.0.2, and against the extension itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
TYPES = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
"""Every key that the schema knows; it allows no other."""


@pytest.fixture
def entry(repository: Path) -> dict[str, object]:
    return json.loads((repository / "Resources" / "MultiJointSeg.json").read_text(encoding="utf-8"))


def test_keys_and_values_are_those_of_the_schema(entry: dict[str, object]) -> None:
    assert set(entry) <= set(TYPES)
    assert {"$schema", "category", "scm_url"} <= set(entry)
    for key, value in entry.items():
        assert type(value) is TYPES[key], key
    assert entry["$schema"] == SCHEMA
    assert entry["scm_type"] in ("git", "local")
    assert 1 <= entry["tier"] <= 5
    assert all(isinstance(name, str) for name in entry["build_dependencies"])


def test_entry_is_of_this_extension(entry: dict[str, object], repository: Path) -> None:
    lists = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"^project\((\w+)\)", lists, re.MULTILINE)[1] == "MultiJointSeg"
    module = (repository / "MultiJointSeg" / "MultiJointSeg.py").read_text(encoding="utf-8")
    assert f'"qSlicerAbstractCoreModule", "{entry["category"]}"' in module
    homepage = re.search(r'EXTENSION_HOMEPAGE "([^"]*)"', lists)[1]
    # Both addresses stay "NA" until the repository is published; its name has to begin with Slicer then.
    if homepage == "NA":
        assert entry["scm_url"] == "NA"
    else:
        assert re.fullmatch(r"https://github\.com/[\w-]+/Slicer[\w-]+(\.git)?", entry["scm_url"])


def test_what_the_index_checks_about_the_repository(repository: Path) -> None:
    assert (repository / "LICENSE").is_file()
    for name in ("Resources/MultiJointSeg.json", "CMakeLists.txt", "MultiJointSeg/CMakeLists.txt"):
        assert b"\r" not in (repository / name).read_bytes(), name
