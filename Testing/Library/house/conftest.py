"""Where the repository lies and what its Python files import."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def imported_names() -> Callable[[Path, bool], set[str]]:
    """Full names that a file imports: at file scope only, or anywhere in it."""

    def names(path: Path, file_scope_only: bool) -> set[str]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = tree.body if file_scope_only else list(ast.walk(tree))
        found: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import; write the full name"
                found.add(node.module or "")
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        return found

    return names
